"""LocallyConnected2D: against differences, PyTorch's unfold, and a convolution whose weights it repeats."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lab.backend import Backend, NumpyBackend, fields, patches
from lab.errors import UsageError
from lab.layers import Conv2D, Ctx, LocallyConnected2D
from tests.layers.against_torch import check_against_torch
from tests.layers.contract import check_contract
from tests.layers.gradcheck import check_layer

GEOMETRY = st.tuples(
    st.tuples(st.integers(1, 2), st.integers(1, 5), st.integers(1, 5)),
    st.integers(1, 3),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.integers(1, 2), st.integers(1, 3)),
    st.tuples(st.integers(0, 1), st.integers(0, 2)),
)


def rows(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape)


def fitting(geometry: Any, bias: bool = True) -> LocallyConnected2D:
    shape, channels, kernel, stride, padding = geometry
    layer = LocallyConnected2D(channels, kernel, stride=stride, padding=padding, bias=bias)
    try:
        layer.build(shape, NumpyBackend(), np.random.default_rng(0))
    except UsageError:
        assume(False)
    return layer


@settings(max_examples=15)
@given(geometry=GEOMETRY, n=st.integers(0, 2), bias=st.booleans())
def test_gradients(geometry: Any, n: int, bias: bool) -> None:
    check_layer(fitting(geometry, bias), rows(n, *geometry[0]))


@given(geometry=GEOMETRY, n=st.integers(1, 3))
def test_equals_torch(geometry: Any, n: int) -> None:
    layer = fitting(geometry)

    def reference(x: Any, p: Any) -> Any:
        torch = pytest.importorskip("torch")
        columns = torch.nn.functional.unfold(x, geometry[2], padding=geometry[4], stride=geometry[3])
        high, wide, inputs, outputs = p["W"].shape
        y = torch.einsum("nkp,pko->nop", columns, p["W"].reshape(high * wide, inputs, outputs))
        return y.reshape(n, outputs, high, wide) + p["b"]

    check_against_torch(layer, rows(n, *geometry[0]), reference)


def test_equals_a_convolution_where_all_positions_have_its_weights(ops: Backend) -> None:
    own, shared = LocallyConnected2D(3, 3, padding=1), Conv2D(3, 3, padding=1)
    for layer in (own, shared):
        layer.build((2, 4, 5), ops, np.random.default_rng(0))
    own.params["W"][...] = shared.params["W"].reshape(3, -1).T
    x, dy = ops.asarray(rows(2, 2, 4, 5)), ops.asarray(rows(2, 3, 4, 5))
    found = []
    for layer in (own, shared):
        y, cache = layer.forward(x, Ctx(ops, keep=True))
        dx, grads = layer.backward(dy, cache, Ctx(ops))
        assert dx is not None
        found.append((y, dx, grads["W"]))
    np.testing.assert_allclose(ops.to_host(found[0][0]), ops.to_host(found[1][0]), rtol=1e-12)
    np.testing.assert_allclose(ops.to_host(found[0][1]), ops.to_host(found[1][1]), rtol=1e-12, atol=1e-14)
    total = ops.to_host(found[0][2].sum(axis=(0, 1)).T.reshape(3, 2, 3, 3))
    np.testing.assert_allclose(total, ops.to_host(found[1][2]), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("handling", "merged"), [(0, (1, 1)), (7, (1, 2)), (10**9, (4, 6))])
@pytest.mark.parametrize("tile", [8000, fields.TILE])
def test_neither_patches_nor_tiles_change_anything(
    handling: int, merged: tuple[int, int], tile: int, monkeypatch: Any
) -> None:
    def results() -> list[Any]:
        ops = NumpyBackend("float64", kernels="numpy")
        layer = LocallyConnected2D(3, (3, 2), stride=(2, 1), padding=1)
        layer.build((2, 7, 5), ops, np.random.default_rng(0))
        y, cache = layer.forward(rows(4, 2, 7, 5), Ctx(ops, keep=True))
        dx, grads = layer.backward(rows(*y.shape), cache, Ctx(ops))
        return [layer._fields.patches.merged, y, dx, *grads.values()]

    _, *expected = results()
    monkeypatch.setattr(fields, "TILE", tile)
    monkeypatch.setattr(patches, "HANDLING", handling)
    monkeypatch.setattr(patches, "LARGEST", 100)
    found, *others = results()
    assert found == merged
    for a, b in zip(others, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)


def test_the_papers_fields_are_taken_alone_and_narrow_ones_together() -> None:
    for in_shape, channels, kernel, stride, padding, merged in (
        ((1, 28, 28), 128, 10, 6, 0, (1, 1)), ((128, 4, 4), 220, 2, 1, 0, (1, 1)), ((3, 32, 32), 3, 11, 1, 5, (4, 8)),
        ((3, 31, 31), 3, 11, 1, 5, (1, 31)), ((3, 97, 97), 3, 11, 1, 5, (1, 1)),  # (1, 97) is ten times as large
    ):  # fmt: skip
        layer = LocallyConnected2D(channels, kernel, stride=stride, padding=padding)
        layer.build(in_shape, NumpyBackend(), np.random.default_rng(0))
        assert layer._fields.patches.merged == merged


@pytest.mark.parametrize(
    "make", [lambda: LocallyConnected2D(4, 3, stride=2, padding=1), lambda: LocallyConnected2D(3, 2, bias=False)]
)
def test_contract(make: Any) -> None:
    check_contract(make, 2, 6, 4)


def test_the_papers_fields() -> None:
    layer = LocallyConnected2D(128, 10, stride=6)
    assert layer.build((1, 28, 28), NumpyBackend(), np.random.default_rng(0)) == (128, 4, 4)
    assert layer.params["W"].shape == (4, 4, 100, 128)
    assert layer.flops() == 2 * 16 * 100 * 128


def test_misfits_are_one_sentence() -> None:
    for layer, words in (
        (
            lambda: LocallyConnected2D(4, 10, stride=7),
            "LocallyConnected2D kernel=10 stride=7 padding=0 leaves the last 4",
        ),
        (lambda: LocallyConnected2D(4, 29), "kernel=29 is larger than H=28"),
        (lambda: LocallyConnected2D(0), "channels=0"),
    ):
        with pytest.raises(UsageError) as raised:
            layer().build((1, 28, 28), NumpyBackend(), np.random.default_rng(0))
        assert words in str(raised.value)
