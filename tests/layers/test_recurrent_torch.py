"""RNN, LSTM and GRU against PyTorch's layers and cells."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.backend import NumpyBackend
from lab.layers import Ctx, Layer
from tests.layers.against_torch import REASON, check_against_torch
from tests.layers.cells import BPTT, CELLS, EVERY_CELL, OUTPUT, Masked, any_mask, rows


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
