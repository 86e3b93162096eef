"""Node perturbation: its mean is the true gradient, its spread grows with the units, and reward alone is enough."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lab.backend import NumpyBackend
from lab.data import Split
from lab.errors import UsageError
from lab.layers import Ctx, Noise
from lab.networks import boxed_mlp, mlp
from lab.optimizers import Adam
from lab.trainers import BackpropTrainer, NodePerturbationTrainer
from tests.trainers.checks import images

STEPS, COPIES = 60, 200
NET = mlp(depth=2, width=4, activation="tanh", norm="length", label="pixels")


def estimates(nudge: float = 0.003, label: Any = "none") -> tuple[dict[str, Any], dict[str, Any]]:
    """Many independent estimates (STEPS, size) of each gradient, and the true one, of equal networks and rows."""
    trainer = NodePerturbationTrainer(NET, dtype="float64", label=label, nudge=nudge).build((12,), 10)
    exact = BackpropTrainer(NET, dtype="float64", label=label).build((12,), 10)
    for name, p in trainer.network.parameters().items():
        p[...] = np.random.default_rng(len(name)).standard_normal(p.shape) * 0.5
        exact.network.parameters()[name][...] = p
    x, y = images(3, 12)
    ctx = Ctx(NumpyBackend("float64"), train=True, keep=True)
    _, truth = exact.gradients(x, y, ctx)
    many = np.repeat(x, COPIES, axis=0), np.repeat(y, COPIES)
    drawn = [trainer.gradients(*many, replace(ctx, noise=Noise(5, step)))[1] for step in range(STEPS)]
    return {name: np.stack([d[name].ravel() for d in drawn]) for name in truth}, {
        k: g.ravel() for k, g in truth.items()
    }


@pytest.mark.parametrize("label", ["none", "neutral"])
def test_the_estimate_is_unbiased(label: Any) -> None:
    """K parameters' z scores have mean square 1, within ten standard errors of a chi square: they are dependent."""
    drawn, truth = estimates(label=label)
    scores = []
    for name, true in truth.items():
        mean, spread = drawn[name].mean(axis=0), drawn[name].std(axis=0, ddof=1)
        moves = spread > 0  # a dark pixel's weights have no gradient
        assert np.array_equal(mean[~moves], true[~moves])
        scores.append((mean - true)[moves] / (spread[moves] / STEPS**0.5))
    z = np.concatenate(scores)
    found = np.concatenate([drawn[name].mean(axis=0) for name in truth])
    assert np.corrcoef(found, np.concatenate(list(truth.values())))[0, 1] > 0.7  # not so noisy that anything would pass
    assert (z**2).mean() < 1 + 10 * (2 / len(z)) ** 0.5 and np.abs(z).max() < 5
    assert abs(z.mean()) < 10 / len(z) ** 0.5


def test_what_large_nudges_bias() -> None:
    """The bias is of order nudge^2: a hundred times as large a nudge is seen to be wrong by the same test."""
    drawn, truth = estimates(nudge=1.0)
    z = [(drawn[n].mean(axis=0) - truth[n]) / np.maximum(drawn[n].std(axis=0), 1e-9) * STEPS**0.5 for n in truth]
    assert (np.concatenate(z) ** 2).mean() > 2


def test_a_nudge_reaches_no_derivative() -> None:
    """Learning is by forward passes alone: it goes on through a step function that backprop gets nothing through."""
    x, y = images(200, 16)
    y = (x[:, :8].sum(axis=1) > x[:, 8:].sum(axis=1)).astype(np.int64)
    trainer = NodePerturbationTrainer(
        boxed_mlp(depth=2, width=20, strength=0.5), nudge=0.3, optimizer=Adam(0.003), batch_size=20
    )
    rows = Split(x.astype(np.float32), y)
    *_, last = trainer.fit(rows, rows, epochs=60)
    assert last.valid["accuracy"] > 0.8


def test_numbers_are_refused() -> None:
    with pytest.raises(UsageError, match="node_perturbation needs class labels, but y holds numbers; use backprop"):
        NodePerturbationTrainer(
            mlp(),
        ).build((3,), 1, "regression")
    with pytest.raises(UsageError, match="nudge=0 changes nothing; use a number above 0"):
        NodePerturbationTrainer(mlp(), nudge=0)
