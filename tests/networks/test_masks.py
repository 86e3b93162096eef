"""Sequences of different lengths: the mask comes with the rows and reaches every layer, under both trainers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lab.backend import NumpyBackend
from lab.data.dataset import Split
from lab.errors import UsageError
from lab.layers import GRU, LSTM, Ctx, Dense, Identity, LabelInput, LengthNorm, Sequential
from lab.networks import Block, Network, Source, gru
from lab.optimizers import SGD
from lab.trainers import BackpropTrainer, ForwardForwardTrainer
from tests.layers.gradcheck import assert_close, numeric_gradient

LENGTHS = np.array([5, 2, 1, 3, 5, 4])


def network(label: LabelInput | None = None) -> Network:
    """Two recurrent blocks, the second on the states of the first."""
    blocks = [
        Block("block1", LSTM(4, output="steps"), Identity(), LengthNorm((2,))),
        Block("block2", GRU(4), Identity(), LengthNorm(), (Source("block1"),)),
    ]
    return Network(blocks, Dense(3), label_input=label or LabelInput("steps"), masked=True, label="masked net")


def sequences(filling: float = 0.0, steps: int = 5) -> Any:
    rng = np.random.default_rng(0)
    x = np.concatenate([np.ones((6, 5, 1)), rng.standard_normal((6, 5, 2))], axis=2)[:, :steps]
    x[np.arange(steps) >= LENGTHS[:, None]] = [0, filling, filling]
    return x


def trainer(kind: Any, described: bool = False, **options: Any) -> Any:
    net = gru(units=4, depth=2, masked=True, dropout=0.2) if described else network()
    made = kind(net, optimizer=SGD(0.05, 0.9), batch_size=6, dtype="float64", **options)
    return made.build((5, 3), 3)


@pytest.mark.parametrize("described", [False, True])
@pytest.mark.parametrize("kind", [BackpropTrainer, ForwardForwardTrainer])
def test_what_fills_up_a_row_does_not_count(kind: Any, described: bool) -> None:
    results = []
    for filling in (0.0, 7.0):
        made = trainer(kind, described)
        list(made.fit(Split(sequences(filling), np.array([0, 1, 2, 0, 1, 2])), epochs=2))
        results.append((made.state(), made.predict_proba(sequences(filling))))
    for name, value in results[0][0].items():
        assert np.array_equal(value, results[1][0][name]), name
    assert np.array_equal(results[0][1], results[1][1])


def test_a_short_row_is_answered_as_if_alone() -> None:
    made = trainer(BackpropTrainer)
    together = made.predict_proba(sequences())
    short = LENGTHS <= 3
    ops = NumpyBackend("float64")
    net = network()
    net.build((3, 3), 3, ops, 0, labelled=False)
    for name, p in net.parameters().items():
        p[...] = made.network.parameters()[name]
    *_, (_, _, last) = net.walk(sequences(steps=3)[short], Ctx(ops))
    scores, _ = net.head.forward(last, Ctx(ops))
    np.testing.assert_allclose(made.loss.probabilities(scores, ops), together[short], rtol=1e-12)


@pytest.mark.parametrize("recompute", [0, 1])
def test_gradients_under_a_mask(recompute: int) -> None:
    """Caches that are made again are made under the same mask."""
    made = trainer(BackpropTrainer, recompute=recompute)
    x, y = sequences(), np.array([0, 1, 2, 0, 1, 2])
    x[0, 1, 0] = 0  # a step that is missing in the middle: behind a row's end no mask could be missed
    ctx = Ctx(made.ops, train=True, keep=True)
    _, grads = made.gradients(x, y, ctx)
    for name, p in made.network.parameters().items():
        assert_close(grads[name], numeric_gradient(lambda: float(made.gradients(x, y, ctx)[0]), p), name)


def test_misfits_are_found_when_the_network_is_built() -> None:
    for shape in ((12,), (5, 1), (1, 5, 5)):
        with pytest.raises(UsageError, match=r"takes sequences \(T, 1 \+ F\)"):
            network().build(shape, 3, NumpyBackend(), 0, labelled=False)
    for mode in ("pixels", "features"):
        with pytest.raises(UsageError, match="appends the label to every step"):
            network(LabelInput(mode)).build((5, 3), 3, NumpyBackend(), 0, labelled=True)
    with pytest.raises(UsageError, match="LSTM takes sequences"):
        Network([Block("block1", Sequential([LSTM(2)]), Identity())], Dense(3)).build(
            (4,), 3, NumpyBackend(), 0, labelled=False
        )
