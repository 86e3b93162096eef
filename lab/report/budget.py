"""What a search of n trials would have found, from the trials that were made: the best of n, for every n.

Of N trials drawn apart from each other, with values v_1 <= ... <= v_N, n taken at random have the maximum v_i with
probability C(i - 1, n - 1) / C(N, n): exactly, so nothing is resampled. Its mean is the unbiased estimate of the
expected best of n (Tang et al. 2020, "Showing your work doesn't always work": the U-statistic of what Dodge et al.
2019, "Show your work", estimate with replacement). A trial that ended badly counts as one of value 0: it was paid for.

A rule that needs 50 trials is not equal to one that needs 5, though the best of 50 be the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lab.report.statistics import LEVEL


@dataclass(frozen=True)
class Best:
    """The best of n trials: its mean over all choices of n, and the values that hold 95 % of them."""

    n: int
    mean: float
    low: float
    high: float


def best_of(values: Sequence[float], n: int, level: float = LEVEL) -> Best:
    """The best of n out of these values, 1 <= n <= N; what is not finite counts as 0."""
    ordered = sorted(v if math.isfinite(v) else 0.0 for v in values)
    total, size = math.comb(len(ordered), n), len(ordered)
    shares = [math.comb(i - 1, n - 1) / total if i >= n else 0.0 for i in range(1, size + 1)]
    mean = math.fsum(share * value for share, value in zip(shares, ordered, strict=True))
    return Best(n, mean, _quantile(ordered, shares, 0.5 - level / 2), _quantile(ordered, shares, 0.5 + level / 2))


def _quantile(ordered: Sequence[float], shares: Sequence[float], at: float) -> float:
    """The smallest value whose cumulated share is at least `at`."""
    below = 0.0
    for value, share in zip(ordered, shares, strict=True):
        below += share
        if below >= at - 1e-12:
            return value
    return ordered[-1]


def trials_to_match(values: Sequence[float], wanted: float) -> int | None:
    """The fewest trials whose expected best is at least `wanted`; None where all of them do not get there."""
    return next((n for n in range(1, len(values) + 1) if best_of(values, n).mean >= wanted), None)
