"""Cells that begin with `%%sh` are shown as what a person types at a shell.

The magic runs the command without forking a process that holds JAX, which `!command` would.
"""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

MAGIC = re.compile(r"%%sh.*\n")


def shown(app: Sphinx, doctree: nodes.document) -> None:
    """Sphinx's event: the commands of such cells, without the magic."""
    for block in doctree.findall(nodes.literal_block):
        if MAGIC.match(block.astext()):
            text = MAGIC.sub("", block.astext(), count=1)
            block.children = [nodes.Text(text)]
            block.rawsource = text
            block["language"] = "bash"


def setup(app: Sphinx) -> dict[str, Any]:
    """As Sphinx asks for."""
    app.connect("doctree-read", shown)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
