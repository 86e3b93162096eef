"""What the test rows themselves leave open: other rows of the same kind would have given another error rate.

The interval over seeds does not hold this: every seed answers the same rows.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lab.report.statistics import LEVEL


def wilson(error: float, n: int, level: float = LEVEL) -> tuple[float, float]:
    """The ends of the interval of an error rate p seen on n rows (Wilson 1927).

    They are (p + z^2 / 2n -+ z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n), z = 1.96 for 95 %. NaN
    without rows. Unlike p -+ z sqrt(p (1 - p) / n) it stays within 0..1 and has a width where no row was wrong.
    """
    if n <= 0 or not 0 <= error <= 1:
        return math.nan, math.nan
    z = _quantile(level)
    centre, half = error + z * z / (2 * n), z * math.sqrt(error * (1 - error) / n + (z / (2 * n)) ** 2)
    return max(0.0, (centre - half) / (1 + z * z / n)), min(1.0, (centre + half) / (1 + z * z / n))


def difference(a: float, b: float, n: int, level: float = LEVEL) -> tuple[float, float]:
    """Interval of a - b, two error rates on n rows each, from their Wilson intervals (Newcombe 1998, method 10).

    It takes the rows as drawn twice. Both trainers answered the same rows, and rows hard for one are mostly hard for
    the other, so it is wider than need be; `mcnemar` needs the answers row by row and is not.
    """
    (low_a, high_a), (low_b, high_b) = wilson(a, n, level), wilson(b, n, level)
    return (a - b) - math.hypot(a - low_a, high_b - b), (a - b) + math.hypot(high_a - a, b - low_b)


def paired_rows(gains: NDArray[np.float64], level: float = LEVEL) -> tuple[float, float]:
    """Interval of the mean gain over rows (N,): each row's share of right answers of one side less the other's."""
    half = _quantile(level) * float(gains.std(ddof=1)) / math.sqrt(gains.size) if gains.size > 1 else math.nan
    return float(gains.mean()) - half, float(gains.mean()) + half


def mcnemar(only_a: int, only_b: int) -> float:
    """The exact two-sided p value that both err equally often, from the rows that only one of them got wrong.

    Under the hypothesis each such row is a fair coin (McNemar 1947): twice the binomial tail, at most 1.
    """
    from scipy.special import bdtr

    n = only_a + only_b
    return min(1.0, 2 * float(bdtr(min(only_a, only_b), n, 0.5))) if n else 1.0


def _quantile(level: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(0.5 + level / 2))
