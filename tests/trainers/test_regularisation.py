"""Penalties and dropout do the same under every trainer: checked against penalties written out, and by what moves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from lab.errors import UsageError
from lab.layers import Dropout
from lab.networks import mlp
from lab.objectives import Goodness
from lab.optimizers import SGD, Adam, MaxNormSGD
from lab.trainers import BackpropTrainer, FeedbackAlignmentTrainer, ForwardForwardTrainer, Trainer
from tests.trainers.test_forward_forward import toy

KINDS = [BackpropTrainer, FeedbackAlignmentTrainer, ForwardForwardTrainer]
L1, L2 = 0.002, 0.03


@dataclass(frozen=True)
class Written:
    """Another optimizer, given gradients to which the penalties' were added here."""

    inner: Any

    @property
    def learning_rate(self) -> float:
        return float(self.inner.learning_rate)

    @property
    def schedule(self) -> Any:
        return self.inner.schedule

    def start(self, params: Any, ops: Any) -> Any:
        return self.inner.start(params, ops)

    def step(self, params: Any, grads: Any, state: Any, ops: Any, gain: float = 1.0) -> None:
        for name, g in grads.items():
            if (w := params[name]).ndim > 1:
                g += L2 * w + L1 * np.sign(w)
        self.inner.step(params, grads, state, ops, gain)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("optimizer", [SGD(0.05, 0.9, dampening=0.9, schedule="cooldown"), Adam(0.01)])
def test_penalties_are_those_of_the_formula(kind: Any, optimizer: Any) -> None:
    def trained(optimizer: Any) -> Any:
        trainer: Trainer = kind(mlp(depth=2, width=9), optimizer=optimizer, batch_size=20, dtype="float64")
        list(trainer.fit(toy(), epochs=4))
        return {name: a for name, a in trainer.state().items() if name.startswith("weights/")}

    found, expected = trained(replace(optimizer, l1=L1, l2=L2)), trained(Written(optimizer))
    plain = trained(optimizer)
    for name, weights in found.items():
        np.testing.assert_allclose(weights, expected[name], rtol=1e-9, atol=1e-12, err_msg=name)
        if weights.ndim > 1:
            assert np.abs(weights).sum() < np.abs(plain[name]).sum(), name


@pytest.mark.parametrize("rate", [0.0, 0.7])
@pytest.mark.parametrize("kind", KINDS)
def test_dropout_silences_units_in_training_alone(kind: Any, rate: float) -> None:
    """One row a step: the weights of a unit that is silenced in all of the step's passes stay as they were."""
    network = mlp(depth=2, width=400, activation="tanh", dropout=rate, label="features")
    # at a temperature at which negative rows count as well: tanh leaves them far below the threshold
    own = {"objective": Goodness(temperature=400.0)} if kind is ForwardForwardTrainer else {}
    trainer: Trainer = kind(network, optimizer=SGD(0.1, 0.0), batch_size=1, dtype="float64", **own)
    trainer.build((12,), 3)
    key = next(name for name in trainer.state() if name.startswith("weights/block2") and name.endswith("W"))
    before = trainer.state()[key].copy()
    one = replace(toy(), x=toy().x[:1], y=toy().y[:1])
    list(trainer.fit(one, epochs=1))
    moved = (trainer.state()[key] != before).any(axis=1).mean()
    passes = 2 if kind is ForwardForwardTrainer else 1  # a positive and a negative row, each with a mask of its own
    assert moved == pytest.approx(1 - rate**passes, abs=0.1 if rate else 0.01)
    rows = toy(50).x
    answers = trainer.predict_proba(rows)
    for layer in trainer.network.blocks[1].bodies[0].layers:  # type: ignore[attr-defined]
        if isinstance(layer, Dropout):
            layer.rate = 0.0
    np.testing.assert_array_equal(trainer.predict_proba(rows), answers)


def test_weights_into_a_unit_are_held_no_longer_than_max_norm() -> None:
    """Long columns are shortened in their direction, short ones and biases are those of plain SGD."""
    plain, held = (
        BackpropTrainer(mlp(depth=2, width=9), optimizer=optimizer, batch_size=20, dtype="float64")
        for optimizer in (SGD(0.5), MaxNormSGD(0.5, max_norm=1.2))
    )
    for trainer in (plain, held):
        list(trainer.fit(replace(toy(60), x=toy(60).x[:20], y=toy(60).y[:20]), epochs=1))  # one step
    shortened = 0
    for name, w in plain.state().items():
        if not name.startswith("weights/"):
            continue
        if w.ndim == 2:
            norms = np.sqrt((w**2).sum(axis=0))
            shortened += int((norms > 1.2).sum())
            w = w * np.minimum(1, 1.2 / norms)
        np.testing.assert_allclose(held.state()[name], w, rtol=1e-12)
    assert 0 < shortened < 21  # 9 + 9 units and 3 outputs
    with pytest.raises(UsageError, match="max_norm=0"):
        MaxNormSGD(max_norm=0)


def test_rates_of_dropout_in_a_list_are_those_of_the_image_too() -> None:
    def layers(dropout: Any) -> list[float]:
        network = mlp(depth=2, width=5, dropout=dropout).make((12,), 3, BackpropTrainer.defaults)
        return [layer.rate for layer in network.layers() if isinstance(layer, Dropout)]

    assert layers((0.2, 0.5, 0.4)) == [0.2, 0.5, 0.4] and layers(0.3) == [0.3, 0.3] and layers(0.0) == []
    with pytest.raises(UsageError, match="give 3 for 2 blocks"):
        mlp(depth=2, dropout=(0.2, 0.5))
    with pytest.raises(UsageError, match="rate=1"):
        mlp(depth=2, dropout=(0.2, 0.5, 1.0))
