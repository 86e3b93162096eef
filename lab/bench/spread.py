"""Middle and spread of measured times, ratios of paired turns, and lines fitted to them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Spread:
    """The middle of some values, the smallest and the largest of them, and how many they are."""

    median: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The spread of at least one value."""
        return cls(median(values), min(values), max(values), len(values))

    def as_dict(self) -> dict[str, Any]:
        """All of it as JSON."""
        return asdict(self)


def paired(numerator: Sequence[Sequence[float]], denominator: Sequence[Sequence[float]]) -> Spread | None:
    """The ratio of the medians of each pair of turns that stood next to each other; None where no pair is whole."""
    ratios = [median(a) / median(b) for a, b in zip(numerator, denominator, strict=True) if a and b]
    return Spread.of(ratios) if ratios else None


@dataclass(frozen=True)
class Line:
    """y = at_zero + slope x by least squares. `r2` is the share of y's variance that it explains."""

    at_zero: float
    slope: float
    r2: float

    def as_dict(self) -> dict[str, float]:
        """All of it as JSON."""
        return asdict(self)


def line(x: Sequence[float], y: Sequence[float]) -> Line:
    """The least-squares line through at least two points with different x."""
    mx, my = math.fsum(x) / len(x), math.fsum(y) / len(y)
    sxx = math.fsum((a - mx) ** 2 for a in x)
    sxy = math.fsum((a - mx) * (b - my) for a, b in zip(x, y, strict=True))
    syy = math.fsum((b - my) ** 2 for b in y)
    slope = sxy / sxx
    return Line(my - slope * mx, slope, sxy * sxy / (sxx * syy) if syy else 1.0)


def exponent(x: Sequence[float], y: Sequence[float]) -> float:
    """p of y ~ x^p: the slope of log y against log x, for positive values."""
    return line([math.log(a) for a in x], [math.log(b) for b in y]).slope
