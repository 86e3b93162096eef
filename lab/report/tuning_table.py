"""The table of what was tried: a row a search, with all its trials and the one that the validation rows chose."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lab.report.metrics import METRICS
from lab.report.numbers import plain
from lab.report.table import DASH, Cell, Column, Table
from lab.report.tuning import Trial, tried

MEASURES = {"accuracy": METRICS["valid_accuracy"], "rmse": METRICS["valid_rmse"],
            "bits_per_character": METRICS["valid_bits"]}  # fmt: skip


def tuning_table(trials: Sequence[Trial]) -> Table:
    """One row for each search; the caption says whether all had equally many trials."""
    searches: dict[tuple[str, ...], list[Trial]] = {}
    for trial in trials:
        searches.setdefault(trial.search, []).append(trial)
    columns = (
        Column("data"), Column("network"), Column("trainer"), Column("trials", True), Column("training rows", True),
        Column("epochs", True), Column("varied"), Column("chosen"), Column("tried, and what the validation rows gave"),
    )  # fmt: skip
    counts = set(tried(trials).values())
    equal = f"{counts.pop()} trials each" if len(counts) == 1 else "not the same number of trials for all"
    caption = (
        f"What was tried before a setting was chosen, by the validation rows alone: {equal}. A search of several steps "
        "(few rows first, then all) has a row for each."
    )
    return Table("tuning", "Settings tried", caption, columns, tuple(_row(found) for found in searches.values()))


def _row(trials: Sequence[Trial]) -> tuple[Cell, ...]:
    first, best = trials[0], next((t for t in trials if t.chosen), None)
    return (
        *map(Cell, first.place), _count(len(trials)), _count(first.rows), _count(first.epochs),
        Cell(first.option), Cell(best.value if best else "none", strong=best is not None),
        Cell("; ".join(f"{t.value}: {_result(t)}" for t in trials)),
    )  # fmt: skip


def _result(trial: Trial) -> str:
    metric = MEASURES.get(trial.measure)
    if metric is None or math.isnan(trial.validation):
        return trial.status.replace("_", " ")
    return f"{metric.show(trial.validation)}{' ' + metric.symbol if metric.symbol else ''}"


def _count(value: int) -> Cell:
    return Cell(plain(value) if value else DASH, value or math.nan)
