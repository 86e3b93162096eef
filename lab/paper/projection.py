"""What whole runs may come to, from runs that were shorter: a projection, and named so.

Runs whose schedules are as long as they are end at errors that fall about as a power of the epochs,

    log e(E) = a - c log E,    a and c by least squares over the mean error of each length,

until they stop falling, which shorter runs cannot show. So a projection is a range: from the law's error at the epochs
of the whole, as if it held all the way, up to the error of the longest run, as if nothing more were to be gained. It is
no confidence interval. It takes three lengths on the same rows, each better than the last, the longest of them a tenth
of the whole or more. Where whole runs exist, they stand beside it, and judge the law.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from lab.paper.claims import Claim
from lab.paper.match import Found, experiment, latest_of_each_seed, of_experiment
from lab.paper.rows import ERROR, epochs_asked, error_of
from lab.report.metrics import plus_minus
from lab.report.numbers import plain
from lab.report.statistics import Interval, mean_interval
from lab.report.table import DASH, Cell, Column, Table

LENGTHS = 3  # a line through two points says nothing of how well it fits
LEAST = 0.1  # of the whole, the longest run


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
    """The projection of a row; None where too few lengths, or too short ones, were run, or one was no better."""
    wanted = experiment(claim.of, claim.overrides)
    if wanted is None:
        return None
    lengths: dict[int, list[Found]] = {}
    answered = [
        one
        for one in of_experiment(found, claim.of, claim.overrides)
        if one.at("config", "data", "limit") is None and error_of(one, claim.readout) > 0
    ]
    every = max((one.rows for one in answered), default=0)
    for one in answered:
        if one.rows == every:
            lengths.setdefault(epochs_asked(one), []).append(one)
    means = {
        epochs: mean_interval([error_of(one, claim.readout) for one in latest_of_each_seed(runs)])
        for epochs, runs in sorted(lengths.items())
    }
    shorter = tuple((epochs, error) for epochs, error in means.items() if epochs < wanted.epochs)
    falls = all(a.mean > b.mean for (_, a), (_, b) in pairwise(shorter))
    if len(shorter) < LENGTHS or not falls or shorter[-1][0] < LEAST * wanted.epochs:
        return None
    epochs, errors = zip(*((n, error.mean) for n, error in shorter), strict=True)
    slope, start = np.polyfit(np.log(epochs), np.log(errors), 1)
    high = shorter[-1][1].mean
    low = math.exp(start + slope * math.log(wanted.epochs))
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
        "Shorter runs: epochs and test error in %, each with a schedule as long as itself; in brackets seeds, where "
        "several. Projected, which is no confidence interval: from the power law of the epochs through them, as if it "
        "held to the end, up to the error of the longest, as if nothing more were gained. Whole runs, where there are "
        "any, judge the law."
    )
    return Table("projection", "What whole runs may come to", caption, columns, tuple(map(_cells, made)))


def span(made: Projection) -> str:
    """Both ends in %, as text."""
    low, high = (plus_minus(value, None, ERROR) for value in (made.low, made.high))
    return f"{low} to {high}"


def _seeds(error: Interval) -> str:
    return f" ({error.n})" if error.n > 1 else ""


def _cells(made: Projection) -> tuple[Cell, ...]:
    each = "; ".join(
        f"{plain(epochs)}: {plus_minus(error.mean, None, ERROR)}{_seeds(error)}" for epochs, error in made.shorter
    )
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
