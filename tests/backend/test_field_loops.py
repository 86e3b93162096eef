"""Compiled local fields equal the reference: any windows, outputs, batches, threads."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lab.backend import NumpyBackend, loops, numpy_fields
from lab.backend.fields import Fields
from lab.layers import Ctx, LocallyConnected2D
from tests.backend.twins import compare, images

pytest.importorskip("numba", reason="compiled kernels need the package numba")
pairs = st.tuples(st.integers(1, 4), st.integers(1, 4))


@settings(max_examples=100)
@given(kernel=pairs, stride=pairs, padding=st.tuples(st.integers(0, 3), st.integers(0, 3)),
       fields=st.tuples(st.integers(1, 4), st.integers(1, 5)), inputs=st.integers(1, 4), outputs=st.integers(1, 6),
       n=st.integers(0, 70), bias=st.booleans(), dtype=st.sampled_from(["float32", "float64"]))  # fmt: skip
def test_any_fields(
    kernel: Any, stride: Any, padding: Any, fields: Any, inputs: int, outputs: int, n: int, bias: bool, dtype: str
) -> None:
    padding = tuple(min(p, k - 1) for p, k in zip(padding, kernel, strict=True))
    axes = zip(fields, stride, kernel, padding, strict=True)
    size = [s * (many - 1) + k - 2 * p for many, s, k, p in axes]
    layer = LocallyConnected2D(outputs, kernel, stride=stride, padding=padding, bias=bias)
    assume(min(size) > 0)
    layer.build((inputs, *size), NumpyBackend(dtype), np.random.default_rng(0))
    compare(layer, images(n, inputs, *size, dtype=dtype))


@pytest.mark.parametrize("outputs", [1, 2, 3, 4])
def test_vectors_of_any_number_side_by_side(outputs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "SPLIT_FROM", 1)
    for n in (1, 16, 17, 64, 100, 200):
        compare(LocallyConnected2D(outputs, 3, padding=1), images(n, 3, 5, 4, dtype="float32"), threads=3)


@pytest.mark.parametrize("n", [1, 16, 40, 100])
def test_few_images_laid_out_at_a_time(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "SPLIT_FROM", 1)
    x = images(n, 3, 5, 4, dtype="float32")
    for vectors in (1, 2):
        monkeypatch.setattr(numpy_fields, "ROOM", 3 * 7 * 6 * 64 * vectors)
        compare(LocallyConnected2D(2, 3, padding=1), x, threads=2)


@pytest.mark.parametrize("inputs", range(1, 14))
@pytest.mark.parametrize("outputs", [1, 2, 3, 4])
def test_weight_gradients_stay_in_their_rows_of_fields(inputs: int, outputs: int) -> None:
    fields = importlib.import_module("lab.backend.compiled.fields")
    down, pitch, edge, given = 3, fields.VECTOR // 4, 64, np.random.default_rng(0)
    room = given.standard_normal(inputs * down * pitch).astype("float32")  # (inputs, down, pitch), windows of one pixel
    dy = given.standard_normal(outputs * down * pitch).astype("float32")
    shifts = np.append(np.arange(inputs) * down * pitch, np.zeros(fields.OFFSETS, int))
    around, sums = np.full(down * inputs * outputs + 2 * edge, 7, "float32"), np.full(24 + edge, 7, "float32")
    flat = around[edge:-edge]
    dW = flat.reshape(down, 1, inputs, outputs)
    fields.weight_gradients(room, (pitch, 0), shifts, dy, 1, 2, pitch, sums, dW, flat)
    wanted = np.einsum("kpn,opn->pko", room.reshape(inputs, down, pitch), dy.reshape(outputs, down, pitch))
    np.testing.assert_allclose(dW[1, 0], wanted[1], rtol=1e-4, atol=1e-5)
    dW[1] = 7
    assert (around == 7).all() and (sums[fields.MOST * fields.OFFSETS :] == 7).all()


def test_images_that_are_a_view_go_to_the_reference() -> None:
    compare(LocallyConnected2D(3, 3), images(3, 6, 7, 4).transpose(0, 3, 1, 2))


@pytest.mark.parametrize(("outputs", "compiled"), [(1, True), (4, True), (5, False)])
def test_narrow_fields_are_compiled_and_wide_ones_are_products(
    outputs: int, compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = []
    monkeypatch.setattr(Fields, "forward", lambda *_: called.append("reference"))
    layer, ops = LocallyConnected2D(outputs, 2), NumpyBackend(kernels="numba")
    layer.build((2, 3, 3), ops, np.random.default_rng(0))
    layer.forward(images(5, 2, 3, 3, dtype="float32"), Ctx(ops))
    assert bool(called) is not compiled
