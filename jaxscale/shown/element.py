"""Elements of a page: what is given as text becomes text, whoever wrote it.

A page is one tree of `xml.etree`, which escapes whatever it writes out; nothing puts markup
together from strings. Control characters and marks of direction are written out as in a terminal.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

from jaxscale.text import one_line

Element = ElementTree.Element
Child = Element | str | None | Sequence["Child"]

LONGEST = 160
"""Characters of a name that the page shows."""
VOID = ("<", ">", "&", "\u2028", "\u2029")


def make(tag: str, *children: Child, **attributes: Any) -> Element:
    """Return an element.

    Args:
        tag: its name.
        children: elements and texts in their order, sequences of them; None is left out.
        attributes: `class_` is written class, `aria_live` aria-live; True is a bare attribute,
            None and False are left out.
    """
    element = ElementTree.Element(tag)
    for name, value in attributes.items():
        if value is None or value is False:
            continue
        written = name.rstrip("_").replace("_", "-")
        element.set(written, "" if value is True else one_line(str(value)))
    add(element, *children)
    return element


def add(element: Element, *children: Child) -> None:
    """Append children to an element, as `make` takes them."""
    for child in children:
        if child is None:
            continue
        if isinstance(child, str):
            _text(element, one_line(child))
        elif isinstance(child, ElementTree.Element):
            element.append(child)
        else:
            add(element, *child)


def _text(element: Element, text: str) -> None:
    if len(element):
        element[-1].tail = (element[-1].tail or "") + text
    else:
        element.text = (element.text or "") + text


def raw(tag: str, text: str, **attributes: Any) -> Element:
    """Return a script or a style of our own: its text is no data, and is written as it stands.

    Args:
        tag: its name.
        text: ours.
        attributes: as `make` takes them.
    """
    element = make(tag, **attributes)
    element.text = text
    return element


def data(value: Any, name: str) -> Element:
    """Return numbers and texts for the script of the page, as a block that nothing runs.

    Args:
        value: what JSON holds.
        name: id of the block.
    """
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    for sign in VOID:
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return raw("script", text, type="application/json", id=name)


def called(name: object) -> Element:
    """Return a name that somebody gave: cut to fit, and on its own as to direction."""
    text = str(name)
    shown = text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
    return make("bdi", shown, dir="ltr")


def table(
    head: Sequence[Child],
    rows: Sequence[Sequence[Child]],
    align: str,
    caption: str = "",
    class_: str = "",
) -> Element:
    """Return a table that scrolls by itself where the page is narrow.

    Args:
        head: cells of its head; empty for none.
        rows: of cells.
        align: one of `<` and `>` per column; the first column heads its row.
        caption: what it shows.
        class_: of its look.
    """
    sides = {"<": None, ">": "number"}
    cells = [sides[side] for side in align]
    body = [
        make(
            "tr",
            *(
                make("td" if k else "th", cell, class_=kind, scope=None if k else "row")
                for k, (cell, kind) in enumerate(zip(row, cells, strict=True))
            ),
        )
        for row in rows
    ]
    top = [make("th", cell, class_=kind, scope="col") for cell, kind in zip(head, cells)]  # noqa: B905
    inner = make(
        "table",
        make("caption", caption) if caption else None,
        make("thead", make("tr", *top)) if top else None,
        make("tbody", *body),
        class_=class_ or None,
    )
    return make(
        "div", inner, class_="scroll", tabindex="0", role="region", aria_label=caption or "table"
    )


def section(name: str, title: str, *children: Child) -> Element:
    """Return a part of the page.

    Args:
        name: its id, to link to.
        title: its heading.
        children: what it holds.
    """
    return make("section", make("h2", title, id=f"{name}-title"), *children,
                id=name, aria_labelledby=f"{name}-title")  # fmt: skip


def document(head: Sequence[Element], body: Element) -> str:
    """Return a whole page."""
    root = make("html", make("head", *head), body, lang="en")
    text = ElementTree.tostring(root, encoding="unicode", method="html")
    return f"<!doctype html>\n{text}\n"
