"""What was aimed at before the runs were made, and whether they reached it: a report's own word on what fell short.

Aims are read from aims.csv, which lies beside a folder of runs as the table of trials does:

data, network, trainer   which runs are meant, by the names that the report shows
measure                  a key of `lab.report.metrics.METRICS` that has a better side, as test_accuracy
aim                      the value that the mean over seeds should reach, in the unit of the records: 0.992 of 1
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lab.errors import UsageError
from lab.report.metrics import FRACTION, HIGHER, METRICS, Metric, plus_minus
from lab.report.numbers import plain
from lab.report.statistics import mean_interval
from lab.report.table import DASH, Cell, Column, Table
from lab.report.text import counted, visible

NAME = "aims.csv"
LARGEST = 2**16
COLUMNS = ("data", "network", "trainer", "measure", "aim")


@dataclass(frozen=True)
class Aim:
    """One line of the file; the module says what its columns hold."""

    data: str
    network: str
    trainer: str
    measure: str
    aim: float

    @property
    def metric(self) -> Metric:
        """What is measured."""
        return METRICS[self.measure]

    def short(self, reached: float) -> float:
        """By how much a mean misses the aim; 0 or less where it is reached, NaN where there is none."""
        missing = self.aim - reached if self.metric.better == HIGHER else reached - self.aim
        return round(missing, 12)  # 0.992 - 0.992 is not always 0


def beside(roots: Iterable[Path]) -> tuple[Aim, ...]:
    """The aims that lie beside folders of runs; none where there is no file.

    Raises UsageError for a file that holds no aims.
    """
    places = dict.fromkeys(Path(root).absolute().parent / NAME for root in roots)
    return tuple(aim for path in places if path.is_file() for aim in read(path))


def read(path: Path) -> list[Aim]:
    """The aims of a file. Raises UsageError for one that cannot be read, or whose measure has no better side."""
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"it is larger than {LARGEST:,} bytes")
        lines = list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8")), strict=True))
        return [_read(line) for line in lines]
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"{str(path)!r} holds no aims ({visible(error, 80)}); columns are {', '.join(COLUMNS)}, and its measures "
            "results of a record, as test_accuracy with an aim of 0.99"
        ) from None


def aims_table(aims: Sequence[Aim], runs: pd.DataFrame) -> Table:
    """One row an aim: what was aimed at, the mean over seeds of the counted `runs`, and by how much it falls short."""
    columns = (
        Column("data"), Column("network"), Column("trainer"), Column("measure"), Column("aim", True),
        Column("reached", True), Column("seeds", True), Column("verdict"),
    )  # fmt: skip
    rows = [_row(aim, _values(aim, runs)) for aim in aims]
    reached = sum(row[-1].text == "reached" for row in rows)
    caption = (
        f"What was aimed at before any of these runs was made: {reached} of {counted(len(rows), 'aim')} reached by the "
        "mean over seeds (\u00b1 half of the 95 % interval)."
    )
    return Table("aims", "Aims, and what was reached", caption, columns, tuple(rows))


def _values(aim: Aim, runs: pd.DataFrame) -> pd.Series:
    meant = (runs["data"] == aim.data) & (runs["network"] == aim.network) & (runs["series"] == aim.trainer)
    return runs.loc[meant, aim.measure].dropna()


def _row(aim: Aim, values: pd.Series) -> tuple[Cell, ...]:
    metric, interval = aim.metric, mean_interval(list(values))
    short = aim.short(interval.mean)
    return (
        Cell(aim.data), Cell(aim.network), Cell(aim.trainer), Cell(metric.heading),
        Cell(metric.show(aim.aim), aim.aim), Cell(plus_minus(interval.mean, interval.half, metric), interval.mean),
        Cell(plain(len(values)) if len(values) else DASH, len(values)), _verdict(metric, short),
    )  # fmt: skip


def _verdict(metric: Metric, short: float) -> Cell:
    if math.isnan(short):
        return Cell("not run", strong=True)
    if short <= 0:
        return Cell("reached")
    digits = 3 if metric.unit is FRACTION and short * metric.unit.scale < 0.01 else None  # never "short by 0.00"
    return Cell(f"short by {metric.show(short, digits)} {metric.unit.points}".rstrip(), strong=True)


def _read(line: dict[str, str]) -> Aim:
    data, network, trainer, measure = (visible(line[name], 80) for name in COLUMNS[:-1])
    found = Aim(data, network, trainer, measure, float(line["aim"]))
    if found.measure not in METRICS or not found.metric.better:
        raise ValueError(f"its measure {found.measure!r} is not one that has a better side")
    if not found.metric.admits(found.aim):
        raise ValueError(f"its aim {line['aim']!r} is none of {found.metric.label}")
    return found
