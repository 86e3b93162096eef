"""Rows whose label is not written out: operations equal those on written rows, and what is shared is done once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.backend import NumpyBackend
from lab.backend.labelled import LabelledRows
from lab.layers import Dense, Dropout, Flatten, LabelInput, LengthNorm, Sequential, Tanh
from lab.networks import Block, Network, mlp
from lab.trainers import ForwardForwardTrainer
from lab.trainers.forward_forward import Readout
from tests.trainers.test_forward_forward import toy

TINY = 1e-30


def labelled(n: int, mode: Any, scale: float, seed: int = 0) -> tuple[LabelledRows, Any, NumpyBackend]:
    ops, rng = NumpyBackend("float64"), np.random.default_rng(seed)
    label = LabelInput(mode, scale=scale)
    label.build((2, 5), 4)
    x = rng.random((n, 2, 5))
    labels = [label.one_hot(rng.integers(0, 4, n), ops), label.neutral(n, ops)]
    return label.unwritten(x, labels, ops), label.embed(x, labels, ops), ops


@given(n=st.integers(0, 5), mode=st.sampled_from(["pixels", "features"]), scale=st.sampled_from([1.0, 2.5]))
def test_equal_to_the_written_rows(n: int, mode: Any, scale: float) -> None:
    rows, written, ops = labelled(n, mode, scale)
    assert rows.shape == written.shape
    np.testing.assert_allclose(rows.written(ops), written, rtol=1e-15)
    axes = tuple(range(1, written.ndim))
    normed, r = ops.length_norm(rows, axes, TINY)
    reference, factor = ops.length_norm(written, axes, TINY)
    np.testing.assert_allclose(normed.written(ops), reference, rtol=1e-12)
    np.testing.assert_allclose(r.reshape(-1), factor.reshape(-1), rtol=1e-12)
    rng = np.random.default_rng(1)
    size = 10 if mode == "pixels" else 14
    W, b, dy = rng.standard_normal((size, 3)), rng.standard_normal(3), rng.standard_normal((2 * n, 3))
    for short, long in ((rows, written), (normed, reference)):
        flat, wide = short.reshape(2 * n, size), np.ascontiguousarray(long).reshape(2 * n, size)
        np.testing.assert_allclose(ops.affine(flat, W, b), ops.affine(wide, W, b), rtol=1e-12, atol=1e-13)
        for need_dx in (False, True):
            found = ops.affine_backward(flat, W, dy, True, need_dx)
            expected = ops.affine_backward(wide, W, dy, True, need_dx)
            for a, e in zip(found, expected, strict=True):
                assert (a is None) == (e is None)
                if a is not None and e is not None:
                    np.testing.assert_allclose(a, e, rtol=1e-12, atol=1e-13)


def test_a_row_of_zeros_stays_zero() -> None:
    ops, label = NumpyBackend("float64"), LabelInput("pixels")
    label.build((6,), 2)
    rows = label.unwritten(np.zeros((1, 6)), [np.zeros((1, 2))], ops)
    assert not ops.length_norm(rows, (1,), TINY)[0].written(ops).any()


@pytest.mark.parametrize(("head", "products"), [("stored", 1), ("recomputed", 1), ("none", 1)])
@pytest.mark.parametrize("passes", ["joint", "separate"])
def test_a_step_makes_the_images_product_once(
    head: Any, products: int, passes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = ForwardForwardTrainer(
        mlp(depth=2, width=9), readout=Readout(head=head), negatives="uniform", passes=passes, batch_size=60
    )
    counted = []
    right = NumpyBackend.affine

    def count(self: Any, x: Any, W: Any, b: Any) -> Any:
        if not isinstance(x, LabelledRows) and x.shape[1] == 15:
            counted.append(x.shape)
        return right(self, x, W, b)

    monkeypatch.setattr(NumpyBackend, "affine", count)
    list(trainer.fit(toy(60), epochs=1))
    assert counted == [(60, 15)] * products
    counted.clear()
    trainer.block_scores(toy(60).x.astype(np.float32))
    assert counted == [(60, 15)]  # one for all labels


@pytest.mark.parametrize(
    ("norm", "body", "unwritten"),
    [
        (LengthNorm(), Sequential([Flatten(), Dense(3)]), True),
        (None, Dense(3), True),
        (LengthNorm(), Sequential([Dropout(0.5), Dense(3)]), False),
        (LengthNorm((1,)), Sequential([Flatten(), Dense(3)]), True),
        (LengthNorm(), Sequential([Tanh(), Dense(3)]), False),
    ],
)
def test_rows_are_written_where_a_layer_needs_them(norm: Any, body: Any, unwritten: bool) -> None:
    network = Network([Block("block1", body, Tanh())], Dense(3), input_norm=norm, label_input=LabelInput("features"))
    ForwardForwardTrainer(network, dtype="float64").build((12,), 3)
    ops, x = NumpyBackend("float64"), np.ones((2, 12))
    rows, _ = network.labelled(x, [np.eye(3)[:2]], ops)
    assert isinstance(rows, LabelledRows) == unwritten
