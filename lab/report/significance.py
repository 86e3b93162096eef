"""Whether a paired difference could be luck: the sign-flip test, and Holm's correction for several of them.

If neither side is better, each seed's difference could as well have had the other sign. The p value is the share of all
2^n choices of signs under which the sum of the differences is at least as far from zero as the one that was seen
(Fisher 1935, "The Design of Experiments", section 21). Nothing is assumed of the differences' distribution but its
symmetry. The smallest p that n seeds can reach is 2 / 2^n, whatever the differences are: with five seeds 0.0625.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

EXACT = 20  # up to so many differences all signs are tried: 2^19 sums, since the other half mirrors them
DRAWS = 100_000
SEED = 20_260_102
ALPHA = 0.05


def sign_flip(differences: Sequence[float]) -> float:
    """The two-sided p value of finite differences; NaN of none. Exact up to `EXACT` of them, else from random signs."""
    d = np.abs(np.asarray(differences, dtype=np.float64))
    if d.size == 0:
        return math.nan
    largest = float(d.max())
    if largest == 0:
        return 1.0
    signed = np.asarray(differences, dtype=np.float64) / largest
    seen = abs(float(signed.sum())) - 1e-9  # sums of the same numbers in another order may round otherwise
    if d.size <= EXACT:
        return float((np.abs(_sums(signed[1:]) + signed[0]) >= seen).mean())
    rng, sums = np.random.default_rng(SEED), np.zeros(DRAWS)
    for start in range(0, d.size, 8):  # one random byte chooses the signs of eight
        eight = _sums(signed[start : start + 8])
        sums += eight[rng.integers(0, eight.size, DRAWS, dtype=np.uint8)]
    return (int((np.abs(sums) >= seen).sum()) + 1) / (DRAWS + 1)


def _sums(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sums of n values under each of the 2^n choices of their signs."""
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums + value, sums - value])
    return sums


def smallest_p(n: int) -> float:
    """The smallest p value that `sign_flip` can give for n differences; NaN of none."""
    if n == 0:
        return math.nan
    return 2.0 ** (1 - n) if n <= EXACT else 1 / (DRAWS + 1)


def fewest_seeds(alpha: float = ALPHA) -> int:
    """The fewest paired seeds with which a p value below `alpha` can be had: 6 for 5 %."""
    return next(n for n in range(1, 64) if 2.0 ** (1 - n) < alpha)


def holm(p_values: Sequence[float]) -> list[float]:
    """p values after Holm's correction (1979) for having made all these tests; NaN stays NaN and counts for none.

    Sorted, the k-th smallest of m becomes the largest of (m - j + 1) p_j over j up to k, at most 1: below 5 % they hold
    together with 95 %.
    """
    known = sorted((p, i) for i, p in enumerate(p_values) if not math.isnan(p))
    corrected, highest = list(p_values), 0.0
    for k, (p, i) in enumerate(known):
        highest = max(highest, min(1.0, (len(known) - k) * p))
        corrected[i] = highest
    return corrected
