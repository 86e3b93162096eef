"""The figures: steps side by side, time against size, memory against size. Imported only when drawing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from lab.bench.layer_work import from_json
from lab.bench.memory import AXES
from lab.bench.tables import AXIS_UNITS, FAMILY_NAMES, mib
from lab.report.figure import Figure
from lab.report.lines_panel import AXIS, log_ticks
from lab.report.numbers import plain, significant
from lab.report.panel import SUBTITLE, TITLE, Key, Panel, axes_in, finish, key_panel, put_titles, round_ticks
from lab.report.rows_panel import Row, rows_panel
from lab.report.statistics import Interval
from lab.report.style import MARKERS, MEMORY_COLOURS, MUTED, WIDTH, series_style, styled

Styles = Mapping[str, tuple[str, str]]


def speed_figure(result: dict[str, Any]) -> Figure:
    """One panel a method, one group a network, one bar a subject."""
    names = list(dict.fromkeys(s["name"] for case in result["cases"] for s in case["subjects"] if not s["floor"]))
    colours = {name: series_style(i)[0] for i, name in enumerate(names)}
    groups: dict[str, dict[str, list[Row]]] = {}
    for case in result["cases"]:
        rows = [_bar(subject, colours) for subject in case["subjects"] if subject["status"] == "ok"]
        if rows:
            groups.setdefault(FAMILY_NAMES[case["work"]["family"]], {})[case["label"]] = rows
    if not groups:
        return Figure("speed", "Time of a step", "", missing="No subject could be measured.")
    with styled():
        panels = tuple(
            rows_panel(f"speed-{i}", family, "milliseconds of a training step (lower is better)", cases,
                       f"{family}: " + "; ".join(f"{n}: {_said(rows)}" for n, rows in cases.items()), from_zero=True)
            for i, (family, cases) in enumerate(groups.items())
        )  # fmt: skip
    caption = (
        "Bars are medians over all measured steps; the stroke goes from the smallest to the largest median of a turn. "
        "In brackets the time against this lab's. Grey bars are a step's matrix products alone."
    )
    return Figure("speed", "Time of a step", caption, panels)


def layers_figure(result: dict[str, Any]) -> Figure:
    """One bar a layer: PyTorch's time over this lab's, the stroke over all pairs of turns."""
    rows = []
    for case in result["cases"]:
        found = next((s["ratio"] for s in case["subjects"] if s["name"] == "torch"), None)
        if found:
            middle = significant(found["median"])
            colour = series_style(0)[0] if found["median"] >= 1 else MUTED
            interval = Interval(found["n"], found["median"], found["low"], found["high"])
            rows.append(Row(from_json(case["work"]).label, middle, middle, colour, interval=interval))
    if not rows:
        return Figure("layers", "Layers beside PyTorch", "", missing="No layer could be measured on both sides.")
    with styled():
        panel = rows_panel("layers-0", "forward and backward", "PyTorch's time over this lab's (higher is better)",
                           {"layers": rows}, f"ratios: {_said(rows)}", from_zero=True)  # fmt: skip
    caption = "Bars are medians over pairs of turns, strokes their range; above 1 this lab is faster, grey is below."
    return Figure("layers", "Layers beside PyTorch", caption, (panel,))


def inference_figure(result: dict[str, Any]) -> Figure:
    """One bar a readout."""
    rows = []
    for i, found in enumerate(result["readouts"]):
        speed = found["rows_per_second"]
        value = f"{significant(speed['median'])} ({found['passes_per_prediction']})"
        interval = Interval(speed["n"], speed["median"], speed["low"], speed["high"])
        rows.append(Row(found["name"], value, value, series_style(0 if not i else 1)[0], interval=interval))
    plan = result["plan"]
    name = f"mlp {plan['depth']}x{plan['width']}, {result['n']:,} rows at once"
    with styled():
        panel = rows_panel("inference-0", "answering", "rows a second (higher is better)", {name: rows},
                           f"{name}: {_said(rows)}", from_zero=True)  # fmt: skip
    caption = "Bars are medians over turns, strokes their range; in brackets the passes that an answer takes."
    return Figure("inference", "How fast answers are", caption, (panel,))


def _bar(subject: dict[str, Any], colours: Mapping[str, str]) -> Row:
    turns = [1e3 * median(turn) for turn in subject["turns"] if turn]
    middle = 1e3 * subject["step_seconds"]["median"]
    ratio = f" ({significant(subject['ratio']['median'])})" if subject["ratio"] else ""
    return Row(
        subject["label"], f"{significant(middle)} ms{ratio}", f"{significant(middle)}{ratio}",
        MUTED if subject["floor"] else colours[subject["name"]],
        interval=Interval(len(turns), middle, min(turns), max(turns)),
    )  # fmt: skip


def _said(rows: Sequence[Row]) -> str:
    return ", ".join(f"{row.label} {row.value}" for row in rows)


def scaling_figure(result: dict[str, Any]) -> Figure:
    """One panel an axis: medians with their spread, and the fitted line."""
    points = [p for p in result["points"] if p["status"] == "ok"]
    fits = {(fit["family"], fit["axis"]): fit for fit in result["fits"]}
    families = list(dict.fromkeys(p["family"] for p in points))
    if not points:
        return Figure("scaling", "How the time grows", "", missing="No point could be measured.")
    styles = {FAMILY_NAMES[family]: series_style(i) for i, family in enumerate(families)}
    panels = []
    with styled():
        for axis in dict.fromkeys(p["axis"] for p in points):
            scale, unit = (1.0, "seconds") if axis == "samples" else (1e3, "milliseconds")
            size, label = (1e6, "million parameters") if axis == "parameters" else (1, axis)
            marks, lines = [], []
            for point in points:
                if point["axis"] == axis:
                    found = {key: scale * point["seconds"][key] for key in ("median", "low", "high")}
                    marks.append({"series": FAMILY_NAMES[point["family"]], "x": point["x"] / size, **found})
            for family in families:
                here = [m["x"] for m in marks if m["series"] == FAMILY_NAMES[family]]
                if (family, axis) in fits:
                    fit = fits[family, axis]
                    for x in (min(here), max(here)):
                        y = scale * (fit["at_zero"] + fit["slope"] * size * x)
                        lines.append({"series": FAMILY_NAMES[family], "x": x, "y": y})
            said = "; ".join(
                f"{FAMILY_NAMES[fit['family']]} R\u00b2 {fit['r2']:.3f}" for fit in fits.values() if fit["axis"] == axis
            )
            panels.append(_trend(f"scaling-{axis}", f"{unit} of {AXIS_UNITS[axis]}", f"against {axis}", label,
                                 pd.DataFrame(marks), pd.DataFrame(lines), styles, said, log=False))  # fmt: skip
        legend = key_panel("scaling-key", [Key(name, *style) for name, style in styles.items()])
    caption = (
        "Marks are medians, their strokes go from the smallest to the largest of the repeats, lines are fitted by "
        f"least squares. Where it is not the axis, the network is {result['plan']['base']}."
    )
    return Figure("scaling", "How the time grows", caption, tuple(panels), legend)


def parallel_figure(result: dict[str, Any]) -> Figure:
    """One panel a method with measured speed-ups, and one of the model's against the number of devices."""
    groups: dict[str, dict[str, list[Row]]] = {}
    for case in result["cases"]:
        rows = []
        for subject in case["subjects"]:
            gain = subject["speed_up"]
            if gain:
                middle = significant(gain["median"])
                colour = MUTED if subject["name"].startswith("serial") else series_style(0)[0]
                interval = Interval(gain["n"], gain["median"], gain["low"], gain["high"])
                rows.append(Row(subject["label"], middle, middle, colour, interval=interval))
        if rows:
            groups.setdefault(FAMILY_NAMES[case["work"]["family"]], {})[case["label"]] = rows
    if not groups:
        return Figure("parallel", "One process and several", "", missing="No way could be measured.")
    with styled():
        panels = [
            rows_panel(f"parallel-{i}", family, "speed-up over one process with one thread (higher is better)", cases,
                       f"{family}: " + "; ".join(f"{n}: {_said(rows)}" for n, rows in cases.items()), from_zero=True)
            for i, (family, cases) in enumerate(groups.items())
        ]  # fmt: skip
    caption = (
        "Bars are medians over pairs of turns, strokes their range. Grey bars are one process with all threads, which "
        "share each matrix product; the others are two processes with one thread each."
    )
    return Figure("parallel", "One process and several", caption, tuple(panels))


