"""Rows that an objective says nothing of are left out of a block's backward, and no gradient changes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lab.backend import NumpyBackend, ScaledRows
from lab.data import Split
from lab.layers import Conv2D, Ctx, Dense, Dropout, Flatten, LocallyConnected2D, ReLU, Sequential, Tanh, Unflatten
from lab.layers.label_input import LabelInput
from lab.networks import Block, Source, mlp, silent
from lab.objectives import Goodness
from lab.trainers import ForwardForwardTrainer, RecurrentTrainer

pytest.importorskip("numba", reason="rows are left out by the backend with compiled loops")
N, SHAPE = 40, (2, 4, 4)


def ops_that(leave_out: bool) -> NumpyBackend:
    ops = NumpyBackend("float64", kernels="numba")
    ops.leaves_out_rows = leave_out
    return ops


def gradients(
    bodies: Any, leave_out: bool, scale: Any, dz: slice | None = None, unwritten: bool = False, others: bool = False,
    spend: bool = True,
) -> dict[str, Any]:  # fmt: skip
    """Of all bodies. `others`: the rows that are scaled are not h, as in a net that settles."""
    ops, rng = ops_that(leave_out), np.random.default_rng(0)
    block = Block("b", bodies(), ReLU(), sources=[Source(f"s{i}") for i in range(len(bodies()))])
    block.build([SHAPE] * len(bodies()), ops, rng)
    ctx = Ctx(ops, keep=True, train=True, unwritten=unwritten, spend=spend)
    inputs = [rng.standard_normal((N, *SHAPE)) for _ in bodies()]
    h, cache = block.respond(inputs, ctx)
    added = None if dz is None else (dz, rng.standard_normal(h.shape[1:]))
    before, rows = h.copy(), rng.standard_normal(h.shape) if others else h
    dxs, grads = block.backward(ScaledRows(rows, scale), cache, ctx, added, need_dx=[False] * len(inputs))
    assert dxs == [None] * len(inputs)
    if not spend:
        np.testing.assert_array_equal(h, before)
    for size in {g.x.nbytes for g in grads.values() if hasattr(g, "x")}:  # whoever comes next must not write over it
        ops.empty((size // 8,))[...] = np.nan
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
@pytest.mark.parametrize("dz", [None, slice(0, N // 2), slice(13, 31)])
@pytest.mark.parametrize("loud", [0, 5, N])
@pytest.mark.parametrize(("others", "spend"), [(False, True), (True, False)])
def test_no_gradient_changes(
    name: str, dz: slice | None, loud: int, others: bool, spend: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = []
    whole = silent.loud_rows
    monkeypatch.setattr("lab.networks.block.loud_rows", lambda *a: taken.append(whole(*a)) or taken[-1])
    found, expected = (
        gradients(BODIES[name], leave_out, scales(loud), dz, others=others, spend=spend) for leave_out in (True, False)
    )
    assert found.keys() == expected.keys()
    for key in expected:
        np.testing.assert_allclose(found[key], expected[key], rtol=1e-11, atol=1e-12, err_msg=key)
    assert [t is not None for t in taken] == [loud < N, False]
    if taken[0] is not None:
        assert len(taken[0][0]) == loud + (dz is not None)


def test_a_product_that_is_not_written_out_is_of_few_rows() -> None:
    found, expected = (
        gradients(BODIES["dense"], leave_out, scales(5), slice(0, 20), unwritten=True) for leave_out in (True, False)
    )
    for key in expected:
        np.testing.assert_allclose(found[key], expected[key], rtol=1e-11, atol=1e-12)


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_gradient_that_is_no_number_is_not_left_out(value: float) -> None:
    scale = scales(1)
    scale[np.flatnonzero(scale == 0)[:4]] = value
    finite = [np.isfinite(gradients(BODIES["dense"], leave_out, scale)["s0.1.W"]) for leave_out in (True, False)]
    assert not finite[1].all()
    np.testing.assert_array_equal(*finite)


TRAINERS = {
    "labels": lambda **k: ForwardForwardTrainer(mlp(depth=3, width=30), **k),
    "settling": lambda **k: RecurrentTrainer(mlp(depth=2, width=30), iterations=3, counted=(1, 2), **k),
}


@pytest.mark.parametrize("name", TRAINERS)
def test_training_is_the_same_but_for_rounding(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    rows = Split(rng.integers(0, 256, (200, 1, 6, 6), np.uint8), np.arange(200) % 10, 1 / 255)
    found, taken = [], []
    whole = silent.loud_rows
    monkeypatch.setattr("lab.networks.block.loud_rows", lambda *a: taken.append(whole(*a)) or taken[-1])
    for leave_out in (True, False):
        cold = Goodness(temperature=1e-4)  # nearly every probability is 0 or 1, and of those most are right
        trainer = TRAINERS[name](objective=cold, batch_size=50, dtype="float64", kernels="numba")
        trainer.build(rows.shape, 10, scale=rows.scale)
        trainer.ops.leaves_out_rows = leave_out
        monkeypatch.setattr(silent, "MOST", 0.9)
        list(trainer.fit(rows, epochs=2))
        found.append({f"{b.name} {key}": p for b in trainer.network.blocks for key, p in b.params.items()})
    assert any(t is not None for t in taken)
    for key, expected in found[1].items():
        np.testing.assert_allclose(found[0][key], expected, rtol=1e-8, atol=1e-10, err_msg=key)


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
    found, expected = (gradients(lambda: bodies, leave_out, scales(3), slice(0, 9)) for leave_out in (True, False))
    assert all(body.gradients == "no" for body in bodies)
    assert {k: v.tolist() for k, v in found.items()} == {k: v.tolist() for k, v in expected.items()}
