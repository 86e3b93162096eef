"""Residual, Concat and TimeDistributed: against differences, against PyTorch, and what they pass on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.backend import Backend, NumpyBackend
from lab.errors import UsageError
from lab.layers import (
    GRU,
    LSTM,
    AvgPool2D,
    BatchNorm,
    Concat,
    Conv2D,
    Ctx,
    Dense,
    Flatten,
    Identity,
    Layer,
    ReLU,
    Residual,
    Sequential,
    Tanh,
    TimeDistributed,
    settle,
)
from tests.layers.against_torch import REASON, check_against_torch
from tests.layers.contract import check_contract
from tests.layers.gradcheck import check_layer


def rows(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape)


# Bodies that begin or end with a layer that keeps or returns its very input or output are the ones to fear.
FLAT = {
    "residual": lambda: Residual([Dense(5), Tanh(), Dense(4), Tanh()]),
    "residual with projection": lambda: Residual([Dense(3), Tanh()], Dense(3, bias=False)),
    "residual of nothing": lambda: Residual(Identity(), [Identity()]),
    "concat": lambda: Concat([Sequential([Dense(2), Tanh()]), Identity(), Dense(3)]),
    "nested": lambda: Concat([Residual([Tanh(), Dense(4)]), Residual(Tanh(), Dense(4))]),
}
IMAGES = {
    "residual": lambda: Residual([Conv2D(2, padding="same"), BatchNorm(eps=0.1), Tanh(), Conv2D(2, padding="same")]),
    "residual with stride": lambda: Residual([Conv2D(3, 2, stride=2), Tanh()], Conv2D(3, 1, stride=2)),
    "concat": lambda: Concat([Conv2D(3, 1), Identity(), Conv2D(1, padding="same")]),
    "concat by groups": lambda: Concat([Conv2D(4, 1), Identity()], groups=2),
    "concat of heights": lambda: Concat([Identity(), AvgPool2D((2, 1))], axis=2),
    "concat of rows": lambda: Concat([Flatten(), Sequential([Flatten(), Dense(3)])]),
}
STEPS = {
    "dense a step": lambda: TimeDistributed(Dense(3)),
    "dense a step behind states": lambda: Sequential([LSTM(3, output="steps"), TimeDistributed(Dense(2))]),
    "images a step": lambda: TimeDistributed(Flatten()),
    "both ways": lambda: Concat([LSTM(2, output="steps"), GRU(3, output="steps"), Identity()]),
    "residual": lambda: Residual(LSTM(2, output="steps")),
}


@pytest.mark.parametrize("name", FLAT)
@settings(max_examples=8)
@given(n=st.integers(0, 3), seed=st.integers(0, 99))
def test_gradients_of_rows(name: str, n: int, seed: int) -> None:
    check_layer(FLAT[name](), rows(n, 4, seed=seed), seed=seed)


@pytest.mark.parametrize("name", IMAGES)
@pytest.mark.parametrize("n", [0, 1, 3])
def test_gradients_of_images(name: str, n: int) -> None:
    check_layer(IMAGES[name](), rows(n, 2, 4, 4))


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("n", [0, 1, 3])
def test_gradients_of_sequences(name: str, n: int) -> None:
    check_layer(STEPS[name](), rows(n, 3, 2))


def test_groups_stay_together() -> None:
    ops = NumpyBackend("float64")
    layer = Concat([Identity(), Sequential([Tanh()])], groups=2)
    assert layer.build((4,), ops, np.random.default_rng(0)) == (8,)
    x = np.array([[1.0, 2.0, 3.0, 4.0]])
    t = np.tanh(x[0])
    np.testing.assert_allclose(layer.forward(x, Ctx(ops))[0], [[1, 2, t[0], t[1], 3, 4, t[2], t[3]]])


def test_contract() -> None:
    for make in FLAT.values():
        check_contract(make, 4)
    for make in IMAGES.values():
        check_contract(make, 2, 4, 4)
    for make in STEPS.values():
        check_contract(make, 3, 2)


def test_equal_to_torch() -> None:
    torch = pytest.importorskip("torch", reason=REASON)
    conv = torch.nn.functional.conv2d

    def residual(x: Any, p: Any) -> Any:
        z = torch.relu(conv(x, p["body.0.W"], p["body.0.b"], padding=1, stride=2))
        return conv(z, p["body.2.W"], p["body.2.b"], padding=1) + conv(
            x, p["projection.W"], p["projection.b"], stride=2
        )

    body = [Conv2D(4, 3, stride=2, padding=1), ReLU(), Conv2D(4, 3, padding=1)]
    check_against_torch(Residual(body, Conv2D(4, 1, stride=2)), rows(2, 3, 6, 6), residual)

    def concat(x: Any, p: Any) -> Any:
        return torch.cat([torch.tanh(conv(x, p["0.0.W"], p["0.0.b"])), x, conv(x, p["2.W"], p["2.b"])], dim=1)

    parts = [Sequential([Conv2D(2, 1), Tanh()]), Identity(), Conv2D(3, 1)]
    check_against_torch(Concat(parts), rows(2, 3, 4, 4), concat)
    check_against_torch(TimeDistributed(Dense(3)), rows(2, 4, 5), lambda x, p: x @ p["W"] + p["b"])


def test_statistics_are_passed_on() -> None:
    ops = NumpyBackend("float64")
    layer = Concat([Residual([Dense(4), BatchNorm()], BatchNorm()), TimeDistributed(BatchNorm())])
    with pytest.raises(UsageError):  # rows are no sequences
        layer.build((4,), ops, np.random.default_rng(0))
    layer = Concat([Residual([Dense(4), BatchNorm()], BatchNorm()), BatchNorm()])
    layer.build((4,), ops, np.random.default_rng(0))
    each = {"0.body.1", "0.projection", "1"}
    assert layer.stats.keys() == {f"{place}.{name}" for place in each for name in ("mean", "var")}
    x = rows(8, 4) + 2
    _, cache = layer.forward(x, Ctx(ops, train=True, keep=True))
    settle(layer.stats, layer.statistics(cache))
    np.testing.assert_allclose(layer.stats["1.mean"], 0.1 * x.mean(axis=0))
    np.testing.assert_allclose(layer.stats["0.projection.mean"], 0.1 * x.mean(axis=0))
    steps = TimeDistributed(BatchNorm())
    steps.build((3, 4), ops, np.random.default_rng(0))
    _, cache = steps.forward(rows(8, 3, 4), Ctx(ops, train=True, keep=True))
    np.testing.assert_allclose(steps.statistics(cache)["mean"], 0.1 * rows(8, 3, 4).mean(axis=(0, 1)))


def test_a_mask_ends_at_a_step_of_its_own() -> None:
    """What TimeDistributed holds sees rows; a recurrent layer inside walks over the inner steps, all of them real."""
    ops = NumpyBackend("float64")
    layer = TimeDistributed(GRU(2))
    layer.build((3, 4, 2), ops, np.random.default_rng(0))
    x = rows(2, 3, 4, 2)
    y, _ = layer.forward(x, Ctx(ops, mask=np.zeros((2, 3), bool)))
    alone, _ = layer.layer.forward(x[1], Ctx(ops))
    np.testing.assert_allclose(y[1], alone, rtol=1e-12)


def test_cost_is_the_sum() -> None:
    ops = NumpyBackend()
    for layer, shape, expected in (
        (Residual(Dense(4), Dense(4)), (4,), 64),
        (Concat([Dense(2), Dense(3), Identity()]), (4,), 40),
        (TimeDistributed(Dense(3)), (5, 4), 5 * 24),
    ):
        layer.build(shape, ops, np.random.default_rng(0))
        assert layer.flops() == expected


@pytest.mark.parametrize(
    ("layer", "shape", "words"),
    [
        (Residual(Dense(3)), (4,), "cannot add (4,) to the body's output (3,); give a projection to that shape"),
        (Residual(Dense(3), Dense(2)), (4,), "cannot add (2,) to the body's output (3,); give the projection"),
        (Concat([Conv2D(2, 2), Identity()]), (1, 4, 4), "cannot join outputs of shapes [(2, 3, 3), (1, 4, 4)]"),
        (Concat([Dense(3), Identity()], groups=2), (4,), "groups=2 does not divide all of its parts' sizes [3, 4]"),
        (Concat([Dense(2), Identity()], axis=2), (4,), "axis=2 does not exist in outputs of shape (2,); use 1 to 1"),
        (TimeDistributed(Dense(2)), (4,), "takes sequences of at least 1 step"),
    ],
)
def test_misfits_are_one_sentence(layer: Layer, shape: tuple[int, ...], words: str) -> None:
    with pytest.raises(UsageError) as raised:
        layer.build(shape, NumpyBackend(), np.random.default_rng(0))
    assert words in str(raised.value)
    with pytest.raises(UsageError, match="at least one part"):
        Concat([])


@pytest.mark.parametrize("make", [FLAT["residual"], FLAT["concat"]])
def test_backends_agree(make: Any, ops: Backend) -> None:
    found = []
    for backend in (NumpyBackend("float64"), ops):
        layer = make()
        layer.build((4,), backend, np.random.default_rng(1))
        y, cache = layer.forward(backend.asarray(rows(3, 4)), Ctx(backend, keep=True))
        dx, grads = layer.backward(backend.asarray(rows(*y.shape)), cache, Ctx(backend))
        found.append([backend.to_host(a) for a in (y, dx, *grads.values())])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)
