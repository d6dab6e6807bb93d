"""Formulas as MathML, which browsers draw themselves: no script, no font, no network."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util.math import get_node_equation_number


def written(formula: str, display: str) -> str:
    """Return a formula as MathML, with the space around functions that LaTeX would set."""
    gap = '<mspace width=".17em"/>'
    text = convert(formula, display=display)
    return re.sub(r"<mi>(log|ln|exp)</mi>", rf"{gap}<mi>\1</mi>{gap}", text)


def inline(writer: Any, node: nodes.math) -> None:
    """A formula within a line."""
    writer.body.append(written(node.astext(), "inline"))
    raise nodes.SkipNode


def block(writer: Any, node: nodes.math_block) -> None:
    """A formula of its own, with its number if it has one."""
    writer.body.append(writer.starttag(node, "div", CLASS="math"))
    if node["number"]:
        number = get_node_equation_number(writer, node)
        writer.body.append(f'<span class="eqno">({number})</span>')
    writer.body.append(written(node.astext(), "block"))
    writer.body.append("</div>\n")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    """As Sphinx asks for."""
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    app.config.html_math_renderer = "mathml"
    return {"parallel_read_safe": True, "parallel_write_safe": True}
