"""Every kind of network, whole: its gradients by backprop, and the locality of its blocks by forward-forward."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lab.data import Split
from lab.layers import Ctx
from lab.networks import cnn, gru, linear, local_fields, lstm, mlp, rnn
from lab.objectives import Goodness, Rows
from lab.optimizers import SGD
from lab.trainers import BackpropTrainer, ForwardForwardTrainer
from tests.layers.gradcheck import assert_close, numeric_gradient

IMAGE = (2, 4, 4)
KINDS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "mlp batch": (mlp(depth=2, width=6, activation="tanh", norm="batch"), IMAGE),
    "mlp group": (mlp(depth=2, width=6, activation="tanh", norm="group"), IMAGE),
    "linear": (linear(units=5), (6,)),
    "cnn": (cnn(channels=(3, 4), activation="tanh", label="pattern"), IMAGE),
    "cnn mean": (cnn(channels=(2, 3), activation="swish", pool="avg", norm="batch", head="average"), IMAGE),
    "cnn groups": (cnn(channels=(3, 6), groups=3, pool="none", kernel=(3, 1), norm="group", activation="tanh"), IMAGE),
    "cnn residual": (cnn(channels=(3, 3, 6), residual=True, norm="group", pool="none", activation="tanh"), IMAGE),
    "cnn residual batch": (cnn(channels=(2, 2, 3), residual=True, norm="batch", pool_blocks=(3,),
                               activation="tanh"), IMAGE),
    "cnn position": (cnn(channels=(3, 4), stride=(1, 2), kernel=(3, 2), padding=(1, 0), pool="none", norm="length",
                         where="position", activation="tanh"), IMAGE),
    "local fields": (local_fields(channels=(3, 4), kernel=2, stride=(2, 1), activation="tanh"), IMAGE),
    "rnn": (rnn(units=3, depth=2), IMAGE),
    "lstm": (lstm(units=3, depth=2, norm="length", where="step"), IMAGE),
    "lstm steps": (lstm(units=2, depth=2, output="steps"), (3, 4)),
    "gru": (gru(units=3, depth=2, norm="length"), (3, 4)),
}  # fmt: skip
kinds = pytest.mark.parametrize("kind", KINDS)


def rows(shape: tuple[int, ...], n: int = 5) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, *shape)), np.arange(n) % 3


@kinds
@pytest.mark.parametrize("label", ["none", "neutral"])
def test_gradients_of_the_whole_network(kind: str, label: Any) -> None:
    network, shape = KINDS[kind]
    if kind == "linear" and label == "none":
        network = linear()
    trainer = BackpropTrainer(network, seed=1, dtype="float64", label=label).build(shape, 3)
    (x, y), ctx = rows(shape), Ctx(trainer.ops, train=True, keep=True)
    for p in trainer.network.parameters().values():
        p += 0.1 * np.random.default_rng(2).standard_normal(p.shape)  # so that no bias is 0
    _, grads = trainer.gradients(x, y, ctx)
    assert grads.keys() == trainer.network.parameters().keys()
    for name, p in trainer.network.parameters().items():
        want = numeric_gradient(lambda: float(trainer.gradients(x, y, ctx)[0]), p)
        assert_close(grads[name], want, name)
        assert np.abs(want).max() > 0, f"{name} has no part in the loss"


def updates(kind: str, perturbed: int | None) -> dict[str, dict[str, Any]]:
    """Each block's parameters after one local update, with the block of that index changed beforehand."""
    network, shape = KINDS[kind]
    trainer = ForwardForwardTrainer(network, optimizer=SGD(0.1, 0.0), objective=Goodness(), dtype="float64")
    trainer.build(shape, 3)._start_epoch(1, 4, 5)
    if perturbed is not None:
        for p in trainer.network.blocks[perturbed].params.values():
            p += 0.5
    (x, y), label = rows(shape), trainer.network.label_input
    assert label is not None
    shown, _ = trainer.network.labelled(x, [label.one_hot(v, trainer.ops) for v in (y, (y + 1) % 3)], trainer.ops)
    before = {b.name: {k: p.copy() for k, p in b.params.items()} for b in trainer.network.blocks}
    trainer.update_blocks([(shown, Rows(5, slice(0, 5), slice(5, 10)))], Ctx(trainer.ops, train=True, keep=True))
    after = {b.name: {k: p.copy() for k, p in b.params.items()} for b in trainer.network.blocks}
    for name, params in after.items():
        assert any((p != before[name][key]).any() for key, p in params.items()), f"{name} learnt nothing"
    return after


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "linear"])  # which has one block
def test_locality(kind: str) -> None:
    """Given its rows, the first block's update reads nothing of the second: bit-equal when that one is changed."""
    plain, other = updates(kind, None), updates(kind, 1)
    for key, value in plain["block1"].items():
        assert np.array_equal(value, other["block1"][key]), key
    assert any((value != other["block2"][key]).any() for key, value in plain["block2"].items())


@kinds
@pytest.mark.parametrize("trainer", [BackpropTrainer, ForwardForwardTrainer])
def test_both_trainers_answer(kind: str, trainer: Any) -> None:
    network, shape = KINDS[kind]
    made = trainer(network, batch_size=4).build(shape, 3)
    x, y = rows(shape, 9)
    list(made.fit(Split(x, y.astype(np.int64)), epochs=2))
    p = made.predict_proba(x)
    assert p.shape == (9, 3)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-5)


def test_linear_units_make_a_linear_classifier() -> None:
    """Two labels' squares differ by what is linear in the row: along a line of rows, the third difference is 0."""
    trainer = ForwardForwardTrainer(linear(units=7, norm="none"), dtype="float64").build((6,), 3)
    start, way = np.random.default_rng(0).standard_normal((2, 6))
    scores = trainer.block_scores(start + np.arange(5.0)[:, None] * way)[0]  # (5, 3)
    differences = np.diff(scores - scores[:, :1], n=2, axis=0)
    np.testing.assert_allclose(differences, 0, atol=1e-10)
    assert np.abs(np.diff(scores, n=2, axis=0)).max() > 0.1  # the squares themselves are not
