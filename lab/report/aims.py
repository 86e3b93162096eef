"""What runs were aimed at, and whether they reached it: a report's own word on what fell short.

Aims are read from aims.csv, which lies beside a folder of runs as the table of trials does:

data, network, trainer   which runs are meant, by the names that the report shows
measure                  a column of runs.csv that has a better side, as test_accuracy
aim                      the value that the mean over seeds should reach, in the unit of the records: 0.992 of 1
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lab.errors import UsageError
from lab.report.extract import COLUMNS as FRAMES
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
    def what(self) -> tuple[str, ...]:
        """What is aimed at: all but how much."""
        return self.data, self.network, self.trainer, self.measure

    @property
    def metric(self) -> Metric:
        """What is measured."""
        return METRICS[self.measure]

    def short(self, reached: float) -> float:
        """By how much a mean misses the aim; 0 or less where it is reached."""
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
        table = csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig")), strict=True)
        if missing := [name for name in COLUMNS if name not in (table.fieldnames or ())]:
            raise ValueError(f"it has no column {missing[0]}")
        found = [_read(line) for line in table]
        if again := [aim for i, aim in enumerate(found) if aim.what in [other.what for other in found[:i]]]:
            raise ValueError(f"it has two aims of {' '.join(again[0].what)}")
        return found
    except (OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
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
    rows = [_row(aim, runs) for aim in aims]
    reached = sum(row[-1].text == "reached" for row in rows)
    caption = (
        f"What these runs were aimed at, as given in {NAME}: {reached} of {counted(len(rows), 'aim')} reached by the "
        "mean over seeds (\u00b1 half of the 95 % interval)."
    )
    return Table("aims", "Aims, and what was reached", caption, columns, tuple(rows))


def _row(aim: Aim, runs: pd.DataFrame) -> tuple[Cell, ...]:
    place = runs[(runs["data"] == aim.data) & (runs["network"] == aim.network)]
    meant = place[place["series"] == aim.trainer]
    values = meant[aim.measure].dropna()
    metric, interval = aim.metric, mean_interval(list(values))
    if len(values):
        verdict = _verdict(metric, aim.short(interval.mean))
    elif len(meant):
        verdict = Cell("not measured", strong=True)
    elif (place["trainer"] == aim.trainer).any():  # such as "backprop (epochs=5)" beside others: which one is meant?
        verdict = Cell("not one setting", strong=True)
    else:
        verdict = Cell("no such run", strong=True)
    return (
        Cell(aim.data), Cell(aim.network), Cell(aim.trainer), Cell(metric.heading),
        Cell(metric.show(aim.aim), aim.aim), Cell(plus_minus(interval.mean, interval.half, metric), interval.mean),
        Cell(plain(len(values)) if len(values) else DASH, len(values)), verdict,
    )  # fmt: skip


def _verdict(metric: Metric, short: float) -> Cell:
    if short <= 0:
        return Cell("reached")
    digits = 3 if metric.unit is FRACTION and short * metric.unit.scale < 0.01 else None  # "0.00" would look reached
    return Cell(f"short by {metric.show(short, digits)} {metric.unit.points}".rstrip(), strong=True)


def _read(line: dict[str, str]) -> Aim:
    data, network, trainer, measure, aim = (visible(line[name] or "", 80) for name in COLUMNS)
    found = Aim(data, network, trainer, measure, float(aim))
    if measure not in METRICS or measure not in FRAMES["runs"] or not found.metric.better:
        raise ValueError(f"its measure {found.measure!r} is not one that has a better side")
    if not found.metric.admits(found.aim):
        raise ValueError(f"its aim {aim!r} is none of {found.metric.label}")
    return found
