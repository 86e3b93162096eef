"""The figures of a comparison by protocol: the best of n trials, and test error against training rows."""

from __future__ import annotations

import math

from lab.report.budget import best_of
from lab.report.figure import Figure, Look
from lab.report.ledger import Ledger, Study
from lab.report.numbers import fixed, plain
from lab.report.panel import Key, Panel, key_panel
from lab.report.statistics import mean_interval
from lab.report.steps_panel import Steps, steps_panel
from lab.report.style import series_style
from lab.report.tables_beyond import errors_by_rows
from lab.report.tables_of_budget import shown_trials

Style = tuple[str, str]


def effort(look: Look) -> list[Figure]:
    """The figures that have a panel; none without a protocol."""
    ledger = look.records.ledger
    if ledger is None:
        return []
    return [figure for figure in (budget(look, ledger), sizes(look, ledger)) if figure.panels]


def styles_of_sides(look: Look, ledger: Ledger) -> dict[str, Style]:
    """Colour and marker of each side: those of its runs elsewhere in the report."""
    series = dict(zip(look.runs["run_id"], look.runs["series"], strict=True))
    known: dict[str, Style] = {}
    for run_id, entry in ledger.runs.items():
        if run_id in series:
            known.setdefault(entry.side, look.styles[str(series[run_id])])
    for side in ledger.protocol.sides:
        known.setdefault(side.name, series_style(len(look.styles) + len(known)))
    return known


def budget(look: Look, ledger: Ledger) -> Figure:
    """A panel for each data set: validation error of the best of n trials against n."""
    styles, panels, drawn = styles_of_sides(look, ledger), list[Panel](), list[str]()
    random = ledger.protocol.tuning.sampler == "random"  # what else draws trials draws them not apart from each other
    for task in ledger.protocol.data if random else ():
        studies = {s.side: s for s in ledger.studies if s.data == task.name and s.trials}
        most = max((len(s.trials) for s in studies.values()), default=0)
        if most < 2:
            continue
        name = ledger.shown(task.name)
        curves = {side: _best(study, styles[side], shown_trials(most)) for side, study in studies.items()}
        said = "; ".join(f"{s} {fixed(c.y[0], 2)} % by one, {fixed(c.y[-1], 2)} % by {plain(c.x[-1])}"
                         for s, c in curves.items())  # fmt: skip
        panels.append(steps_panel(
            f"budget-{len(panels)}", name, "validation error of the best of n trials, %", list(curves.values()),
            f"{name}, validation error of the best of n trials: {said}.", label="trials (log scale)", bars=False,
        ))  # fmt: skip
        drawn += [side for side in curves if side not in drawn]
    caption = (
        "What a search of n trials drawn at random from those made would have found: the exact mean over all choices "
        "of n; bands hold 95 % of them and close where all trials are drawn. A trial that ended badly counts as an "
        "error of 100 %."
    )
    return Figure("budget", "The best of n trials", caption, tuple(panels), _key("budget", drawn, styles))


def _best(study: Study, style: Style, shown: list[int]) -> Steps:
    values = [trial.value for trial in study.trials]
    found = [best_of(values, n) for n in shown if n <= len(values)]
    columns = zip(*((b.n, 100 * (1 - b.mean), 100 * (1 - b.high), 100 * (1 - b.low)) for b in found), strict=True)
    return Steps(*style, *(tuple(float(v) for v in column) for column in columns))


def sizes(look: Look, ledger: Ledger) -> Figure:
    """A panel for each data set: mean test error against the number of training rows."""
    styles, panels, drawn = styles_of_sides(look, ledger), list[Panel](), list[str]()
    errors = errors_by_rows(ledger, look.records)
    for task in ledger.protocol.data:
        curves = {}
        for (data, side), by in errors.items():
            if data == task.name and len(by) > 1:
                curves[side] = _errors(by, styles.setdefault(side, series_style(len(styles))))
        if not curves:
            continue
        name = ledger.shown(task.name)
        said = "; ".join(f"{s} {fixed(c.y[0], 2)} % from {plain(c.x[0])}, {fixed(c.y[-1], 2)} % from {plain(c.x[-1])}"
                         for s, c in curves.items())  # fmt: skip
        panels.append(steps_panel(
            f"sizes-{len(panels)}", name, "test error, %", list(curves.values()),
            f"{name}, test error by training rows: {said}.", label="training rows (log scale)", bars=True,
        ))  # fmt: skip
        drawn += [side for side in curves if side not in drawn]
    caption = (
        "Means over seeds, with the setting that was chosen for all rows; as many epochs, so as many fewer updates. "
        "Upright strokes are 95 % t intervals over seeds, where there are several."
    )
    title = "Test error against training rows"
    return Figure("sizes", title, caption, tuple(panels), _key("sizes", drawn, styles))


def _errors(by: dict[int, list[float]], style: Style) -> Steps:
    intervals = {rows: mean_interval([100 * e for e in by[rows]]) for rows in sorted(by)}
    found = intervals.values()
    low = tuple(math.nan if i.low is None else max(i.low, 0.0) for i in found)
    high = tuple(math.nan if i.high is None else min(i.high, 100.0) for i in found)
    return Steps(*style, tuple(map(float, intervals)), tuple(i.mean for i in found), low, high)


def _key(name: str, sides: list[str], styles: dict[str, Style]) -> Panel | None:
    return key_panel(f"{name}-key", [Key(s, *styles[s]) for s in sides]) if sides else None
