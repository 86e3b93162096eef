"""One panel of a figure: a canvas with axes, its texts, the key, and what it becomes (SVG and pixels).

All sizes are in units of 1/360 of a panel's width. A panel is drawn once and kept in both forms.
"""

from __future__ import annotations

import io
import warnings
import xml.etree.ElementTree as ET
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path
from matplotlib.ticker import MaxNLocator
from PIL import Image

from lab.report import svg
from lab.report.anchors import Link
from lab.report.numbers import plain
from lab.report.style import MUTED, PNG_SCALE, SMALL, TEXT, WIDTH
from lab.report.text import shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIDE, TITLE, SUBTITLE = 6.0, 20.0, 15.0


@dataclass(frozen=True)
class Panel:
    """One drawn panel: its SVG element, its pixels, and what it shows in words."""

    element: ET.Element
    pixels: Image.Image
    alt: str


@dataclass(frozen=True)
class Key:
    """An entry of the key: a line with a marker, or a filled box where `marker` is None."""

    label: str
    colour: str
    marker: str | None


@lru_cache(maxsize=4096)
def text_width(text: str, size: float = TEXT, weight: str = "normal") -> float:
    """Width in units that a text takes in the font that is measured with, which is wider than those of most screens."""
    font = FontProperties(family="DejaVu Sans", size=size, weight=weight)
    return float(text_to_path.get_text_width_height_descent(text, font, ismath=False)[0])


def fit(text: str, width: float, size: float = TEXT, weight: str = "normal") -> str:
    """Cuts the middle out of a text until it fits into `width` units."""
    if text_width(text, size, weight) <= width:
        return text
    length = bisect_right(range(1, len(text)), width, key=lambda n: text_width(shorten(text, n), size, weight))
    return shorten(text, max(1, length))


def round_ticks(low: float, high: float, width: float, beside: float, most: int = 6) -> list[float]:
    """Round values for an axis `width` units long, at most about six, whose labels neither touch nor leave the panel.

    `beside` is the room in units that a label has beyond either end of the axis.
    """
    for count in range(most, 0, -1):
        found = MaxNLocator(count, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
        half = {float(t): text_width(plain(t), SMALL) / 2 for t in found if low <= t <= high}
        place = {t: (t - low) / (high - low) * width for t in half}
        ticks = [t for t in half if place[t] - half[t] >= -beside and place[t] + half[t] <= width + beside]
        if all(place[b] - place[a] >= half[a] + half[b] + 8 for a, b in pairwise(ticks)):
            return ticks
    return ticks[:1]


def key_panel(prefix: str, keys: Sequence[Key]) -> Panel:
    """Draws the key: entries from left to right, in as many rows as a panel's width asks for."""
    places, x, row = [], SIDE, 0
    for key in keys:
        label = fit(key.label, WIDTH - 2 * SIDE - 24)
        width = 24 + text_width(label)
        if x > SIDE and x + width > WIDTH:
            x, row = SIDE, row + 1
        places.append((key, label, x, row))
        x += width + 16
    height = 18.0 * (row + 1) + 4
    canvas, axes = axes_in(0, height, 0, 0, 0)
    axes.set_axis_off()
    axes.set_xlim(0, WIDTH)
    axes.set_ylim(height, 0)
    for key, label, left, line in places:
        middle = 11.0 + 18 * line
        if key.marker is None:
            axes.barh(middle, 14, 9, left=left, color=key.colour, linewidth=0)
        else:
            axes.plot([left, left + 17], [middle, middle], color=key.colour, lw=1.6)
            axes.plot([left + 8.5], [middle], marker=key.marker, ms=7, color=key.colour, mew=0)
        axes.text(left + 22, middle + 4, label, va="baseline")
    return finish(canvas, prefix, "Key: " + ", ".join(k.label for k in keys))


def axes_in(head: float, body: float, foot: float, left: float, right: float) -> tuple[Canvas, Axes]:
    """A canvas one panel wide, and axes on it that leave so many units free on each side."""
    height = head + body + foot
    canvas = Canvas(figsize=(WIDTH / 72, height / 72), dpi=72)
    FigureCanvasAgg(canvas)
    axes = canvas.add_axes((left / WIDTH, foot / height, (WIDTH - left - right) / WIDTH, body / height))
    return canvas, axes


def put_titles(canvas: Canvas, title: str, subtitle: str) -> None:
    """Writes the two lines above the axes."""
    height = canvas.get_figheight() * 72
    space = WIDTH - 2 * SIDE
    canvas.text(SIDE / WIDTH, 1 - 13 / height, fit(title, space, TEXT + 1, "bold"), size=TEXT + 1, weight="bold")
    canvas.text(SIDE / WIDTH, 1 - (13 + SUBTITLE) / height, fit(subtitle, space, SMALL), size=SMALL, color=MUTED)


def finish(canvas: Canvas, prefix: str, alt: str, links: Iterable[Link] = ()) -> Panel:
    """Draws the canvas as SVG, whose ids begin with `prefix`, and as pixels; `links` are those of its marks."""
    with warnings.catch_warnings():
        # Letters that the measuring font lacks are drawn by the reader's browser; the PNG shows boxes for them.
        warnings.filterwarnings("ignore", message=".*[Gg]lyph.*missing")
        target = io.BytesIO()
        canvas.savefig(target, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
        drawn = io.BytesIO()
        canvas.savefig(drawn, dpi=72 * PNG_SCALE, transparent=True, pil_kwargs={"compress_level": 0})
    return Panel(svg.clean(target.getvalue(), prefix, links), Image.open(drawn), alt)