def memory_figure(result: dict[str, Any]) -> Figure:
    """Activations and readout against each axis, counted and by the model, and where the bytes are at the largest."""
    frame = pd.DataFrame(
        [{**{k: p[k] for k in ("variant", *AXES)}, **{f"{of}-{kind}": p[of][kind] / 2**20
          for of in ("counted", "model") for kind in (*MEMORY_COLOURS, "peak")}} for p in result["points"]]
    )  # fmt: skip
    largest = {axis: int(frame[axis].max()) for axis in AXES}
    styles = _by_method(frame["variant"].unique())
    panels = []
    with styled():
        for axis, apart in (("depth", True), *((axis, False) for axis in AXES)):
            others = {other: largest[other] for other in AXES if other != axis}
            here = frame[np.logical_and.reduce([frame[other] == value for other, value in others.items()])]
            if here[axis].nunique() < 2:
                continue
            # What a method keeps for its answer is part of what it pays: but for one panel both kinds are added.
            kinds = ("activations",) if apart else ("activations", "readout")
            shown = here.assign(
                series=here["variant"], x=here[axis], median=sum(here[f"counted-{kind}"] for kind in kinds),
                y=sum(here[f"model-{kind}"] for kind in kinds),
            )  # fmt: skip
            shown = shown.assign(low=shown["median"], high=shown["median"])
            where = ", ".join(f"{other} {value:,}" for other, value in others.items())
            said = "; ".join(f"{e['variant']} {e['kind']} exponent {e['exponent']:.2f}"
                             for e in result["exponents"] if e["axis"] == axis and e["kind"] in kinds)  # fmt: skip
            title, unit = f"{' and '.join(kinds)} against {axis}", f"MiB at {where} (log scales)"
            panels.append(
                _trend(
                    f"memory-{axis}{'-apart' if apart else ''}", title, unit, axis, shown, shown, styles, said, log=True
                )
            )
        at_largest = frame[np.logical_and.reduce([frame[axis] == value for axis, value in largest.items()])]
        rows = [
            Row(str(row["variant"]), f"peak {mib(row['counted-peak'] * 2**20)} MiB",
                parts=tuple((float(row[f"counted-{kind}"]), colour) for kind, colour in MEMORY_COLOURS.items()))
            for row in at_largest.to_dict("records")
        ]  # fmt: skip
        name = f"mlp {largest['depth']}x{largest['width']}, batch {largest['batch']}"
        panels.append(rows_panel("memory-parts", "where the bytes are", "MiB, each kind's own maximum", {name: rows},
                                 f"{name}: {_said(rows)}", from_zero=True))  # fmt: skip
        keys = [*(Key(name, *style) for name, style in styles.items()),
                *(Key(kind, colour, None) for kind, colour in MEMORY_COLOURS.items())]  # fmt: skip
        legend = key_panel("memory-key", keys)
    caption = (
        "Marks are counted bytes, lines the analytic model. The bar panel's number is the peak, the most that was "
        "alive at one moment, which is less than the sum where kinds follow each other."
    )
    return Figure("memory", "Where the memory goes", caption, tuple(panels), legend)


