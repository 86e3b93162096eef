"""What whole runs may come to, from runs that were shorter: a projection, and named so.

Runs whose schedules are as long as they are end at errors that fall about as a power of the epochs,

    log e(E) = a - c log E,    a and c by least squares over the mean error of each length,

until they stop falling, which shorter runs cannot show. So a projection is a range: from the law's error at the epochs
of the whole, as if it held all the way, up to the error of the longest run, as if nothing more were to be gained. It
takes three lengths, all of them on all rows. Where whole runs exist, they stand beside it, and judge the law.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lab.paper.claims import Claim
from lab.paper.match import Found, experiment, latest_of_each_seed, of_experiment
from lab.paper.rows import ERROR, epochs_asked, error_of
from lab.report.metrics import plus_minus
from lab.report.numbers import plain
from lab.report.statistics import Interval, mean_interval
from lab.report.table import DASH, Cell, Column, Table

LENGTHS = 3  # a line through two points says nothing of how well it fits


@dataclass(frozen=True)
class Projection:
    """`shorter`: errors, as fractions, by epochs; low to high: of the whole; `whole`: what whole runs had."""

    claim: Claim
    epochs: int
    shorter: tuple[tuple[int, Interval], ...]
    low: float
    high: float
    whole: Interval | None


def project(claim: Claim, found: Sequence[Found]) -> Projection | None:
    """The projection of a row; None where fewer than three lengths were run, or more epochs did not help."""
    wanted = experiment(claim.of, claim.overrides)
    if wanted is None:
        return None
    lengths: dict[int, list[Found]] = {}
    for one in of_experiment(found, claim.of, claim.overrides):
        if one.at("config", "data", "limit") is None and error_of(one, claim.readout) > 0:
            lengths.setdefault(epochs_asked(one), []).append(one)
    means = {
        epochs: mean_interval([error_of(one, claim.readout) for one in latest_of_each_seed(runs)])
        for epochs, runs in sorted(lengths.items())
    }
    shorter = tuple((epochs, error) for epochs, error in means.items() if epochs < wanted.epochs)
    if len(shorter) < LENGTHS:
        return None
    epochs, errors = zip(*((n, error.mean) for n, error in shorter), strict=True)
    slope, start = np.polyfit(np.log(epochs), np.log(errors), 1)
    high = shorter[-1][1].mean
    low = math.exp(start + slope * math.log(wanted.epochs))
    if slope >= 0 or low > high:
        return None
    return Projection(claim, wanted.epochs, shorter, low, high, means.get(wanted.epochs))


def projections(claims: Sequence[Claim], found: Sequence[Found]) -> list[Projection]:
    """Those of the rows that have one."""
    return [made for made in (project(claim, found) for claim in claims) if made is not None]


def table(made: Sequence[Projection]) -> Table:
    """The projections."""
    columns = (
        Column("experiment"), Column("paper", True, "%"), Column("shorter runs"), Column("whole, epochs", True),
        Column("projected", True, "%"), Column("whole runs", True, "%"),
    )  # fmt: skip
    caption = (
        "Shorter runs: epochs and test error in %, each with a schedule as long as itself. Projected: from the power "
        "law of the epochs through them, as if it held to the end, up to the error of the longest, as if nothing more "
        "were gained. Whole runs, where there are any, judge the law."
    )
    return Table("projection", "What whole runs may come to", caption, columns, tuple(map(_cells, made)))


def span(made: Projection) -> str:
    """Both ends in %, as text."""
    low, high = (plus_minus(value, None, ERROR) for value in (made.low, made.high))
    return f"{low} to {high}"


def _cells(made: Projection) -> tuple[Cell, ...]:
    each = "; ".join(f"{plain(epochs)}: {plus_minus(error.mean, None, ERROR)}" for epochs, error in made.shorter)
    whole = Cell(DASH) if made.whole is None else Cell(plus_minus(made.whole.mean, made.whole.half, ERROR),
                                                       made.whole.mean)  # fmt: skip
    goal = made.claim.error
    return (
        Cell(made.claim.row),
        Cell(goal or DASH, float(goal or "nan")),
        Cell(each),
        Cell(plain(made.epochs), made.epochs),
        Cell(span(made), made.low),
        whole,
    )
