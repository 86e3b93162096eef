"""How initial weights are drawn: every scheme scales the same standard normals, so seeds stay paired across schemes."""

from __future__ import annotations

from typing import Literal

import numpy as np

from lab.backend import Array, Shape

Init = Literal["lecun", "he", "glorot", "zeros"]


def draw(init: Init, shape: Shape, fan_in: int, fan_out: int, rng: np.random.Generator) -> Array:
    """float64 weights of `shape`: N(0, s^2).

    lecun  s^2 = 1 / fan_in              keeps the variance of normalised inputs (LeCun et al. 1998, section 4.6)
    he     s^2 = 2 / fan_in              the same behind a relu (He et al. 2015, section 2.2)
    glorot s^2 = 2 / (fan_in + fan_out)  a compromise of both directions (Glorot and Bengio 2010, section 4.2)
    zeros  s   = 0                       for readouts that should start by answering "all equal"
    """
    normals: Array = rng.standard_normal(shape)
    variance = {"lecun": 1 / fan_in, "he": 2 / fan_in, "glorot": 2 / (fan_in + fan_out), "zeros": 0.0}[init]
    normals *= variance**0.5
    return normals
