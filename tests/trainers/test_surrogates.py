"""Backprop through black boxes: the learned model becomes the box's derivative, and what a run's record counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lab.data import Split
from lab.errors import UsageError
from lab.layers import BlackBox
from lab.networks import boxed_mlp, mlp
from lab.networks.network import Network
from lab.trainers import (
    BackpropTrainer,
    ForwardForwardTrainer,
    NodePerturbationTrainer,
    SurrogateBackpropTrainer,
)
from tests.trainers.checks import images

NET = boxed_mlp(depth=3, width=24, label="pixels", flips=0.1)


def rows(n: int = 600) -> Split:
    x, _ = images(n, 16)
    return Split(x.astype(np.float32), (x[:, :8].sum(axis=1) > x[:, 8:].sum(axis=1)).astype(np.int64))


def boxes(trainer: Any) -> list[BlackBox]:
    return [layer for layer in trainer.network.layers() if isinstance(layer, BlackBox)]


def test_a_learned_model_is_the_mean_boxs_derivative() -> None:
    """E[y | x] is about (1 - 2 flips) clip(x M), so far from the range's ends its derivative is (1 - 2 flips) M^T."""
    data = rows()
    trainer = SurrogateBackpropTrainer(NET, model_rate=0.01, batch_size=50)
    *_, last = trainer.fit(data, epochs=60)
    for box, model in zip(boxes(trainer), trainer.models.values(), strict=True):
        found, true = model.model.params["1.W"], 0.8 * box._mixing
        moved = np.abs(found).sum(axis=1) > 0
        assert np.corrcoef(found[moved].ravel(), true[moved].ravel())[0, 1] > 0.7
    unexplained = {b["name"]: b["unexplained"] for b in last.blocks if b["name"].startswith("box")}
    assert set(unexplained) == {"box1", "box2"} and all(0 < u < 0.9 for u in unexplained.values())


def test_straight_through_passes_over_the_box() -> None:
    """With no strength the box is the identity: straight through is backprop then, bit by bit."""
    data, net = rows(100), boxed_mlp(depth=3, width=24, strength=0.0)
    straight, plain = SurrogateBackpropTrainer(net, surrogate="straight"), BackpropTrainer(mlp(3, 24, norm="length"))
    for trainer in (straight, plain):
        list(trainer.fit(data, epochs=2))
    ours = list(straight.network.parameters().values())
    for a, b in zip(ours, plain.network.parameters().values(), strict=True):
        assert a.shape == b.shape
    # the boxes draw between, so that the bodies start elsewhere: equal weights, then one step
    for a, b in zip(ours, plain.network.parameters().values(), strict=True):
        a[...] = b
    ctx = plain._ctx(0)
    x, y = data.x[:10], data.y[:10]
    found, want = straight.gradients(x, y, ctx)[1], plain.gradients(x, y, ctx)[1]
    for a, b in zip(found.values(), want.values(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_backprop_alone_is_refused_and_local_learning_is_not() -> None:
    data = rows(100)
    with pytest.raises(UsageError, match="a black box has no derivative"):
        list(BackpropTrainer(NET).fit(data, epochs=1))
    for trainer in (ForwardForwardTrainer(NET), NodePerturbationTrainer(NET)):
        list(trainer.fit(data, epochs=1))
        assert all(box.surrogate is None for box in boxes(trainer))


def test_the_models_are_saved(tmp_path: Path) -> None:
    data, make = rows(200), lambda: SurrogateBackpropTrainer(NET, hidden=5)
    trainer = make()
    list(trainer.fit(data, epochs=1))
    trainer.save(tmp_path / "boxes.safetensors")
    on = make().load(tmp_path / "boxes.safetensors")
    for each in (trainer, on):
        list(each.fit(data, epochs=2))
    assert all(np.array_equal(a, on.state()[name]) for name, a in trainer.state().items())
    assert any(name.startswith("surrogate/box2.") for name in trainer.state())


MADE: dict[str, Any] = {
    "surrogate_backprop": SurrogateBackpropTrainer,
    "node_perturbation": NodePerturbationTrainer,
    "forward_forward": ForwardForwardTrainer,
    "forward_forward, no head": lambda net: ForwardForwardTrainer(net, negatives="uniform", readout=_headless()),
}


def _headless() -> Any:
    from lab.trainers import Readout

    return Readout(head="none")


@pytest.mark.parametrize("name", MADE)
def test_the_cost_counts_the_rows_that_pass(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is compared at equal forward passes: the rows that enter the network while it is trained."""
    entered = 0
    enter = Network.enter

    def counting(self: Any, x: Any, ctx: Any) -> Any:
        nonlocal entered
        entered += len(x)
        return enter(self, x, ctx)

    monkeypatch.setattr(Network, "enter", counting)
    data, trainer = rows(130), MADE[name](NET)
    list(trainer.fit(data, epochs=2))
    assert entered == trainer.cost()["rows_per_sample"] * 130 * 2
