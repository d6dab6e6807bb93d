"""After the build: no page may lead nowhere, and none may load anything from elsewhere.

A dead link, a link to a place that its page does not have, or a script, style, font or picture
from another host is a warning, and so an error under `-W`.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from sphinx.application import Sphinx
from sphinx.util import logging

LOG = logging.getLogger(__name__)
LOADS = {"script": "src", "img": "src", "link": "href", "source": "src", "iframe": "src"}


class Page(HTMLParser):
    """What one page loads, where it leads, and the places that it has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: set[str] = set()
        self.links: set[str] = set()
        self.places: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """The parser's event."""
        found = {name: value or "" for name, value in attrs}
        self.places.update(value for name in ("id", "name") if (value := found.get(name)))
        if tag in LOADS and found.get(LOADS[tag]):
            self.loads.add(found[LOADS[tag]])
        if tag == "a" and found.get("href"):
            self.links.add(found["href"])


def outside(folder: Path) -> list[str]:
    """Sentences on styles and scripts that load from elsewhere."""
    loading = re.compile(r"""(?:@import|url\()\s*['"(]*\s*(https?:|//)""")
    return [
        f"{file.relative_to(folder)}: loads from another host"
        for file in sorted(folder.rglob("*.css"))
        if loading.search(file.read_text(encoding="utf-8"))
    ]


def amiss(folder: Path) -> list[str]:
    """Sentences on what is wrong in the pages of a folder."""
    pages = {
        file: Page(file.read_text(encoding="utf-8")) for file in sorted(folder.rglob("*.html"))
    }
    wrong = outside(folder)
    for file, page in pages.items():
        name = file.relative_to(folder)
        wrong += [f"{name}: loads {url}" for url in sorted(page.loads) if urlsplit(url).netloc]
        for url in sorted(page.links | page.loads):
            parts = urlsplit(url)
            if parts.scheme or parts.netloc:
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            target = target / "index.html" if target.is_dir() else target
            if not target.exists():
                wrong.append(f"{name}: leads to {url}, which does not exist")
            elif parts.fragment and target in pages:
                if unquote(parts.fragment) not in pages[target].places:
                    wrong.append(f"{name}: leads to {url}, a place that the page does not have")
    return wrong


def finished(app: Sphinx, exception: Exception | None) -> None:
    """Warns of everything amiss, once all pages are written."""
    if exception is None and app.builder.name == "html":
        for sentence in amiss(Path(app.outdir)):
            LOG.warning(sentence)


def setup(app: Sphinx) -> dict[str, Any]:
    """As Sphinx asks for."""
    app.connect("build-finished", finished)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
