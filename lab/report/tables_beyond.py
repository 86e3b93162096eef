"""Tables of what was measured beside accuracy: calibration, corrupted images, outliers; accuracy against rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from lab.report.ledger import Ledger
from lab.report.load import Records
from lab.report.numbers import fixed, plain, significant
from lab.report.statistics import mean_interval
from lab.report.table import DASH, Cell, Column, Table

WHO = ("data", "network", "series")


def beyond(records: Records) -> list[Table]:
    """The tables that have a row."""
    frame = records.quality[records.quality["counted"].astype(bool)]
    tables = [calibration(frame), corruption(frame), outliers(frame)]
    tables += [sizes(records.ledger, records)] if records.ledger is not None else []
    return [table for table in tables if table.rows]


def calibration(frame: pd.DataFrame) -> Table:
    """One row for each readout of each trainer."""
    frame = frame[frame["measure"] == "calibration"]
    shown = {"ece": _percent, "ece_scaled": _percent, "brier": _three, "brier_scaled": _three, "nll": _three,
             "nll_scaled": _three, "temperature": _three}  # fmt: skip
    rows = [
        (*_who(who), Cell(str(of)), *(_cell(_mean(group, figure), show) for figure, show in shown.items()))
        for (*who, of), group in frame.groupby([*WHO, "of"], sort=False)
    ]
    columns = (*_HEAD, Column("readout"), Column("ECE", True, "%"), Column("ECE, scaled", True, "%"),
               Column("Brier score", True), Column("Brier, scaled", True), Column("NLL", True),
               Column("NLL, scaled", True), Column("temperature", True))  # fmt: skip
    caption = (
        "Whether a probability holds, means over seeds; less is better. ECE: expected calibration error over 15 bins "
        "of equal mass (Nixon et al. 2019). Brier score (1950): squared distance from the one-hot label. NLL: negative "
        "log likelihood in nats. Scaled: after division of the log probabilities by the temperature that fits the "
        "validation rows best (Guo et al. 2017)."
    )
    return Table("calibration", "Calibration", caption, columns, tuple(rows))


def corruption(frame: pd.DataFrame) -> Table:
    """One row a trainer: accuracy on clean images, on corrupted ones, and by the way they were corrupted."""
    frame = frame[frame["measure"] == "corruption"]
    ways = [of for of in dict.fromkeys(frame["of"]) if of not in ("rows", "clean", "accuracy")]
    rows = []
    for who, group in frame.groupby(list(WHO), sort=False):
        named = {of: float(part["value"].mean()) for of, part in group.groupby("of")}
        cells = [_cell(named.get(name, math.nan), _percent) for name in ("clean", "accuracy", *ways)]
        rows.append((*_who(who), *cells))
    columns = (*_HEAD, Column("clean images", True, "%"), Column("corrupted, all", True, "%"),
               *(Column(way, True, "%") for way in ways))  # fmt: skip
    caption = (
        "Accuracy on images that are worse than those trained on, means over three severities and over seeds, after "
        "Hendrycks and Dietterich 2019; on the first 2,000 test rows."
    )
    return Table("corruption", "Corrupted images", caption, columns, tuple(rows))


def outliers(frame: pd.DataFrame) -> Table:
    """One row a trainer and score: how well it tells other images from the data set's own."""
    frame = frame[frame["measure"] == "outliers"]
    others = list(dict.fromkeys(frame["of"]))
    rows = []
    for (*who, score), group in frame.groupby([*WHO, "figure"], sort=False):
        cells = [_cell(float(group.loc[group["of"] == other, "value"].mean()), _percent) for other in others]
        rows.append((*_who(who), Cell(str(score).replace("probability_", "probability by ")), *cells))
    columns = (*_HEAD, Column("score"), *(Column(f"AUROC, {other.replace('_', ' ')}", True, "%") for other in others))
    caption = (
        "The probability that an own test image has a higher score than another one; 50 % is blind. Scores: the "
        "largest probability of a readout (Hendrycks and Gimpel 2017), or goodness itself under its best label."
    )
    return Table("outliers", "Images of another kind", caption, columns, tuple(rows))


def errors_by_rows(ledger: Ledger, records: Records) -> dict[tuple[str, str], dict[int, list[float]]]:
    """Test errors of each data set and side by the number of training rows, those of all rows among them."""
    found: dict[tuple[str, str], dict[int, list[float]]] = {}
    for entry in ledger.entries:
        if entry.rows is not None and not math.isnan(entry.accuracy):
            found.setdefault((entry.data, entry.side), {}).setdefault(entry.rows, []).append(1 - entry.accuracy)
    for run in records.counted.to_dict("records"):
        who = ledger.runs.get(run["run_id"])
        if who is not None and run["n_train"] > 0 and (who.data, who.side) in found:
            found[who.data, who.side].setdefault(int(run["n_train"]), []).append(run["test_error"])
    return found


def exponent(errors: Mapping[int, Sequence[float]]) -> float:
    """b of the power law error = a rows^b that fits the mean errors best in the logarithm; NaN of less than 3 sizes."""
    means = {rows: mean_interval(found).mean for rows, found in errors.items()}
    known = [(math.log(rows), math.log(mean)) for rows, mean in means.items() if mean > 0]
    if len(known) < 3:
        return math.nan
    x, y = (np.array(values) - np.mean(values) for values in zip(*known, strict=True))
    return float(x @ y / (x @ x))


def sizes(ledger: Ledger, records: Records) -> Table:
    """One row for each side and data set: test error by the number of training rows."""
    errors = errors_by_rows(ledger, records)
    known = sorted({n for by in errors.values() for n in by})
    rows = [
        (Cell(side), Cell(ledger.shown(data)), *(_cell(mean_interval(by.get(n, [])).mean, _percent) for n in known),
         _cell(exponent(by), lambda value: fixed(value, 2)))
        for (data, side), by in errors.items()
    ]  # fmt: skip
    columns = (Column("trainer"), Column("data"), *(Column(f"{plain(n)} rows", True, "%") for n in known),
               Column("exponent", True))  # fmt: skip
    caption = (
        "Test error by the number of training rows, means over seeds, with the setting that was chosen; as many "
        "epochs, so as many fewer updates. Exponent: b of error ~ rows^b, by least squares over the logarithms."
    )
    return Table("sizes", "Test error against training rows", caption, columns, tuple(rows))


_HEAD = (Column("trainer"), Column("network"), Column("data"))


def _who(who: Any) -> tuple[Cell, Cell, Cell]:
    data, network, series = (str(part) for part in who)
    return Cell(series), Cell(network), Cell(data)


def _mean(group: pd.DataFrame, figure: str) -> float:
    return float(group.loc[group["figure"] == figure, "value"].mean())


def _cell(value: float, show: Callable[[float], str]) -> Cell:
    return Cell(show(value) if math.isfinite(value) else DASH, value)


def _percent(value: float) -> str:
    return fixed(100 * value, 2)


def _three(value: float) -> str:
    return significant(value)
