"""What can be read from a block by a linear map: a ridge probe, in closed form.

    A = (K + lambda I)^-1 Y,  p(x) = k(x) A       K = X X^T, k(x) = x X^T: rows, not units, so that width costs little

X (N / 2, F + 1) are the activities that the block passes on, for every other row, flat, less their mean, with a 1 for
the bias; Y the one-hot labels. lambda is a hundredth of the mean of K's diagonal. The answer is the class of the
largest output; its accuracy is measured on the other rows. Rows carry the neutral label where the network reads one.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from lab.data import Split
from lab.diagnose.rows import images_of, presented
from lab.layers import Ctx
from lab.trainers import Trainer

SHARE = 0.01


def probes(trainer: Trainer, split: Split, epochs: int) -> dict[str, float]:
    """Accuracy of each block's probe, a fraction; {} where there are no classes, or too few rows to halve."""
    if trainer.task != "classification" or split.y.ndim != 1 or len(split) < 2:
        return {}
    images, _ = images_of(trainer, split)
    found = {}
    for block, _, n in trainer.network.walk(presented(trainer, images), Ctx(trainer.ops)):
        rows = trainer.ops.to_host(n).reshape(len(n), prod(block.shape)).astype(np.float64)
        found[block.name] = accuracy(rows, split.y, trainer.n_outputs)
    return found


def accuracy(rows: Any, y: Any, n_classes: int) -> float:
    """Of a ridge probe made from every other row, on the rows between them."""
    x, t = rows[::2], np.eye(n_classes)[y[::2]]
    mean = x.mean(axis=0)
    x, other = _with_bias(x - mean), _with_bias(rows[1::2] - mean)
    kernel = x @ x.T
    kernel[np.diag_indices_from(kernel)] += SHARE * np.trace(kernel) / len(kernel)
    answers = (other @ (x.T @ np.linalg.solve(kernel, t))).argmax(axis=1)
    return float((answers == y[1::2]).mean())


def _with_bias(x: Any) -> Any:
    return np.concatenate([x, np.ones((len(x), 1))], axis=1)
