"""Pooling: against differences, against PyTorch, ties, padding, and errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lab.backend import Backend, NumpyBackend
from lab.errors import UsageError
from lab.layers import AvgPool2D, Ctx, GlobalAvgPool, Layer, MaxPool2D
from tests.layers.against_torch import check_against_torch
from tests.layers.contract import check_contract
from tests.layers.gradcheck import check_layer

PAIR = st.tuples(st.integers(1, 3), st.integers(1, 3))
MAX = {
    "tiles": lambda: MaxPool2D((2, 3)),
    "overlapping": lambda: MaxPool2D(3, stride=1),
    "padded": lambda: MaxPool2D(3, stride=2, padding=1),
}
AVERAGE = {"tiles": lambda: AvgPool2D((3, 2)), "overlapping": lambda: AvgPool2D(2, stride=1), "global": GlobalAvgPool}


def distinct(*shape: int, seed: int = 0) -> Any:
    """Values at least 0.1 apart, so that no difference changes which one is the largest."""
    size = int(np.prod(shape))
    return 0.1 * np.random.default_rng(seed).permutation(size).reshape(shape).astype(np.float64)


def built(layer: Layer, *shape: int) -> Layer:
    try:
        layer.build(shape, NumpyBackend(), np.random.default_rng(0))
    except UsageError:
        assume(False)
    return layer


@pytest.mark.parametrize("name", MAX)
@given(n=st.integers(0, 2), seed=st.integers(0, 99))
def test_max_gradients(name: str, n: int, seed: int) -> None:
    check_layer(MAX[name](), distinct(n, 2, 4, 6, seed=seed) if name == "tiles" else distinct(n, 2, 5, 7, seed=seed))


@pytest.mark.parametrize("name", AVERAGE)
@given(n=st.integers(0, 2))
def test_average_gradients(name: str, n: int) -> None:
    check_layer(AVERAGE[name](), np.random.default_rng(n).standard_normal((n, 2, 6, 4)))


@given(n=st.integers(1, 3), size=st.tuples(st.integers(1, 8), st.integers(1, 8)), pool=PAIR, stride=PAIR, pad=PAIR)
def test_equal_to_torch(n: int, size: Any, pool: Any, stride: Any, pad: Any) -> None:
    pad = tuple(min(p - 1, k // 2) for p, k in zip(pad, pool, strict=True))
    x = np.random.default_rng(n).integers(-3, 3, (n, 2, *size)).astype(np.float64)  # ties among them

    def largest(t: Any, _: Any) -> Any:
        torch = pytest.importorskip("torch")
        return torch.nn.functional.max_pool2d(t, pool, stride, pad)

    def mean(t: Any, _: Any) -> Any:
        torch = pytest.importorskip("torch")
        return torch.nn.functional.avg_pool2d(t, pool, stride)

    check_against_torch(built(MaxPool2D(pool, stride=stride, padding=pad), 2, *size), x, largest)
    check_against_torch(built(AvgPool2D(pool, stride=stride), 2, *size), x, mean)
    check_against_torch(GlobalAvgPool(), x, lambda t, _: t.mean((2, 3)))


@pytest.mark.parametrize("make", [*MAX.values(), *AVERAGE.values()])
def test_contract(make: Any) -> None:
    shape = (2, 6, 6) if make in (MAX["tiles"], *AVERAGE.values()) else (2, 5, 5)
    check_contract(make, *shape)


def test_by_hand(ops: Backend) -> None:
    x = ops.asarray([[[[1, 2, 5, 6], [3, 4, 7, 7]]]])
    dy = ops.asarray([[[[10, 20]]]])
    results = []
    for layer in (MaxPool2D(2), AvgPool2D(2)):
        layer.build((1, 2, 4), ops, np.random.default_rng(0))
        y, cache = layer.forward(x, Ctx(ops, keep=True))
        dx, _ = layer.backward(dy, cache, Ctx(ops))
        assert dx is not None
        results.append((ops.to_host(y).tolist(), ops.to_host(dx).tolist()))
    assert results[0] == ([[[[4, 7]]]], [[[[0, 0, 0, 0], [0, 10, 20, 0]]]])  # the first of two equal maxima
    assert results[1] == ([[[[2.5, 6.25]]]], [[[[2.5, 2.5, 5, 5], [2.5, 2.5, 5, 5]]]])


def test_the_maximum_costs_a_byte_a_window() -> None:
    ops = NumpyBackend()
    layer = MaxPool2D(2)
    layer.build((3, 32, 32), ops, np.random.default_rng(0))
    y, cache = layer.forward(ops.asarray(distinct(8, 3, 32, 32)), Ctx(ops, keep=True))
    assert cache.nbytes == y.size


def test_large_windows_are_numbered_in_full() -> None:
    layer = MaxPool2D(20)
    x = np.zeros((1, 1, 20, 20))
    x[0, 0, 19, 18] = 1
    ops = NumpyBackend("float64")
    layer.build((1, 20, 20), ops, np.random.default_rng(0))
    _, cache = layer.forward(x, Ctx(ops, keep=True))
    dx, _ = layer.backward(np.ones((1, 1, 1, 1)), cache, Ctx(ops))
    assert np.array_equal(dx, x)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("layer", "shape", "words"),
    [
        (MaxPool2D(3), (1, 28, 28), "MaxPool2D pool=3 does not divide H=28; use 2 or 4"),
        (AvgPool2D((2, 5)), (1, 28, 28), "AvgPool2D pool=5 does not divide W=28; use 4 or 7"),
        (MaxPool2D(5), (1, 4, 4), "kernel=5 is larger than H=4"),
        (MaxPool2D(3, stride=2), (1, 8, 8), "leaves the last 1 of H=8 unread"),
        (MaxPool2D(2, stride=2, padding=2), (1, 8, 8), "padding=2 puts windows"),
        (MaxPool2D(3, stride=1, padding=2), (1, 8, 8), "more than half of pool=(3, 3)"),
        (MaxPool2D(0), (1, 8, 8), "kernel=(0, 0)"),
        (MaxPool2D(2), (8,), "takes images (C, H, W)"),
        (GlobalAvgPool(), (8,), "takes images (C, H, W)"),
    ],
)
def test_misfits_are_one_sentence(layer: Layer, shape: tuple[int, ...], words: str) -> None:
    with pytest.raises(UsageError) as raised:
        layer.build(shape, NumpyBackend(), np.random.default_rng(0))
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)
