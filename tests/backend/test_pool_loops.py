"""Compiled pooling equals the reference to the bit: windows that overlap, leave gaps or reach over the edge."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.backend import NumpyBackend, loops
from lab.errors import UsageError
from lab.layers import Ctx, MaxPool2D

pytest.importorskip("numba", reason="compiled kernels need the package numba")
pairs = st.tuples(st.integers(1, 4), st.integers(1, 4))


def both(layer: MaxPool2D, x: Any, threads: int = 1) -> list[tuple[Any, Any]]:
    """y and dx of either backend."""
    found = []
    for kernels in ("numpy", "numba"):
        ops = NumpyBackend(str(x.dtype), kernels=kernels, threads=threads)  # type: ignore[arg-type]
        layer.build(x.shape[1:], ops, np.random.default_rng(0))
        y, which = layer.forward(x, Ctx(ops, keep=True))
        np.testing.assert_array_equal(layer.forward(x, Ctx(ops))[0], y)
        dy = np.random.default_rng(1).integers(-9, 9, y.shape).astype(x.dtype)
        found.append((y, layer.backward(dy, which, Ctx(ops))[0]))
    return list(zip(*found, strict=True))


@given(kernel=pairs, stride=pairs, padding=st.tuples(st.integers(0, 2), st.integers(0, 2)), size=pairs,
       n=st.integers(0, 2), dtype=st.sampled_from(["float32", "float64"]))  # fmt: skip
def test_any_windows(kernel: Any, stride: Any, padding: Any, size: Any, n: int, dtype: str) -> None:
    layer = MaxPool2D(kernel, stride=stride, padding=padding)
    shape = (n, 2, kernel[0] + size[0], kernel[1] + size[1])
    x = np.random.default_rng(7).integers(-3, 3, shape).astype(dtype)  # many are equal
    if x.size > 8:
        x.reshape(-1)[[2, 5, 8]] = np.nan, -np.inf, np.inf
    try:
        layer.build(shape[1:], NumpyBackend(dtype), np.random.default_rng(0))
    except UsageError:  # windows that do not fit are refused, which tests of the layer see to
        return
    for reference, found in both(layer, x):
        np.testing.assert_array_equal(found, reference)


@pytest.mark.parametrize("padding", [0, 1])
def test_windows_of_nothing_but_minus_infinity(padding: int) -> None:
    for reference, found in both(
        MaxPool2D(3, padding=padding), np.full((1, 1, 9 - 2 * padding, 9 - 2 * padding), -np.inf)
    ):
        np.testing.assert_array_equal(found, reference)


def test_planes_side_by_side_are_the_whole_and_views_go_to_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "SPLIT_FROM", 1)
    x = np.random.default_rng(0).standard_normal((3, 7, 7, 5)).astype(np.float32)
    for view in (np.ascontiguousarray(x.transpose(0, 3, 1, 2)), x.transpose(0, 3, 1, 2)):
        for reference, found in both(MaxPool2D(3, stride=2, padding=1), view, threads=3):
            np.testing.assert_array_equal(found, reference)
