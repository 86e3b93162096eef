"""Temperature: by how much goodness has to be divided before its softmax says how sure the network can be."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from scipy.special import softmax as _softmax

HIGHEST = 1e4


def softmax(scores: NDArray[Any]) -> NDArray[np.float64]:
    """Softmax over the last axis, in float64."""
    found: NDArray[np.float64] = _softmax(scores.astype(np.float64), axis=-1)
    return found


def fit_temperature(scores: NDArray[Any], labels: NDArray[np.int64]) -> float:
    """The T in [1, 10000] under which softmax(scores / T) gives the labels the highest likelihood.

    One number, fitted to training rows (Guo et al. 2017, section 4.2, take held-out ones). The logistic objective makes
    goodness log odds, so 1 is what it aims at; T is larger before that is reached and where labels overlap. It is never
    smaller: rows that were learned by heart would drive it to 0.
    """
    scores, rows = scores.astype(np.float64), np.arange(len(labels))

    def loss(log_t: float) -> float:
        return -float(log_softmax(scores / np.exp(log_t), axis=1)[rows, labels].mean())

    return float(np.exp(minimize_scalar(loss, bounds=(0, np.log(HIGHEST)), method="bounded").x))
