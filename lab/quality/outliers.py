"""Outliers: whether images of another kind can be told from the data set's own by the scores that a network gives.

auroc  the probability that an own test image has the higher score than one of the others, ties counted half: the area
       under the curve of true against false alarms (Hanley and McNeil 1982, by ranks). 50 % is blind

Scores: the largest probability of each readout (Hendrycks and Gimpel 2017, "A baseline for detecting misclassified and
out-of-distribution examples"), and of forward-forward the goodness itself under its best label, which needs no softmax:
a network that has learnt to answer real data with goodness should have little for what it has never seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lab.errors import LabError
from lab.quality.readouts import Floats, ask
from lab.random import generator

if TYPE_CHECKING:
    from lab.data import Dataset
    from lab.trainers import Trainer

ROWS = 2000  # of each kind
OTHERS = {"mnist": "fashion_mnist", "fashion_mnist": "mnist"}
_DRAWS = 2212_13346


def outliers(trainer: Trainer, data: Dataset) -> dict[str, Any]:
    """{the other images' name: {score: auroc}}: another data set of that shape where one is at hand, and noise."""
    own = data.test.x[:ROWS]
    if len(data.shape) != 3 or own.dtype != np.uint8:
        return {}
    others = {"noise": generator(_DRAWS, "outliers").integers(0, 256, own.shape, dtype=np.uint8)}
    if (near := _other(data)) is not None:
        others = {OTHERS[data.name]: near, **others}
    ours = _scores(trainer, own)
    found: dict[str, Any] = {}
    for name, x in others.items():
        theirs = _scores(trainer, x)
        found[name] = {score: auroc(ours[score], theirs[score]) for score in ours}
    return found


def auroc(own: Floats, others: Floats) -> float:
    """The area, from the ranks of own scores among all: (sum of ranks - n (n + 1) / 2) / (n m)."""
    n, m = len(own), len(others)
    _, place, counts = np.unique(np.concatenate([own, others]), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks = (last - (counts - 1) / 2)[place]  # of equal scores the mean of their ranks
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * m))


def _scores(trainer: Trainer, x: NDArray[np.uint8]) -> dict[str, Floats]:
    answers = ask(trainer, x)
    found = {f"probability_{name}": logs.max(axis=1) for name, logs in answers.logs.items()}
    return found if answers.goodness is None else found | {"goodness": answers.goodness}


def _other(data: Dataset) -> NDArray[np.uint8] | None:
    from lab.data import load_dataset

    if data.name not in OTHERS:
        return None
    try:
        other = load_dataset(OTHERS[data.name])
    except LabError:  # not fetched: noise is left
        return None
    return other.test.x[:ROWS] if other.shape == data.shape else None
