"""PyTorch's bytes: what is saved for the backward pass, and what a step allocates."""

from __future__ import annotations

import pytest

from lab.bench.pytorch.accounting import Saved, transient
from lab.bench.work import SUBJECTS
from tests.bench.tools import work

torch = pytest.importorskip("torch", reason="the comparison needs PyTorch, the extra bench")


def test_saved_tensors_are_counted_once_each_and_parameters_not() -> None:
    x, W = torch.randn(50, 30, requires_grad=True), torch.randn(30, 20, requires_grad=True)
    saved = Saved(torch)
    saved.count([W])
    with saved.during("activations"):
        h = torch.relu(x @ W)  # x is saved for W's gradient, W for x's, h for relu's
        loss = h.square().sum()  # h once more
    assert saved.live["activations"] == saved.peak["activations"] == 4 * (50 * 30 + 50 * 20)
    loss.backward()
    assert saved.live["activations"] == 0
    assert saved.peak == {"activations": 4 * (50 * 30 + 50 * 20), "readout": 0}


def test_nothing_is_counted_before_it_is_asked_for() -> None:
    saved = Saved(torch)
    with saved.during("readout"):
        torch.randn(9, requires_grad=True).square().sum()
    assert saved.peak == {"activations": 0, "readout": 0}


def test_transient_is_the_most_that_was_allocated_at_one_moment() -> None:
    a = torch.randn(1000)

    def step() -> None:
        b = a + 1
        c = b + 1
        del b
        d = torch.cat([c, c])
        del c, d

    assert transient(torch, step) == 4 * 3000


def test_local_backward_holds_one_block_and_the_usual_form_all() -> None:
    depth, width, batch = 6, 32, 20
    entries = {e.name: e for e in SUBJECTS if e.family == "forward_forward"}
    wanted = work("forward_forward", depth=depth, width=width)
    block = 4 * 2 * batch * width  # the activities of positive and negative rows
    image = 4 * 2 * batch * 784
    found = {name: entries[name].make(wanted).memory() for name in ("torch-plain", "torch-local", "torch-fused")}
    # every block saves its input and its activities; a row's numbers (slopes and the like) are small beside them
    assert found["torch-plain"]["activations"] == pytest.approx(image + (2 * depth - 1) * block, rel=0.05)
    assert found["torch-local"]["activations"] == pytest.approx(image + block, rel=0.05)
    assert found["torch-fused"]["activations"] == 0
    kept = 4 * batch * width * (depth - 1)
    assert found["torch-plain"]["readout"] == pytest.approx(kept, rel=0.1)
    assert found["torch-fused"]["transient"] < found["torch-local"]["transient"] < found["torch-plain"]["transient"]
