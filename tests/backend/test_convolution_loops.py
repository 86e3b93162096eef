"""Compiled convolutions equal the reference: any windows, groups, heights of a tile, threads, and batches in parts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lab.backend import NumpyBackend, loops, numpy_convolutions
from lab.errors import UsageError
from lab.layers import Conv2D, Ctx
from tests.backend.twins import compare, images, results

pytest.importorskip("numba", reason="compiled kernels need the package numba")
pairs = st.tuples(st.integers(1, 4), st.integers(1, 4))


@settings(max_examples=150)
@given(kernel=pairs, stride=pairs, padding=st.tuples(st.integers(0, 3), st.integers(0, 3)),
       size=st.tuples(st.integers(1, 9), st.integers(1, 20)), groups=st.integers(1, 3), inputs=st.integers(1, 9),
       outputs=st.integers(1, 11), n=st.integers(0, 3), bias=st.booleans(),
       dtype=st.sampled_from(["float32", "float64"]))  # fmt: skip
def test_any_windows(
    kernel: Any, stride: Any, padding: Any, size: Any, groups: int, inputs: int, outputs: int, n: int, bias: bool,
    dtype: str,
) -> None:  # fmt: skip
    layer = Conv2D(groups * outputs, kernel, stride=stride, padding=padding, groups=groups, bias=bias)
    try:
        layer.build((groups * inputs, *size), NumpyBackend(dtype), np.random.default_rng(0))
    except UsageError:  # windows that do not fit are refused, which tests of the layer see to
        assume(False)
    compare(layer, images(n, groups * inputs, *size, dtype=dtype))


@pytest.mark.parametrize("height", [1, 4, 8])
def test_tiles_of_each_height(height: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numpy_convolutions, "_height", lambda outputs: height)
    for wide in (5, 20, 37, 64):  # one vector, two, three, and a rest
        compare(Conv2D(9, 3, padding="same"), images(2, 5, 3, wide))


@pytest.mark.parametrize("near", [1, 20_000, 1 << 30])
def test_images_a_few_at_a_time_and_side_by_side(near: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "SPLIT_FROM", 1)
    monkeypatch.setattr(numpy_convolutions, "NEAR", near)
    compare(Conv2D(10, 5, stride=2, padding=2, groups=2), images(7, 4, 11, 9), threads=3)


def test_images_that_are_a_view_go_to_the_reference() -> None:
    x = images(3, 6, 7, 4)
    compare(Conv2D(5, 3), x.transpose(0, 3, 1, 2))


def test_not_a_number_stays_in_its_row() -> None:
    x = images(3, 2, 6, 6)
    x[1, 0, 2, 2] = np.nan
    y, dx, *_ = results(Conv2D(4, 3, padding=1), x, "numba")
    assert np.isnan(y[1]).any()
    assert np.isfinite(y[[0, 2]]).all() and np.isfinite(dx).all()


def test_steady_passes_ask_for_no_memory() -> None:
    ops = NumpyBackend(kernels="numba")
    layer = Conv2D(8, 3, padding=1)
    layer.build((4, 9, 9), ops, np.random.default_rng(0))
    x = images(6, 4, 9, 9, dtype="float32")
    fresh = []
    for _ in range(3):
        y, cache = layer.forward(x, Ctx(ops, keep=True))
        layer.backward(y, cache, Ctx(ops))
        del y
        fresh.append(ops.pool.fresh)
    assert fresh[1] == fresh[2]
