"""RNN, LSTM and GRU: against differences, PyTorch's layers and cells, with masks and truncation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.backend import Backend, NumpyBackend
from lab.errors import UsageError
from lab.layers import GRU, LSTM, RNN, Ctx, Layer, Sequential
from lab.layers.recurrent import Recurrent
from tests.layers.against_torch import REASON, check_against_torch
from tests.layers.contract import check_contract
from tests.layers.gradcheck import check_layer

CELLS: dict[str, Callable[..., Recurrent]] = {
    "rnn": RNN,
    "rnn relu": lambda *a, **k: RNN(*a, activation="relu", **k),
    "lstm": LSTM,
    "gru": GRU,
}
EVERY_CELL = pytest.mark.parametrize("cell", CELLS)
BPTT = st.one_of(st.none(), st.integers(1, 7))
OUTPUT = st.sampled_from(["last", "steps"])


def rows(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape)


class Masked(Layer):
    """A layer under a given mask."""

    def __init__(self, inner: Layer, mask: Any) -> None:
        self.inner, self.mask = inner, mask

    def build(self, in_shape: Any, ops: Backend, rng: Any) -> Any:
        shape = self.inner.build(in_shape, ops, rng)
        self.params = self.inner.params
        return shape

    def forward(self, x: Any, ctx: Ctx) -> Any:
        return self.inner.forward(x, Ctx(ctx.ops, keep=ctx.keep, mask=self.mask))

    def backward(self, dy: Any, cache: Any, ctx: Ctx, need_dx: bool = True) -> Any:
        return self.inner.backward(dy, cache, ctx, need_dx)


def any_mask(n: int, steps: int, seed: int) -> Any:
    """Steps missing anywhere, and whole rows missing too."""
    mask = np.random.default_rng(seed).random((n, steps)) < 0.6
    mask[: n // 3] = False
    return mask


def step_in_torch(cell: str, p: Any, x: Any, state: Any) -> Any:
    """One step written out anew, gate by gate, from the definitions."""
    torch = pytest.importorskip("torch")
    W, U, b = p["W"], p["U"], p["b"]
    H = U.shape[0]
    h = state[0]

    def part(k: int) -> Any:
        columns = slice(k * H, (k + 1) * H)
        return x @ W[:, columns] + b[columns], h @ U[:, columns]

    if cell.startswith("rnn"):
        return [torch.tanh(sum(part(0))) if cell == "rnn" else torch.relu(sum(part(0)))]
    if cell == "lstm":
        i, f, o = (torch.sigmoid(sum(part(k))) for k in range(3))
        c = f * state[1] + i * torch.tanh(sum(part(3)))
        return [o * torch.tanh(c), c]
    (n_input, _), (r_input, _), (z_input, _) = part(0), part(1), part(2)
    r_state, z_state, n_state = (part(k)[1] for k in range(3))
    r, z = torch.sigmoid(r_input + r_state), torch.sigmoid(z_input + z_state)
    n = torch.tanh(n_input + r * (n_state + p["c"]))
    return [(1 - z) * n + z * h]


def in_torch(cell: str, output: str, bptt: int | None = None, mask: Any = None) -> Any:
    """The whole layer on tensors, gradients cut by `detach`."""
    torch = pytest.importorskip("torch")

    def reference(x: Any, p: Any) -> Any:
        n, steps, _ = x.shape
        present = torch.ones((n, steps), dtype=torch.bool) if mask is None else torch.tensor(mask)
        states = [torch.zeros((n, p["U"].shape[0]), dtype=x.dtype) for _ in range(2 if cell == "lstm" else 1)]
        outputs = []
        for t in range(steps):
            if bptt is not None:  # this step begins a stretch of `bptt` real ones, counted from the row's end
                left = present[:, t:].sum(axis=1, keepdim=True)
                cut = (left % bptt == 0) & present[:, t : t + 1]
                states = [torch.where(cut, s.detach(), s) for s in states]
            here = present[:, t : t + 1]
            new = step_in_torch(cell, p, x[:, t], states)
            states = [torch.where(here, s, old) for s, old in zip(new, states, strict=True)]
            outputs.append(torch.where(here, states[0], torch.zeros_like(states[0])))
        return states[0] if output == "last" else torch.stack(outputs, dim=1)

    return reference


@EVERY_CELL
@settings(max_examples=12)
@given(n=st.integers(0, 3), steps=st.integers(1, 5), output=OUTPUT, masked=st.booleans(), seed=st.integers(0, 99))
def test_gradients(cell: str, n: int, steps: int, output: Any, masked: bool, seed: int) -> None:
    layer: Layer = CELLS[cell](3, output=output)
    check_layer(Masked(layer, any_mask(n, steps, seed)) if masked else layer, rows(n, steps, 2, seed=seed), seed=seed)


@EVERY_CELL
@given(
    n=st.integers(1, 4), steps=st.integers(1, 7), output=OUTPUT, bptt=BPTT, masked=st.booleans(), seed=st.integers(0, 9)
)
def test_equal_to_the_cell_in_torch(
    cell: str, n: int, steps: int, output: Any, bptt: int | None, masked: bool, seed: int
) -> None:
    pytest.importorskip("torch", reason=REASON)
    mask = any_mask(n, steps, seed) if masked else None
    layer: Layer = CELLS[cell](4, output=output, bptt=bptt)
    made = Masked(layer, mask) if masked else layer
    check_against_torch(made, rows(n, steps, 3, seed=seed), in_torch(cell, output, bptt, mask))


def load_weights(module: Any, cell: str, p: Any, torch: Any) -> None:
    """Our parameters in PyTorch's order of gates (i f g o; r z n) and its two biases."""
    H = p["U"].shape[0]
    order = {"lstm": ([0, 1, 3, 2], [0, 1, 3, 2]), "gru": ([1, 2, 0], [0, 1, 2])}.get(cell, ([0], [0]))
    ours = {
        name: torch.tensor(np.concatenate([p[key].T.reshape(-1, H, p[key].shape[0])[k] for k in places]))
        for name, key, places in (("weight_ih_l0", "W", order[0]), ("weight_hh_l0", "U", order[1]))
    }
    ours["bias_ih_l0"] = torch.tensor(np.concatenate([p["b"].reshape(-1, H)[k] for k in order[0]]))
    ours["bias_hh_l0"] = torch.zeros_like(ours["bias_ih_l0"])
    if cell == "gru":
        ours["bias_hh_l0"][2 * H :] = torch.tensor(p["c"])
    module.load_state_dict(ours)


