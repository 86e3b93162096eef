"""Conv2D: by hand, against differences, against PyTorch, and its errors."""

from __future__ import annotations

import doctest
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import lab.layers.conv
from lab.backend import Backend, NumpyBackend, windows
from lab.errors import UsageError
from lab.layers import Conv2D, Ctx
from tests.layers.against_torch import check_against_torch
from tests.layers.contract import check_contract
from tests.layers.gradcheck import check_layer

# (groups, channels in and out of a group, height, width, kernel, stride, padding)
GEOMETRY = st.tuples(
    st.integers(1, 2),
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(1, 6),
    st.integers(1, 6),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.integers(1, 3), st.integers(1, 2)),
    st.tuples(st.integers(0, 2), st.integers(0, 2)),
)


def rows(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape)


def fitting(geometry: Any, bias: bool = True) -> tuple[Conv2D, tuple[int, int, int]]:
    G, C, O, H, W, kernel, stride, padding = geometry
    layer = Conv2D(G * O, kernel, stride=stride, padding=padding, groups=G, bias=bias)
    try:
        layer.build((G * C, H, W), NumpyBackend(), np.random.default_rng(0))
    except UsageError:
        assume(False)
    return layer, (G * C, H, W)


def test_the_example_by_hand() -> None:
    found = doctest.testmod(lab.layers.conv)
    assert found.attempted > 8
    assert not found.failed


@settings(max_examples=15)
@given(geometry=GEOMETRY, n=st.integers(0, 2), bias=st.booleans())
def test_gradients(geometry: Any, n: int, bias: bool) -> None:
    layer, shape = fitting(geometry, bias)
    check_layer(layer, rows(n, *shape))


@settings(max_examples=60)
@given(geometry=GEOMETRY, n=st.integers(1, 5))
def test_equals_torch(geometry: Any, n: int) -> None:
    layer, shape = fitting(geometry)

    def reference(x: Any, p: Any) -> Any:
        torch = pytest.importorskip("torch")
        s, pad = geometry[6], geometry[7]
        return torch.nn.functional.conv2d(x, p["W"], p["b"], stride=s, padding=pad, groups=layer.groups)

    check_against_torch(layer, rows(n, *shape), reference)


@pytest.mark.parametrize("kernels", ["auto", "numpy"])
@pytest.mark.parametrize(("height", "width", "kernel", "stride", "padding"), [
    (5, 2, (1, 6), (4, 1), (0, 2)), (3, 2, (1, 6), (1, 1), (0, 2)),
    (1, 1, (3, 8), (1, 1), (1, 4)), (2, 1, (2, 7), (1, 2), (1, 3)),
])  # fmt: skip
def test_kernels_wider_than_the_image(
    height: int, width: int, kernel: Any, stride: Any, padding: Any, kernels: Any
) -> None:
    """Against the definition: every window by itself."""
    ops, layer = NumpyBackend("float64", kernels=kernels), Conv2D(2, kernel, stride=stride, padding=padding)
    _, Ho, Wo = layer.build((2, height, width), ops, np.random.default_rng(0))
    x, W = rows(3, 2, height, width), layer.params["W"].reshape(2, 2, *kernel)
    padded = np.pad(x, ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2))
    y, cache = layer.forward(x, Ctx(ops, keep=True))
    dy = rows(*y.shape, seed=1)
    dx, grads = layer.backward(dy, cache, Ctx(ops))
    want, dW, dp = np.zeros_like(y), np.zeros_like(W), np.zeros_like(padded)
    for i, j in np.ndindex(Ho, Wo):
        window = np.s_[:, :, i * stride[0] : i * stride[0] + kernel[0], j * stride[1] : j * stride[1] + kernel[1]]
        want[:, :, i, j] = np.einsum("nchw,ochw->no", padded[window], W) + layer.params["b"]
        dW += np.einsum("no,nchw->ochw", dy[:, :, i, j], padded[window])
        dp[window] += np.einsum("no,ochw->nchw", dy[:, :, i, j], W)
    assert np.allclose(y, want) and np.allclose(grads["W"].reshape(W.shape), dW)
    assert dx is not None
    assert np.allclose(dx, dp[:, :, padding[0] : padding[0] + height, padding[1] : padding[1] + width])


