"""Pages whose text is a file elsewhere in the repository, under a title of its own.

A page says `source: ../CHANGELOG.md` in its front matter. Links of that file are turned: to the
page here where there is one, else to the file's name as code, since the site has no copy of it.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath
from typing import Any

from sphinx.application import Sphinx

LINK = re.compile(
    r"(!?)\[((?:[^\]\[]|\[[^\]]*\])*)\]\((?!https?:|#|mailto:)([^)#\s]*)(#[^)\s]*)?\)"
)
SOURCE = re.compile(r"\A---\n(?:.*\n)*?source: (\S+)\n(?:.*\n)*?---\n")


def sources(folder: Path) -> dict[str, str]:
    """Path in the repository of what pages show -> the page, both as written in links."""
    pages = {}
    for page in folder.rglob("*.md"):
        if "_build" not in page.parts and (found := SOURCE.match(page.read_text("utf-8"))):
            name = page.relative_to(folder).as_posix()
            pages[normpath(f"docs/{PurePosixPath(name).parent}/{found[1]}")] = name
    return pages


def turned(text: str, file: str, page: str, known: dict[str, str], root: Path) -> str:
    """The text of `file` with links that hold on `page`."""
    here = PurePosixPath(page).parent.as_posix()

    def replacement(found: re.Match[str]) -> str:
        picture, label, target, place = found.groups()
        path = normpath(f"{PurePosixPath(file).parent}/{target}")
        if picture:
            return f"![{label}]({relpath(root / path, root / 'docs' / here)})"
        own = path.removeprefix("docs/") if path.startswith("docs/") else None
        if to := known.get(path, own):
            return f"[{label}]({relpath(to, here)}{place or ''})"
        return label if "`" in label or " " in label else f"`{path}`"

    # Code between backticks is left as it is.
    parts = re.split(r"(```.*?```|`[^`\n]+`(?!\]))", text, flags=re.DOTALL)
    return "".join(part if part.startswith("`") else LINK.sub(replacement, part) for part in parts)


def read(app: Sphinx, page: str, content: list[str]) -> None:
    """Sphinx's event: puts the text of the file in place of the page's."""
    found = SOURCE.match(content[0])
    if not found:
        return
    root = Path(app.srcdir).parent
    file = normpath(f"docs/{PurePosixPath(page).parent}/{found[1]}")
    app.env.note_dependency(str(root / file))
    text = (root / file).read_text(encoding="utf-8")
    title, rest = content[0][found.end() :].strip(), text
    if title:
        rest = re.sub(r"\A# .*\n", f"{title}\n", text)
    content[0] = turned(rest, file, page + ".md", sources(Path(app.srcdir)), root)


def setup(app: Sphinx) -> dict[str, Any]:
    """As Sphinx asks for."""
    app.connect("source-read", read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
