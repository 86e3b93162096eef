"""RNN, LSTM and GRU: against differences, with masks and truncation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.backend import Backend, NumpyBackend
from lab.errors import UsageError
from lab.layers import GRU, LSTM, RNN, Ctx, Layer, Sequential
from tests.layers.cells import CELLS, EVERY_CELL, OUTPUT, Masked, any_mask, rows
from tests.layers.contract import check_contract
from tests.layers.gradcheck import check_layer


@EVERY_CELL
@settings(max_examples=12)
@given(n=st.integers(0, 3), steps=st.integers(1, 5), output=OUTPUT, masked=st.booleans(), seed=st.integers(0, 99))
def test_gradients(cell: str, n: int, steps: int, output: Any, masked: bool, seed: int) -> None:
    layer: Layer = CELLS[cell](3, output=output)
    check_layer(Masked(layer, any_mask(n, steps, seed)) if masked else layer, rows(n, steps, 2, seed=seed), seed=seed)


@EVERY_CELL
@pytest.mark.parametrize("bptt", [None, 2])
def test_a_masked_row_is_the_shorter_row(cell: str, bptt: int | None, ops: Backend) -> None:
    """Output and gradients are those of the row alone, cut to its length, wherever its missing steps are."""
    layer = CELLS[cell](4, bptt=bptt)
    layer.build((6, 3), ops, np.random.default_rng(0))
    x = rows(2, 6, 3)
    mask = np.array([[True, False, True, True, False, False], [True] * 6])
    y, cache = layer.forward(ops.asarray(x), Ctx(ops, keep=True, mask=ops.xp.asarray(mask)))
    dx, grads = layer.backward(ops.asarray(rows(2, 4)), cache, Ctx(ops))
    assert dx is not None
    total: dict[str, Any] = {}
    for n in range(2):
        alone = ops.asarray(x[n : n + 1, mask[n]])
        own, kept = layer.forward(alone, Ctx(ops, keep=True))
        own_dx, own_grads = layer.backward(ops.asarray(rows(2, 4)[n : n + 1]), kept, Ctx(ops))
        assert own_dx is not None
        np.testing.assert_allclose(ops.to_host(y)[n], ops.to_host(own)[0], rtol=1e-12)
        np.testing.assert_allclose(ops.to_host(dx)[n, mask[n]], ops.to_host(own_dx)[0], rtol=1e-10, atol=1e-15)
        assert not ops.to_host(dx)[n, ~mask[n]].any()
        for name, g in own_grads.items():
            total[name] = total.get(name, 0) + ops.to_host(g)
    for name, g in grads.items():
        np.testing.assert_allclose(ops.to_host(g), total[name], rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("output", ["last", "steps"])
@EVERY_CELL
def test_contract(cell: str, output: Any) -> None:
    check_contract(lambda: CELLS[cell](4, output=output), 5, 3)
    check_contract(lambda: CELLS[cell](4, output=output, bptt=2), 5, 3)


@given(n=st.integers(0, 2), steps=st.integers(1, 4))
@settings(max_examples=8)
def test_stacked(n: int, steps: int) -> None:
    check_layer(Sequential([LSTM(3, output="steps"), GRU(2, output="steps"), RNN(3)]), rows(n, steps, 2))


def test_the_next_layer_reads_the_states_without_a_copy() -> None:
    ops = NumpyBackend("float64")
    layer = LSTM(4, output="steps")
    layer.build((5, 3), ops, np.random.default_rng(0))
    y, cache = layer.forward(rows(2, 5, 3), Ctx(ops, keep=True))
    ((_, steps),) = cache
    assert np.shares_memory(y, steps.states[0])


@EVERY_CELL
def test_truncation_keeps_its_steps_alone(cell: str) -> None:
    """The memory of a pass is that of `bptt` steps, and the output is the same."""
    found = []
    for bptt in (None, 2):
        ops = NumpyBackend("float64")
        layer = CELLS[cell](16, bptt=bptt)
        layer.build((64, 3), ops, np.random.default_rng(0))
        before = ops.usage.total
        y, cache = layer.forward(rows(8, 64, 3), Ctx(ops, keep=True))
        found.append((y.copy(), ops.usage.total - before))
        ((_, steps),) = cache
        assert len(steps.states[0]) == (bptt or 64) + 1
    assert np.array_equal(found[0][0], found[1][0])
    assert found[1][1] < found[0][1] / 10


@EVERY_CELL
def test_a_pass_that_nothing_follows_keeps_no_states(cell: str) -> None:
    ops = NumpyBackend("float64")
    layer = CELLS[cell](16)
    layer.build((64, 3), ops, np.random.default_rng(0))
    before = ops.usage.total
    ops.usage.reset_peak()
    y, cache = layer.forward(rows(8, 64, 3), Ctx(ops))
    assert cache is None
    assert ops.usage.total - before == y.nbytes
    assert ops.usage.peak["workspace"] < 8 * 64 * 16 * 8 * layer.gates / 2  # less than the gates of all steps
    kept, _ = layer.forward(rows(8, 64, 3), Ctx(ops, keep=True))
    assert np.array_equal(y, kept)
    mask = any_mask(8, 64, 0)
    masked, _ = layer.forward(rows(8, 64, 3), Ctx(ops, mask=mask))
    kept, _ = layer.forward(rows(8, 64, 3), Ctx(ops, keep=True, mask=mask))
    assert np.array_equal(masked, kept)


def test_recurrent_weights_start_orthogonal_and_the_lstm_remembers() -> None:
    layer = LSTM(6)
    layer.build((3, 2), NumpyBackend("float64"), np.random.default_rng(0))
    for k in range(4):
        U = layer.params["U"][:, 6 * k : 6 * k + 6]
        np.testing.assert_allclose(U @ U.T, np.eye(6), atol=1e-12)
    assert layer.params["b"].tolist() == [0.0] * 6 + [1.0] * 6 + [0.0] * 12
    assert layer.flops() == 2 * 3 * (2 + 6) * 24


@pytest.mark.parametrize(
    ("make", "shape", "words"),
    [
        (lambda: LSTM(0), (5, 3), "LSTM needs at least 1 unit, got units=0"),
        (lambda: GRU(4, bptt=0), (5, 3), "GRU needs bptt of at least 1 step, or None for all of them, got bptt=0"),
        (lambda: RNN(4, output="final"), (5, 3), "unknown RNN output 'final'"),
        (lambda: RNN(4, activation="tahn"), (5, 3), "did you mean 'tanh'"),
        (lambda: LSTM(4), (0, 3), "at least 1 step of 1 feature, but its input has shape (0, 3)"),
        (lambda: LSTM(4), (5, 0), "at least 1 step of 1 feature"),
        (lambda: LSTM(4), (5,), "takes sequences (T, F), but its input has shape (5,)"),
    ],
)
def test_misfits_are_one_sentence(make: Any, shape: tuple[int, ...], words: str) -> None:
    with pytest.raises(UsageError) as raised:
        make().build(shape, NumpyBackend(), np.random.default_rng(0))
    assert words in str(raised.value)


def test_a_mask_of_another_shape_is_refused() -> None:
    ops = NumpyBackend("float64")
    layer = LSTM(4)
    layer.build((5, 3), ops, np.random.default_rng(0))
    with pytest.raises(UsageError, match=r"mask has shape \(2, 4\), but LSTM reads 2 rows of 5 steps; .*\(2, 5\)"):
        layer.forward(rows(2, 5, 3), Ctx(ops, mask=np.ones((2, 4), bool)))


@EVERY_CELL
@pytest.mark.parametrize("output", ["last", "steps"])
@pytest.mark.parametrize("bptt", [None, 2])
@pytest.mark.parametrize("masked", [False, True])
def test_rows_in_parts_are_the_whole(cell: str, output: Any, bptt: int | None, masked: bool) -> None:
    """On several threads each goes through rows of its own; they need nothing of each other."""
    found = []
    for threads in (1, 3):
        ops = NumpyBackend("float64", threads=threads)
        layer = CELLS[cell](4, output=output, bptt=bptt)
        layer.build((5, 3), ops, np.random.default_rng(0))
        ctx = Ctx(ops, keep=True, mask=any_mask(7, 5, 1) if masked else None)
        y, cache = layer.forward(rows(7, 5, 3), ctx)
        dx, grads = layer.backward(np.cos(y), cache, ctx)
        short, _ = layer.forward(rows(7, 5, 3), ctx.keeping(False))
        np.testing.assert_allclose(short, y, rtol=1e-12, atol=1e-13)
        found.append([y.copy(), dx, *grads.values()])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)