@pytest.mark.parametrize("tile", [1, 5000, 1 << 30])
@pytest.mark.parametrize("channels", [2, 9])
def test_tiles_change_nothing(tile: int, channels: int, monkeypatch: Any) -> None:
    def results() -> list[Any]:
        ops = NumpyBackend("float64", kernels="numpy")
        layer = Conv2D(channels, padding="same")
        layer.build((2, 5, 6), ops, np.random.default_rng(0))
        y, cache = layer.forward(rows(7, 2, 5, 6), Ctx(ops, keep=True))
        dx, grads = layer.backward(rows(*y.shape), cache, Ctx(ops))
        return [y, dx, *grads.values()]

    expected = results()
    monkeypatch.setitem(windows.TILE, "numpy", tile)
    for a, b in zip(results(), expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)


def test_both_ways_back_agree(ops: Backend) -> None:
    layer = Conv2D(4, 3, padding=1, groups=2)
    layer.build((4, 6, 5), ops, np.random.default_rng(0))
    x, dy = ops.asarray(rows(3, 4, 6, 5)), ops.asarray(rows(3, 4, 6, 5, seed=1))
    found = []
    for by_outputs in (True, False):
        layer._convolution.by_outputs = by_outputs
        dx, grads = layer.backward(dy, x, Ctx(ops))
        assert dx is not None
        found.append((ops.to_host(dx), ops.to_host(grads["W"])))
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Conv2D(5, 3, padding="same"),
        lambda: Conv2D(5, 3, stride=2, padding=1, bias=False),
        lambda: Conv2D(4, (2, 3), groups=2),
        lambda: Conv2D(7, 1),
    ],
)
def test_contract(make: Any) -> None:
    check_contract(make, 2, 6, 5)


@pytest.mark.parametrize("kernels", ["auto", "numpy"])
def test_columns_are_not_kept(kernels: Any) -> None:
    ops = NumpyBackend(kernels=kernels)
    layer = Conv2D(8, 3, padding=1)
    layer.build((8, 32, 32), ops, np.random.default_rng(0))
    x = ops.asarray(rows(64, 8, 32, 32))
    before = ops.usage.total
    ops.usage.reset_peak()
    y, cache = layer.forward(x, Ctx(ops, keep=True))
    assert cache is x
    assert ops.usage.total - before == y.nbytes
    assert ops.usage.peak["workspace"] < y.nbytes  # all columns at once would be nine times x


def test_cost_is_counted_without_the_surplus() -> None:
    layer = Conv2D(6, 3, padding=1, groups=2)
    layer.build((4, 5, 7), NumpyBackend(), np.random.default_rng(0))
    assert layer.flops() == 2 * 6 * 2 * 9 * 5 * 7


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Conv2D(0), "channels=0"),
        (lambda: Conv2D(4, 7), "kernel=7 is larger than H=6 with padding=0; use at most 6"),
        (lambda: Conv2D(4, 3, stride=2), "leaves the last 1 of H=6 unread; use a stride that divides 3"),
        (lambda: Conv2D(4, 0), "kernel=(0, 0)"),
        (lambda: Conv2D(4, 2, padding=2), "padding=2 puts windows of kernel=2 outside the image"),
        (lambda: Conv2D(4, 2, padding="same"), "needs odd kernels and stride=1"),
        (lambda: Conv2D(4, groups=3), "groups=3 does not divide 4 input and 4 output channels; valid: 1, 2, 4"),
    ],
)
def test_misfits_are_one_sentence(make: Any, words: str) -> None:
    with pytest.raises(UsageError) as raised:
        make().build((4, 6, 6), NumpyBackend(), np.random.default_rng(0))
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_rows_that_are_no_images() -> None:
    with pytest.raises(UsageError, match=r"takes images \(C, H, W\)"):
        Conv2D(4).build((36,), NumpyBackend(), np.random.default_rng(0))


@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("n", [0, 1, 7])
def test_a_kernel_of_one_pixel_needs_no_columns(n: int, groups: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.backend.convolutions.TILE", {"numpy": 1000})  # several images at a time, not all of them
    ops, rng, ends = NumpyBackend("float64"), np.random.default_rng(0), []
    layer = Conv2D(9, kernel=1, groups=groups)
    layer.build((6, 4, 5), ops, rng)
    layer.params["b"][...] = rng.standard_normal(9)
    x, dy = rng.standard_normal((n, 6, 4, 5)), rng.standard_normal((n, 9, 4, 5))
    assert layer._convolution.pointwise
    for layer._convolution.pointwise in (True, False):
        y, cache = layer.forward(x, Ctx(ops, keep=True))
        dx, grads = layer.backward(dy, cache, Ctx(ops))
        ends.append([y, dx, grads["W"], grads["b"]])
    for found, reference in zip(*ends, strict=True):
        np.testing.assert_allclose(found, reference, rtol=1e-12, atol=1e-12)
