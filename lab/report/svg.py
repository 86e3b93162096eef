"""Makes matplotlib's SVG fit a page: no style attributes, no clashing ids, colours that follow light and dark.

A content security policy with hashes refuses style="..." on elements, so each becomes plain attributes (fill, stroke).
A colour of `style.COLOURS` keeps its light value as attribute, for programs without CSS, and gets a class for the page.
A mark drawn with a URL becomes a link within the page, with a tooltip and a round patch that a finger can hit.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping, Sequence

from lab.report.anchors import Link
from lab.report.style import COLOURS, PAPER, WIDTH, css

SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"
FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
_CLASS = {light: name for name, light, _ in COLOURS}
_NUMBER = re.compile(r"-?\d+\.\d+")
_ROUNDED = ("d", "x", "y", "transform", "width", "height", "points")
_KEPT = {
    "fill", "fill-opacity", "stroke", "stroke-opacity", "stroke-width", "stroke-linejoin", "stroke-linecap",
    "stroke-dasharray", "stroke-dashoffset", "opacity", "font-size", "font-weight", "text-anchor",
}  # fmt: skip
GAP = 24.0
REACH = "6"  # radius of the patch around a linked mark
PAGE = "../index.html"  # as seen from a figure's own file


def clean(source: bytes, prefix: str, links: Iterable[Link] = ()) -> ET.Element:
    """Parses one figure saved by matplotlib and returns its root: ids start with `prefix`, styles are attributes.

    `links` are those that its marks were drawn with, their anchors as URLs.
    """
    root = ET.fromstring(source)
    _, _, width, height = root.get("viewBox", "0 0 1 1").split()
    for element in list(root.iter()):
        for child in list(element):
            if child.tag in (f"{{{SVG}}}metadata", f"{{{SVG}}}style"):
                element.remove(child)
    for element in root.iter():
        _plain(element, prefix)
    titles = {link.anchor: link.title for link in links}
    for element in list(root.iter(f"{{{SVG}}}a")):
        _lead(element, titles)
    _drop_unused_ids(root)
    root.attrib.clear()
    root.attrib.update({"viewBox": f"0 0 {_short(width)} {_short(height)}", "font-family": FONTS,
                        "stroke-linejoin": "round", "stroke-linecap": "butt"})  # fmt: skip
    return root


def _plain(element: ET.Element, prefix: str) -> None:
    for declaration in element.attrib.pop("style", "").split(";"):
        name, _, value = (part.strip() for part in declaration.partition(":"))
        if name == "font":  # the shorthand of older matplotlib: "bold 11px 'DejaVu Sans'"
            size = re.search(r"([\d.]+)px", value)
            element.attrib.update({"font-size": size.group(1)} if size else {})
            element.attrib.update({"font-weight": "bold"} if re.search(r"\b(bold|[6-9]00)\b", value) else {})
        elif name in _KEPT:
            element.set(name, value.removesuffix("px") if name == "font-size" else value)
    classes = []
    for kind in ("fill", "stroke"):
        colour = _CLASS.get(element.get(kind, "").lower())
        if colour:
            classes.append(f"{kind[0]}-{colour}")
    if classes:
        element.set("class", " ".join(classes))
    if element.tag == f"{{{SVG}}}text" and element.get("transform", "").startswith("rotate(-0 "):
        del element.attrib["transform"]
    for name, value in list(element.attrib.items()):
        if name == "id":
            element.set(name, f"{prefix}-{value}")
        elif name == f"{{{XLINK}}}href" and element.tag not in (f"{{{SVG}}}a", f"{{{SVG}}}image"):
            element.set(name, f"#{prefix}-{value.removeprefix('#')}")
        elif "url(#" in value:
            element.set(name, value.replace("url(#", f"url(#{prefix}-"))
        elif name in _ROUNDED and "scale" not in value:
            element.set(name, _NUMBER.sub(lambda m: _short(m.group()), " ".join(value.split())))


def _lead(element: ET.Element, titles: Mapping[str, str]) -> None:
    anchor = element.attrib[f"{{{XLINK}}}href"]
    element.attrib.clear()  # of matplotlib's wish for a new window too
    element.set("href", f"#{anchor}")
    mark = element.find(f"{{{SVG}}}use")
    title = ET.Element(f"{{{SVG}}}title")
    title.text = titles[anchor]
    element.insert(0, title)
    if mark is not None:
        place = {"cx": mark.get("x", "0"), "cy": mark.get("y", "0"), "r": REACH}
        ET.SubElement(element, f"{{{SVG}}}circle", {**place, "fill": "none", "pointer-events": "all"})


def _drop_unused_ids(root: ET.Element) -> None:
    used: set[str] = set()
    for element in root.iter():
        for name, value in element.attrib.items():
            used.update(re.findall(r"#([^)]+)", value) if name != "id" else ())
    for element in root.iter():
        if element.get("id") not in used:
            element.attrib.pop("id", None)


def _short(number: str | float) -> str:
    text = f"{float(number):.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def inline(root: ET.Element, label: str) -> str:
    """Writes a panel for use inside HTML, with a text alternative: an image, or a group where it has links."""
    root.set("role", "img" if root.find(f".//{{{SVG}}}a") is None else "group")
    root.set("aria-label", label)
    root.set("class", "panel")
    return _write(root)


def size(root: ET.Element) -> tuple[float, float]:
    """Width and height of a panel in its own units."""
    _, _, width, height = root.get("viewBox", "0 0 0 0").split()
    return float(width), float(height)


def compose(legend: ET.Element | None, panels: Sequence[ET.Element], columns: int, label: str) -> str:
    """Sets panels in rows, the legend above them, as one SVG file that knows light and dark by itself."""
    across = WIDTH * columns + GAP * (columns - 1)
    page = ET.Element(f"{{{SVG}}}svg", {"role": "img", "aria-label": label})
    ET.SubElement(page, f"{{{SVG}}}style").text = css()
    ground = ET.SubElement(page, f"{{{SVG}}}rect", {"class": "f-paper", "fill": PAPER})
    top = 12.0
    if legend is not None:
        page.append(_placed(legend, 0, top))
        top += size(legend)[1]
    for start in range(0, len(panels), columns):
        row = panels[start : start + columns]
        for column, panel in enumerate(row):
            page.append(_placed(panel, column * (WIDTH + GAP), top))
        top += max(size(p)[1] for p in row) + 12
    width, height = _short(across + 24), _short(top)
    page.attrib.update({"viewBox": f"-12 0 {width} {height}", "width": width, "height": height})
    ground.attrib.update({"x": "-12", "width": width, "height": height})
    text = _write(page).replace('<a href="#', f'<a href="{PAGE}#')
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + text


def _placed(panel: ET.Element, x: float, y: float) -> ET.Element:
    width, height = size(panel)
    placed = ET.Element(panel.tag, {**panel.attrib, "x": _short(x), "y": _short(y),
                                    "width": _short(width), "height": _short(height)})  # fmt: skip
    for name in ("role", "aria-label", "class"):
        placed.attrib.pop(name, None)
    placed.extend(list(panel))
    return placed


def _write(root: ET.Element) -> str:
    ET.register_namespace("", SVG)
    ET.register_namespace("xlink", XLINK)
    text = ET.tostring(root, encoding="unicode")
    return re.sub(r">\s+<", "><", text) + "\n"