@EVERY_CELL
@pytest.mark.parametrize("lengths", [None, [5, 3, 1, 5]])
@pytest.mark.parametrize("output", ["last", "steps"])
def test_equal_to_torchs_layers(cell: str, lengths: Any, output: Any) -> None:
    torch = pytest.importorskip("torch", reason=REASON)
    kind = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}.get(cell, torch.nn.RNN)
    options = {"nonlinearity": "relu"} if cell == "rnn relu" else {}
    theirs = kind(3, 4, batch_first=True, **options).double()
    ops, layer = NumpyBackend("float64"), CELLS[cell](4, output=output)
    layer.build((5, 3), ops, np.random.default_rng(0))
    for value in layer.params.values():
        value += 0.1 * rows(*value.shape, seed=value.size)
    load_weights(theirs, cell, layer.params, torch)

    x = rows(4, 5, 3)
    tensor = torch.tensor(x, requires_grad=True)
    mask = None if lengths is None else np.arange(5) < np.array(lengths)[:, None]
    if lengths is None:
        every, final = theirs(tensor)
    else:
        packed = torch.nn.utils.rnn.pack_padded_sequence(tensor, lengths, batch_first=True, enforce_sorted=False)
        every, final = theirs(packed)
        every, _ = torch.nn.utils.rnn.pad_packed_sequence(every, batch_first=True)
    final = (final[0] if cell == "lstm" else final)[0]
    out = final if output == "last" else every
    y, cache = layer.forward(x, Ctx(ops, keep=True, mask=mask))
    np.testing.assert_allclose(y, out.detach().numpy(), rtol=1e-10, atol=1e-14)
    dy = rows(*y.shape, seed=5)
    dx, grads = layer.backward(dy, cache, Ctx(ops))
    out.backward(torch.tensor(dy))
    np.testing.assert_allclose(dx, tensor.grad.numpy(), rtol=1e-10, atol=1e-14)
    reference = kind(3, 4, batch_first=True, **options).double()
    load_weights(reference, cell, {name: g.copy() for name, g in grads.items()}, torch)
    expected = dict(theirs.named_parameters())
    for name, found in reference.named_parameters():
        if cell == "gru" and name == "bias_hh_l0":  # of r and z it is the input bias's twin, which we have once
            np.testing.assert_allclose(found.detach()[8:], expected[name].grad[8:], rtol=1e-10, atol=1e-14)
        elif name != "bias_hh_l0":
            np.testing.assert_allclose(found.detach(), expected[name].grad, rtol=1e-10, atol=1e-14)


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
