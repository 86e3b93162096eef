"""Rows that an objective says nothing of are left out of a block's backward, and no gradient changes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lab.backend import NumpyBackend, ScaledRows
from lab.layers import Conv2D, Ctx, Dense, Dropout, Flatten, LocallyConnected2D, ReLU, Sequential, Tanh, Unflatten
from lab.layers.label_input import LabelInput
from lab.networks import Block, Source, silent

pytest.importorskip("numba", reason="rows are left out by the backend with compiled loops")
N, SHAPE = 40, (2, 4, 4)


def ops_that(leave_out: bool) -> NumpyBackend:
    ops = NumpyBackend("float64", kernels="numba")
    ops.leaves_out_rows = leave_out
    return ops


def gradients(bodies: Any, leave_out: bool, scale: Any, dz: bool, unwritten: bool = False) -> dict[str, Any]:
    ops, rng = ops_that(leave_out), np.random.default_rng(0)
    block = Block("b", bodies(), ReLU(), sources=[Source(f"s{i}") for i in range(len(bodies()))])
    block.build([SHAPE] * len(bodies()), ops, rng)
    ctx = Ctx(ops, keep=True, train=True, unwritten=unwritten)
    inputs = [rng.standard_normal((N, *SHAPE)) for _ in bodies()]
    h, cache = block.respond(inputs, ctx)
    added = (slice(0, N // 2), rng.standard_normal(h.shape[1:])) if dz else None
    dxs, grads = block.backward(ScaledRows(h, scale), cache, ctx, added, need_dx=[False] * len(inputs))
    assert dxs == [None] * len(inputs)
    return {key: g.written(ops) if hasattr(g, "written") else g for key, g in grads.items()}


def scales(loud: int) -> Any:
    scale = np.zeros(N)
    scale[np.random.default_rng(1).permutation(N)[:loud]] = np.random.default_rng(2).standard_normal(loud)
    return scale


BODIES = {
    "dense": lambda: [Sequential([Flatten(), Dense(5)])],
    "two sources": lambda: [Sequential([Flatten(), Dense(6)]), Sequential([Dropout(0.5), Flatten(), Dense(6)])],
    "dense as image": lambda: [Sequential([Flatten(), Dense(8), Unflatten((2, 2, 2))])],
    "convolution": lambda: [Sequential([Conv2D(3, 3, padding=1)])],
    "narrow fields": lambda: [LocallyConnected2D(3, 3, padding=1)],
    "wide fields": lambda: [Sequential([LocallyConnected2D(7, 3)])],
}


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("dz", [False, True])
@pytest.mark.parametrize("loud", [0, 5, N])
def test_no_gradient_changes(name: str, dz: bool, loud: int, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    whole = silent.loud_rows
    monkeypatch.setattr("lab.networks.block.loud_rows", lambda *a: taken.append(whole(*a)) or taken[-1])
    found, expected = (gradients(BODIES[name], leave_out, scales(loud), dz) for leave_out in (True, False))
    assert found.keys() == expected.keys()
    for key in expected:
        np.testing.assert_allclose(found[key], expected[key], rtol=1e-11, atol=1e-12, err_msg=key)
    assert [t is not None for t in taken] == [loud < N, False]
    if taken[0] is not None:
        assert len(taken[0][0]) == loud + dz


def test_a_product_that_is_not_written_out_is_of_few_rows() -> None:
    found, expected = (gradients(BODIES["dense"], leave_out, scales(5), True, True) for leave_out in (True, False))
    for key in expected:
        np.testing.assert_allclose(found[key], expected[key], rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("dz", [None, slice(0, N), slice(N // 2, 2 * N)])
@pytest.mark.parametrize("normalised", [False, True])
def test_rows_that_differ_in_their_label_alone(dz: slice | None, normalised: bool) -> None:
    ops, rng = ops_that(True), np.random.default_rng(0)
    label = LabelInput("pixels")
    label.build((1, 4, 4), 3)
    images = rng.random((N, 1, 4, 4))
    labels = [np.eye(3)[rng.integers(0, 3, N)] for _ in range(2)]
    rows = label.unwritten(images, labels, ops)
    if normalised:
        rows, _ = rows.length_norm(1e-30, ops)
    whole = rows.written(ops).reshape(2 * N, -1)
    index = np.array([0, 3, N - 1, N, N + 5, 2 * N - 1])
    found = rows.picked(index, dz, np.full((len(index) + (dz is not None), whole.shape[1]), np.nan), ops)
    np.testing.assert_allclose(found[: len(index)], whole[index], rtol=1e-14)
    assert len(found) == len(index) + (dz is not None)
    if dz is not None:
        np.testing.assert_allclose(found[-1], whole[dz].mean(axis=0), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(
    "bodies",
    [[Sequential([Flatten(), Dense(3), Tanh(), Dense(5)])], [Sequential([Flatten(), Dense(5), Dropout(0.5)])]],
)
def test_what_is_no_sum_of_products_of_rows_goes_on_whole(bodies: list[Any]) -> None:
    found, expected = (gradients(lambda: bodies, leave_out, scales(3), True) for leave_out in (True, False))
    assert all(body.gradients == "no" for body in bodies)
    assert {k: v.tolist() for k, v in found.items()} == {k: v.tolist() for k, v in expected.items()}
