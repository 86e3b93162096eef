"""Calibration: whether what a network takes to be probable is as probable as it says.

ece    expected calibration error: rows are sorted by the probability c of the predicted class and cut into 15 bins of
       equally many; sum over bins of (share of rows) |accuracy - mean c| (Nixon et al. 2019, "Measuring calibration in
       deep learning": bins of equal mass; of equal width, Guo et al. 2017, most bins hold next to no row)
brier  mean over rows of sum_k (p_k - [y = k])^2 (Brier 1950)
nll    mean over rows of -log p_y, in nats

All three also of probabilities softmax(log p / T), with the temperature T that makes the validation rows' nll smallest
(Guo et al. 2017, section 4.2): what is left then cannot be mended by one number.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lab.quality.readouts import Floats, ask

if TYPE_CHECKING:
    from lab.data import Dataset
    from lab.trainers import Trainer

BINS = 15
_LOWEST, _HIGHEST, _STEPS = 1e-2, 1e4, 60  # temperatures, and halvings of the interval that the best one is in


def calibration(trainer: Trainer, data: Dataset) -> dict[str, Any]:
    """{readout: {"ece", "brier", "nll", and, with validation rows, "temperature", "ece_scaled", ...}}."""
    test, valid = ask(trainer, data.test.x), ask(trainer, data.valid.x)
    found: dict[str, Any] = {}
    for name, logs in test.logs.items():
        found[name] = scores(logs, data.test.y)
        if name in valid.logs:
            t = temperature(valid.logs[name], data.valid.y)
            scaled = scores(softened(logs, t), data.test.y)
            found[name] |= {"temperature": t} | {f"{key}_scaled": value for key, value in scaled.items()}
    return found


def scores(logs: Floats, labels: NDArray[np.int64]) -> dict[str, float]:
    """The three figures of log probabilities (N, K) for labels (N,)."""
    p, rows = np.exp(logs), np.arange(len(labels))
    brier = (p**2).sum(axis=1) - 2 * p[rows, labels] + 1
    return {
        "ece": ece(p.max(axis=1), p.argmax(axis=1) == labels),
        "brier": float(brier.mean()),
        "nll": -float(logs[rows, labels].mean()),
    }


def ece(confidence: Floats, right: NDArray[np.bool_], bins: int = BINS) -> float:
    """The expected calibration error over bins of equal mass; fewer rows than bins make a bin of each."""
    order = np.argsort(confidence, kind="stable")
    parts = np.array_split(order, min(bins, len(order)))
    return float(sum(abs(right[part].mean() - confidence[part].mean()) * len(part) for part in parts) / len(order))


def softened(logs: Floats, t: float) -> Floats:
    """log softmax(log p / t)."""
    scaled = logs / t
    scaled = scaled - scaled.max(axis=1, keepdims=True)
    found: Floats = scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True))
    return found


def temperature(logs: Floats, labels: NDArray[np.int64]) -> float:
    """The T in 0.01 .. 10,000 with the smallest nll: in 1/T it is convex, so its slope's sign halves the interval.

    d nll / d(1/T) = mean over rows of (sum_k p_k log q_k) - log q_y, with q the probabilities given and p those at T.
    """
    rows = np.arange(len(labels))
    low, high = 1 / _HIGHEST, 1 / _LOWEST
    for _ in range(_STEPS):
        middle = math.sqrt(low * high)
        p = np.exp(softened(logs, 1 / middle))
        slope = float(((p * logs).sum(axis=1) - logs[rows, labels]).mean())
        low, high = (low, middle) if slope > 0 else (middle, high)
    return 1.0 / math.sqrt(low * high)
