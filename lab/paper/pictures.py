"""Figures of trained runs and of what they learn from: each is there where its numbers are."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lab.diagnose.activity import BINS, DOUBLINGS
from lab.errors import LabError
from lab.paper.look import FILE, SCHEMA
from lab.paper.match import Found, of_experiment
from lab.paper.rows import Row, error_of
from lab.record import storage
from lab.report.figure import Figure, band
from lab.report.figures_of_lines import line_limits
from lab.report.lines_panel import lines_panel
from lab.report.panel import SUBTITLE, TITLE, Key, Panel, axes_in, finish, key_panel, put_titles
from lab.report.read import items, number, walk, words
from lab.report.style import SERIES, SMALL, WIDTH, series_style
from lab.report.table import Cell, Column, Table
from lab.report.text import visible

SIDE = 8.0
BOXED = ("ff_blackbox", "bp_blackbox_learned", "bp_blackbox_straight", "np_blackbox")
KINDS = {"positive": SERIES[0][1], "negative": SERIES[1][1]}


def looks(rows: Sequence[Row]) -> list[tuple[Row, dict[str, Any]]]:
    """Of each row the first of its runs that was looked at, and what was seen."""
    found = []
    for row in rows:
        for one in row.runs:
            try:
                seen = storage.read_json(one.folder / FILE, limit=1 << 20)
            except (LabError, OSError):
                continue
            if isinstance(seen, dict) and seen.get("schema") == SCHEMA:
                found.append((row, seen))
                break
    return found


def hybrids(blurs: int = 6, n: int = 8) -> Figure:
    """Digits, the masks through which two are mixed, and the hybrids: three rows of pictures."""
    from lab.backend import NumpyBackend
    from lab.data import load_dataset
    from lab.layers import Noise
    from lab.trainers.hybrids import Hybrids

    ops = NumpyBackend()
    images = load_dataset("mnist", limit=n).train.x[:n].astype(ops.dtype) / 255
    made, noise = Hybrids.of(images.shape[1:], blurs, ops), Noise(0)
    mixed = ops.empty(images.shape)
    made.write(images, mixed, noise, ops)
    masks = made.masks(n, noise, ops).astype(float)
    sheet = np.concatenate([images[:, 0], masks, mixed[:, 0]])
    alt = f"{n} digits, {n} masks of smooth regions, and {n} hybrids of a digit and the next one through the mask."
    panel = pictures_panel("hybrids", "digits, masks, hybrids", f"{blurs} blurs", sheet, n, alt)
    caption = (
        "Negative rows of the unsupervised experiments: where a mask is white the digit above it, where it is black "
        "the next one."
    )
    return Figure("hybrids", "Hybrids of two digits", caption, (panel,))


def receptive_fields(seen: Sequence[tuple[Row, dict[str, Any]]]) -> Figure:
    """Incoming weights of units of the first block, as images."""
    panels: list[Panel] = []
    for row, look in seen:
        shape, units = walk(look, "fields", "shape"), walk(look, "fields", "units")
        if isinstance(shape, list) and isinstance(units, list) and units:
            raw = [np.frombuffer(base64.b64decode(words(unit)), np.int8) for unit in units]
            images = np.stack([unit.reshape(shape) for unit in raw]).astype(float)
            alt = f"{row.claim.row}: incoming weights of {len(images)} units, light where positive."
            panels.append(pictures_panel(f"fields-{len(panels)}", row.claim.row, "first block", images, 5, alt, 127.0))
    key, title = "fields", "Receptive fields of the first block"
    if not panels:
        return Figure(key, title, "", missing="No run was looked at (lab paper --look RUN).")
    caption = (
        "The units with the longest incoming weights, each by its own scale, which two per cent of its weights, often "
        "those of the label, go beyond: grey is 0, lighter positive."
    )
    return Figure(key, title, caption, tuple(panels))


def confusions(seen: Sequence[tuple[Row, dict[str, Any]]]) -> Figure:
    """Which class is taken for which."""
    panels: list[Panel] = []
    for row, look in seen:
        counts = look.get("confusion")
        if isinstance(counts, list) and counts:
            panels.append(_confusion(f"confusion-{len(panels)}", row.claim.row, np.asarray(counts, dtype=float)))
    key, title = "confusion", "What is taken for what"
    if not panels:
        return Figure(key, title, "", missing="No run was looked at (lab paper --look RUN).")
    caption = (
        "Test rows by their class (down) and the answer (across); right answers, on the diagonal, are not coloured."
    )
    return Figure(key, title, caption, tuple(panels))


def _confusion(prefix: str, name: str, counts: NDArray[np.float64]) -> Panel:
    k, wrong = len(counts), counts * (1 - np.eye(len(counts)))
    canvas, axes = _square(k, k)
    put_titles(canvas, name, f"{int(wrong.sum())} of {int(counts.sum())} answers are wrong")
    # cells, not the pixels of an image: those a browser would make smooth
    axes.pcolormesh(-np.sqrt(wrong), cmap="gray", vmin=-2.5 * math.sqrt(max(1.0, wrong.max())), vmax=0)
    axes.invert_yaxis()
    for i in range(k):
        for j in range(k):
            if counts[i, j]:
                place, shown = (j + 0.5, i + 0.5), f"{int(counts[i, j])}"
                axes.text(*place, shown, ha="center", va="center", size=SMALL - 1, color="#000000")
    i, j = divmod(int(wrong.argmax()), k)
    worst = (
        f"most often {i} is taken for {j}, {int(wrong[i, j])} times" if wrong.any() else "nothing is taken for another"
    )
    return finish(canvas, prefix, f"{name}: {worst}.")


def written(seen: Sequence[tuple[Row, dict[str, Any]]]) -> Table | None:
    """Lines that networks wrote; None where none did."""
    rows = []
    for row, look in seen:
        for line in look.get("lines") or ():
            if isinstance(line, list) and len(line) == 2:
                rows.append((Cell(row.claim.row), *(Cell(visible(words(part), 120)) for part in line)))
    if not rows:
        return None
    columns = (Column("experiment"), Column("begun with"), Column("went on"))
    caption = "Each line begins with a window of the test text; every further character is drawn from the answer."
    return Table("written", "What the networks write", caption, columns, tuple(rows))


def settling(found: Sequence[Found]) -> Figure:
    """How well the goodness of each iteration by itself answers, of the recurrent rows."""
    course = [
        (one.run_id, name, number(entry.get("iteration")), 100 * (1 - number(entry.get("accuracy"))))
        for name in ("ff_recurrent", "ff_cifar10")
        for one in of_experiment(found, name)
        for entry in items(one.at("final", "test", "iterations"))
    ]
    key, title = "settling", "A recurrent net settles"
    if not course:
        return Figure(key, title, "", missing="No recurrent run has a record yet.")
    frame = pd.DataFrame(course, columns=["run", "series", "x", "shown"])
    return _lines(key, title, frame, "test error, %", "iteration",
                  "Test error by the goodness of one iteration alone, mean over runs.")  # fmt: skip


def boxes(found: Sequence[Found]) -> Figure:
    """Test error by how much of what goes on has gone through unknown boxes."""
    course = [
        (one.run_id, name, float(one.flat.get("model.strength", "nan")), 100 * error_of(one, ""))
        for name in BOXED
        for one in of_experiment(found, name, free=("model.strength",))
    ]
    key, title = "boxes", "The boxes' effect"
    if len({strength for _, _, strength, _ in course}) < 2:
        return Figure(key, title, "", missing="Fewer than two strengths of the boxes have records.")
    frame = pd.DataFrame(course, columns=["run", "series", "x", "shown"])
    return _lines(key, title, frame, "test error, %", "strength of the boxes",
                  "Mean over runs at equal forward passes; at strength 0 the boxes change nothing.")  # fmt: skip


def _lines(key: str, title: str, frame: pd.DataFrame, heading: str, label: str, caption: str) -> Figure:
    names = list(dict.fromkeys(frame["series"]))
    styles = {name: series_style(i) for i, name in enumerate(names)}
    groups = frame.groupby(["series", "x"])["shown"]
    ends = ", ".join(f"{name} {frame[frame['series'] == name]['shown'].iloc[-1]:.2f}" for name in names)
    low, high = float(groups.mean().min()), float(groups.mean().max())
    log = low > 0 and high > 4 * low
    panel = lines_panel(
        f"{key}-0", title, f"{heading}{' (log scale)' if log else ''}", frame, styles, f"{title}. At the end: {ends}.",
        x="x", y="shown", label=label, log=log, bars=False, band=band, limits=line_limits(groups, log),
    )  # fmt: skip
    return Figure(key, title, caption, (panel,), key_panel(f"{key}-key", [Key(n, *s) for n, s in styles.items()]))


def histograms(rows: Sequence[Row]) -> Figure:
    """Goodness of positive and negative rows, a panel a block: after the first epoch (thin) and after the last."""
    panels: list[Panel] = []
    for row in rows:
        for one in row.runs[:1]:
            epochs = [items(entry.get("blocks")) for entry in items(one.record.get("history"))]
            known = [[b for b in blocks if isinstance(b.get("histograms"), dict)] for blocks in epochs]
            known = [blocks for blocks in known if blocks]
            for first, last in zip(known[0], known[-1], strict=False) if known else ():
                name = f"{row.claim.row}, {words(last.get('name'))}"
                panels.append(_histogram(f"histograms-{len(panels)}", name, len(known), first, last))
    key, title = "histograms", "Goodness of positive and negative rows"
    if not panels:
        return Figure(key, title, "", missing="No run of a row was made with diagnose=[histograms].")
    caption = (
        "Rows by how many doublings their goodness is above its threshold, on validation rows (or, without any, on "
        "training rows). Thin lines: after the first epoch."
    )
    keys = key_panel(f"{key}-key", [Key(kind, colour, None) for kind, colour in KINDS.items()])
    return Figure(key, title, caption, tuple(panels), keys)


def _histogram(prefix: str, name: str, epochs: int, first: dict[str, Any], last: dict[str, Any]) -> Panel:
    canvas, axes = axes_in(TITLE + SUBTITLE + 8, 120.0, 38.0, SIDE, SIDE)
    edges = np.linspace(-DOUBLINGS, DOUBLINGS, BINS + 1)
    middles, said = (edges[1:] + edges[:-1]) / 2, []
    put_titles(canvas, name, f"rows after epoch 1 and {epochs}")
    for kind, colour in KINDS.items():
        for block, width, fill in ((last, 1.6, True), (first, 0.8, False)):
            counts = np.asarray(walk(block, "histograms", kind), dtype=float)
            if counts.shape != (BINS,):
                continue
            axes.stairs(counts, edges, color=colour, lw=width)
            if fill:
                axes.stairs(counts, edges, color=colour, alpha=0.2, fill=True, lw=0)
                said.append(f"{kind} rows {(counts * middles).sum() / max(1.0, counts.sum()):+.1f}")
    axes.set_xlabel("doublings above the threshold")
    axes.set_yticks([])
    axes.set_xlim(-DOUBLINGS, DOUBLINGS)
    return finish(canvas, prefix, f"{name}, mean doublings after the last epoch: {', '.join(said)}.")


def pictures_panel(
    prefix: str, title: str, subtitle: str, images: NDArray[Any], columns: int, alt: str, reach: float = 0.0
) -> Panel:
    """Grey pictures (N, H, W) in rows of `columns`; `reach`: from -reach (black) to reach (white), else from 0 to 1."""
    n, h, w = images.shape
    lines = math.ceil(n / columns)
    sheet = np.full((lines * (h + 2), columns * (w + 2)), reach or 0.6)  # neither white nor black masks run together
    for i, image in enumerate(images):
        top, left = (h + 2) * (i // columns) + 1, (w + 2) * (i % columns) + 1
        sheet[top : top + h, left : left + w] = image
    canvas, axes = _square(*sheet.shape)
    put_titles(canvas, title, subtitle)
    axes.imshow(sheet, cmap="gray", interpolation="none", vmin=-reach, vmax=reach or 1.0)
    axes.set_axis_off()
    return finish(canvas, prefix, alt)


def _square(rows: int, columns: int) -> Any:
    """Canvas and axes for a picture of so many rows and columns, as wide as a panel."""
    width = WIDTH - 2 * SIDE
    canvas, axes = axes_in(TITLE + SUBTITLE + 8, width * rows / columns, SIDE, SIDE, SIDE)
    axes.set_xticks([])
    axes.set_yticks([])
    return canvas, axes
