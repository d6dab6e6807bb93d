"""The page of commands: what `jaxscale man --markdown` prints."""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx

from jaxscale.cli.manual import markdown
from jaxscale.cli.parser import parser


def read(app: Sphinx, page: str, content: list[str]) -> None:
    """Sphinx's event: puts the manual in place of the page's text."""
    if page == "reference/commands":
        content[0] = markdown(parser().commands)


def setup(app: Sphinx) -> dict[str, Any]:
    """As Sphinx asks for."""
    app.connect("source-read", read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
