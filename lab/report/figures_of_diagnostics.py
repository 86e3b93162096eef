"""The figures of diagnostics: a figure for each that was recorded, a panel for each trainer, a line for each block."""

from __future__ import annotations

import math

import pandas as pd

from lab.report.figure import Figure, Look, band, spoken
from lab.report.figures_of_lines import line_limits
from lab.report.lines_panel import lines_panel
from lab.report.metrics import DIAGNOSTICS, METRICS
from lab.report.numbers import significant
from lab.report.panel import Key, Panel, key_panel
from lab.report.style import SERIES, series_style

MOST_LINES = len(SERIES)
CAPTIONS = {
    "cosine": "Between each block's own gradient and that of the readout's loss through all blocks: 1 where the block "
    "moves as backprop would have it, 0 where it has nothing to do with that.",
    "probes": "How well a linear map that is fitted to half of the rows tells the classes of the other half apart.",
    "dead_units": "Units (channels of images) that give 0 for every row.",
    "pairwise_errors": "Images whose evidence is no more than that of the same with a wrong label, or of a "
    "hybrid; 50 % is chance.",
    "saturation": "Rows, positive and negative ones, whose probability is below 1 or above 99 %: little is learnt "
    "from them any more.",
    "weight_norms": "Frobenius norm of all weights of a block.",
}  # fmt: skip


def diagnostics(look: Look) -> list[Figure]:
    """The figures of what was diagnosed, against epochs; none where nothing was."""
    frame = look.counted(look.records.diagnostics)
    return [
        _figure(look, name, frame[frame["figure"] == name]) for name in DIAGNOSTICS if (frame["figure"] == name).any()
    ]


def _figure(look: Look, name: str, frame: pd.DataFrame) -> Figure:
    metric = METRICS[name]
    frame = frame.assign(shown=frame["value"] * metric.unit.scale)
    positions = sorted(int(p) for p in frame["position"].unique())
    drawn = positions[:: math.ceil(len(positions) / MOST_LINES)]
    styles = {f"block {p}": series_style(i) for i, p in enumerate(drawn)}
    frame = frame[frame["position"].isin(drawn)]
    lines = frame.assign(trainer=frame["series"], series=[f"block {int(p)}" for p in frame["position"]])
    panels: list[Panel] = []
    for data, network in look.settings:
        there = lines[(lines["data"] == data) & (lines["network"] == network)]
        for trainer, here in there.groupby("trainer", sort=False):
            ends = here[here["epoch"] == here["epoch"].max()]
            last = {str(b): significant(float(v.mean())) for b, v in ends.groupby("series", sort=False)["shown"]}
            panels.append(lines_panel(
                f"{name}-{len(panels)}", f"{trainer}, {network} on {data}", metric.heading, here, styles,
                f"{trainer}, {network} on {data}, {metric.heading} after the last epoch: {spoken(last)}.", x="epoch",
                y="shown", label="epochs", log=False, bars=False, band=band,
                limits=line_limits(lines.groupby(["data", "network", "trainer", "series", "epoch"])["shown"], False),
            ))  # fmt: skip
    caption = f"{CAPTIONS[name]} After every epoch {look.mean}, on validation rows (or, without any, on training rows)."
    caption += " Bands are 95 % t intervals over seeds." if look.spread else ""
    notes = (f"Of {len(positions)} blocks {len(drawn)} are drawn.",) if len(drawn) < len(positions) else ()
    key = key_panel(f"{name}-key", [Key(block, *style) for block, style in styles.items()])
    title = f"{metric.label[0].upper()}{metric.label[1:]}, block by block"
    return Figure(f"diagnose_{name}", title, caption, tuple(panels), key, notes=notes)
