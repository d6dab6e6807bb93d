"""Figures within the page: SVG of its own, which needs no style sheet and clashes with nothing.

Their letters are outlines. As text they would need the font that the layout was made for, which a
page that asks for nothing cannot bring along without growing by it, and `font` as a style, which
its security policy does not allow.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree

from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure

from jaxscale.plotting.style import picture
from jaxscale.shown.element import Element, make

MANY = 400
"""Points beyond which a cloud becomes pixels: a page has several figures."""
XLINK = "{http://www.w3.org/1999/xlink}href"
PLACES = ("d", "x", "y", "points")
"""Attributes that are places, of which a hundredth of a point is enough."""
EXACT = re.compile(r"(\.\d\d)\d+")
LOCAL = re.compile(r"url\(#([^)]+)\)")
LEFT_OUT = ("metadata", "style")
"""Elements that a page does not need, and a style that would be that of all of it."""
ROUND = {"stroke-linejoin": "round", "stroke-linecap": "butt"}
"""What matplotlib's style says of everything."""


def figure(drawn: Axes | Figure, name: str, title: str, *caption: str | Element) -> Element:
    """Return a figure of the house as an element of the page.

    Args:
        drawn: what a function of `plotting` returned.
        name: of the figure on this page, of letters; its ids begin with it.
        title: what it shows, for who does not see it.
        caption: what stands below it.
    """
    whole = drawn.figure.figure if isinstance(drawn, Axes) else drawn
    for cloud in whole.findobj(PathCollection) if whole is not None else ():
        if len(cloud.get_offsets()) > MANY:  # type: ignore[arg-type]
            cloud.set_rasterized(True)
    svg = inline(picture(drawn, ".svg", outlines=True).decode(), name, title)
    below = make("figcaption", *caption) if caption else None
    return make("figure", make("div", svg, class_="card"), below)


def inline(text: str, name: str, title: str) -> Element:
    """Return the SVG of a figure as it can stand within a page.

    Names of elements lose their namespace, ids get a prefix, `style` becomes the attributes that
    it stands for, which a content security policy without inline styles lets be.

    Args:
        text: of matplotlib's own, no one else's.
        name: the prefix.
        title: of the figure.
    """
    svg = ElementTree.fromstring(text)
    for parent in svg.iter():
        for child in list(parent):
            if child.tag.rpartition("}")[2] in LEFT_OUT:
                parent.remove(child)
    for element in svg.iter():
        element.tag = element.tag.rpartition("}")[2]
        _plain(element, name)
        element.tail = (element.tail or "").strip() or None
        element.text = (element.text or "").strip() or None
    for key in ("width", "height", "version", "xmlns"):
        svg.attrib.pop(key, None)
    for key, value in ROUND.items():
        svg.set(key, value)
    label = f"{name}-title"
    svg.insert(0, make("title", title, id=label))
    svg.set("role", "img")
    svg.set("aria-labelledby", label)
    _drop_ids(svg)
    return svg


def _plain(element: Element, name: str) -> None:
    """Rename what an element is called and refers to, and write its style as attributes."""
    for part in element.attrib.pop("style", "").split(";"):
        key, mark, value = part.partition(":")
        if mark:
            element.set(key.strip(), value.strip())
    reference = element.attrib.pop(XLINK, None)
    if reference is not None:
        element.set("href", f"#{name}-{reference[1:]}" if reference[0] == "#" else reference)
    for key in PLACES:
        if key in element.attrib:
            element.set(key, " ".join(EXACT.sub(r"\1", element.get(key, "")).split()))
    if "id" in element.attrib:
        element.set("id", f"{name}-{element.get('id')}")
    for key, value in element.attrib.items():
        if "url(#" in value:
            element.set(key, LOCAL.sub(rf"url(#{name}-\1)", value))


def _drop_ids(svg: Element) -> None:
    """Drop the ids of groups that nothing refers to."""
    text = ElementTree.tostring(svg, encoding="unicode")
    for element in svg.iter():
        own = element.get("id")
        if own is not None and element.tag == "g" and f"#{own}" not in text:
            del element.attrib["id"]
