"""How large a paired difference is, and how small a one the design could have seen."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

POWER = 0.8


def effect_size(differences: Sequence[float]) -> float:
    """Mean over deviation of the differences, corrected for few of them (Hedges 1981): (1 - 3 / (4 n - 5)) m / s.

    NaN for fewer than three differences, or where they are all equal. By habit 0.2 is called small, 0.8 large; seeds
    of one trainer differ so little that trainers are often 5 and more apart.
    """
    d = np.asarray(differences, dtype=np.float64)
    spread = float(d.std(ddof=1)) if d.size > 2 else 0.0
    return (1 - 3 / (4 * d.size - 5)) * float(d.mean()) / spread if spread > 0 else math.nan


def detectable(differences: Sequence[float], level: float = 0.95, power: float = POWER) -> float:
    """The smallest true difference that a paired t test with these seeds finds with so much power (80 %).

    It is c s / sqrt(n), s the deviation of the differences seen and c the noncentrality at which Student's noncentral t
    with n - 1 degrees of freedom is beyond the test's critical value with probability `power`. NaN below two values.
    """
    from scipy.special import nctdtrinc, stdtrit

    d = np.asarray(differences, dtype=np.float64)
    if d.size < 2:
        return math.nan
    critical = float(stdtrit(d.size - 1, 0.5 + level / 2))
    away = float(nctdtrinc(d.size - 1, 1 - power, critical))
    return away * float(d.std(ddof=1)) / math.sqrt(d.size)