def _by_method(names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """A colour for each method and a marker for each of its variants, so that methods are told apart at a glance."""
    methods: dict[str, list[str]] = {}
    for name in names:
        methods.setdefault(name.split(",")[0], []).append(name)
    return {
        name: (series_style(i)[0], MARKERS[j])
        for i, variants in enumerate(methods.values())
        for j, name in enumerate(variants)
    }


def _trend(
    prefix: str,
    title: str,
    subtitle: str,
    label: str,
    marks: pd.DataFrame,
    lines: pd.DataFrame,
    styles: Styles,
    said: str,
    *,
    log: bool,
) -> Panel:
    """Marks at (x, median) with strokes from low to high, and lines through (x, y), one colour a series."""
    canvas, axes = axes_in(TITLE + SUBTITLE + 8, 180, AXIS, 44, 14)
    put_titles(canvas, title, subtitle)
    if log:
        axes.set_xscale("log")
        axes.set_yscale("log")
    for series, (colour, marker) in styles.items():
        line = lines[lines["series"] == series] if len(lines) else lines
        if len(line):
            sns.lineplot(data=line, x="x", y="y", color=colour, lw=1.6, ax=axes, legend=False, errorbar=None)
        mark = marks[marks["series"] == series]
        axes.vlines(mark["x"], mark["low"], mark["high"], color=colour, lw=1.2)
        axes.plot(mark["x"], mark["median"], ls="", marker=marker, ms=6.5, mew=0, color=colour)
    axes.set_xlabel(label)
    axes.set_ylabel("")
    axes.grid(axis="y")
    for side in (axes.xaxis, axes.yaxis):
        side.set_major_formatter(FuncFormatter(lambda v, _: plain(v)))
        side.set_minor_locator(NullLocator())
    if log:
        axes.xaxis.set_major_locator(FixedLocator(sorted(set(marks["x"]))))
        axes.yaxis.set_major_locator(FixedLocator(log_ticks(*axes.get_ylim())))
    else:
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        ticks = round_ticks(0, axes.get_xlim()[1], WIDTH - 44 - 14, 14)
        axes.xaxis.set_major_locator(FixedLocator(_whole(ticks) if label == "depth" else ticks))
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    return finish(canvas, prefix, f"{title}, {subtitle}: {said}.")


def _whole(ticks: Sequence[float]) -> list[float]:
    """Those that are whole numbers: there is no half layer."""
    return [tick for tick in ticks if tick == round(tick)]
