"""How figures look: size, type, and colours that have a light and a dark value.

A figure is made of panels 360 units wide, so that on a phone (where panels stack) one unit is one pixel and its text
stays readable. Colours are drawn in their light value and get a class in the SVG (see `svg`), so that the page can
change them. The series colours are seaborn's colour-blind palette, the strongest first; markers tell them apart too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

WIDTH = 360.0
TEXT = 11.0
SMALL = 10.0
PNG_SCALE = 2.5

INK, MUTED, GRID, PAPER = "#1f2023", "#63656b", "#dcdcd6", "#fdfdfb"
# (class, light, dark)
BASE = (("ink", INK, "#e7e6e1"), ("muted", MUTED, "#a3a5ab"), ("grid", GRID, "#3a3c41"), ("paper", PAPER, "#17181b"))
SERIES = (
    ("c0", "#0173b2", "#5fb0e8"),
    ("c1", "#d55e00", "#ff9149"),
    ("c2", "#029e73", "#35c79c"),
    ("c3", "#cc78bc", "#e49bd6"),
    ("c4", "#949494", "#b9b9b9"),
    ("c5", "#de8f05", "#f3b544"),
    ("c6", "#56b4e9", "#a5dcfb"),
    ("c7", "#ca9161", "#dcb08a"),
)
# Parts of a whole are greys ordered by lightness, so that they are not taken for trainers; what a forward-forward step
# saves (activations) and what it pays with (its readout) has the one hue.
PARTS = (
    ("p0", "#4a4f57", "#c9ccd1"),
    ("p1", "#7f858e", "#999da5"),
    ("p2", "#b4b9c0", "#6a6e76"),
    ("p3", "#7b3294", "#c78de2"),
    ("p4", "#c3a5cf", "#7f5b95"),
    ("p5", "#d9d4c5", "#55544c"),
    ("p6", "#ebe9e2", "#34353a"),
)
MARKERS = ("o", "^", "s", "D", "v", "P", "X", "*")
VERDICTS = (("fail", "#b3261e", "#ff8a80"),)
COLOURS = (*BASE, *VERDICTS, *SERIES, *PARTS)
MEMORY_COLOURS = dict(
    zip(
        ("weights", "gradients", "optimizer", "activations", "readout", "workspace", "data"),
        (c for _, c, _ in PARTS),
        strict=True,
    )
)
TIME_COLOURS = dict(
    zip(("data", "train", "evaluate", "write", "other"), (PARTS[i][1] for i in (4, 0, 2, 3, 5)), strict=True)
)

_RC: dict[str, Any] = {
    "font.family": ["DejaVu Sans"], "font.size": TEXT, "axes.labelsize": TEXT, "axes.labelcolor": MUTED,
    "xtick.labelsize": SMALL, "ytick.labelsize": SMALL, "xtick.color": MUTED, "ytick.color": MUTED, "text.color": INK,
    "axes.edgecolor": GRID, "axes.linewidth": 1.0, "axes.facecolor": "none", "figure.facecolor": "none",
    "axes.grid": False, "grid.color": GRID, "grid.linewidth": 0.8, "xtick.major.size": 0, "ytick.major.size": 0,
    "xtick.major.pad": 4, "ytick.major.pad": 4, "axes.spines.top": False, "axes.spines.right": False,
    "axes.spines.left": False, "axes.axisbelow": True, "axes.unicode_minus": True, "axes.formatter.use_mathtext": False,
    "text.parse_math": False, "text.usetex": False, "svg.fonttype": "none", "svg.hashsalt": "lab.report",
    "path.simplify": False, "savefig.facecolor": "none", "lines.solid_capstyle": "round",
}  # fmt: skip


@contextmanager
def styled() -> Iterator[None]:
    """Sets the look for the figures drawn inside, and puts the caller's settings back."""
    import matplotlib as mpl

    with mpl.rc_context():
        # A user's matplotlibrc must not change a report.
        mpl.rcdefaults()
        mpl.rcParams.update(_RC)  # type: ignore[arg-type, unused-ignore] # newer hints list every key
        yield


def series_style(position: int) -> tuple[str, str]:
    """Colour and marker of the n-th series; from the ninth on, colours come back with other markers."""
    shift = position // len(SERIES)
    return SERIES[position % len(SERIES)][1], MARKERS[(position + shift) % len(MARKERS)]


def css(selector_dark: str = "@media (prefers-color-scheme: dark)") -> str:
    """Style rules that give every colour class its light and dark value."""
    light = "".join(f"--{name}:{value};" for name, value, _ in COLOURS)
    dark = "".join(f"--{name}:{value};" for name, _, value in COLOURS)
    rules = "".join(f".f-{n}{{fill:var(--{n})}}.s-{n}{{stroke:var(--{n})}}" for n, _, _ in COLOURS)
    return f":root{{{light}}}{selector_dark}{{:root{{{dark}}}}}{rules}"
