"""The page of nouns, from the docstring of the package: each has one meaning throughout."""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

import jaxscale


def nouns(docstring: str) -> list[tuple[str, str]]:
    """Return (noun, meaning) of every row of the docstring's table."""
    table = re.findall(r"^(?:    )?(\S+) {2,}(.+(?:\n {10,}.+)*)", docstring, flags=re.MULTILINE)
    return [(noun, " ".join(meaning.split())) for noun, meaning in table]


def read(app: Sphinx, page: str, content: list[str]) -> None:
    """Sphinx's event: adds the nouns to their page, by the alphabet."""
    if page == "glossary":
        rows = sorted(nouns(jaxscale.__doc__ or ""), key=lambda row: row[0].lower())
        content[0] += "".join(f"\n{noun}\n: {meaning}\n" for noun, meaning in rows)


def setup(app: Sphinx) -> dict[str, Any]:
    """As Sphinx asks for."""
    app.connect("source-read", read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
