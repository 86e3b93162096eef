"""Running statistics under both trainers: applied once an update, used outside training, saved and resumed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lab.data.dataset import Split
from lab.layers import BatchNorm, Conv2D, Ctx, Dense, Flatten, LabelInput, LengthNorm, Noise, ReLU, Sequential
from lab.networks import Block, Network, Source
from lab.optimizers import SGD
from lab.trainers import BackpropTrainer, ForwardForwardTrainer, Readout

MOMENTUM = 0.2


def network() -> Network:
    """Two convolutional blocks with a BatchNorm each; the label goes into the first row of pixels."""
    blocks = []
    for i, source in enumerate(("input", "block1")):
        body: list[Any] = [Conv2D(3 + i), BatchNorm(momentum=MOMENTUM)]
        if i:
            body.append(Flatten())
        norm = LengthNorm()
        blocks.append(Block(f"block{i + 1}", Sequential(body), ReLU(), norm, (Source(source),)))
    return Network(blocks, Sequential([BatchNorm(), Dense(4)]), label_input=LabelInput("pixels"))


def split(n: int = 40) -> Split:
    rng = np.random.default_rng(0)
    return Split(rng.random((n, 1, 6, 6)), rng.integers(0, 4, n))


def trainer(kind: Any, **options: Any) -> Any:
    return kind(network(), optimizer=SGD(0.05, 0.9), batch_size=10, dtype="float64", **options)


def statistics(made: Any) -> dict[str, Any]:
    return {name: a.copy() for name, a in made.state().items() if name.startswith("statistics/")}


@pytest.mark.parametrize("kind", [BackpropTrainer, ForwardForwardTrainer])
def test_saved_and_resumed_bit_for_bit(kind: Any, tmp_path: Path) -> None:
    whole = trainer(kind)
    list(whole.fit(split(), epochs=2))
    found = statistics(whole)
    assert len(found) >= 4
    assert all(not np.isin(a, (0, 1)).all() for a in found.values())
    part = trainer(kind)
    list(part.fit(split(), epochs=1))
    part.save(tmp_path / "half")
    rest = trainer(kind).load(tmp_path / "half")
    list(rest.fit(split(), epochs=2))
    for name, value in whole.state().items():
        assert np.array_equal(value, rest.state()[name]), name


@pytest.mark.parametrize("kind", [BackpropTrainer, ForwardForwardTrainer])
def test_answers_use_them_and_leave_them(kind: Any) -> None:
    made = trainer(kind)
    list(made.fit(split(), epochs=1))
    before = statistics(made)
    together = made.predict_proba(split().x)
    alone = np.concatenate([made.predict_proba(split().x[i : i + 1]) for i in range(40)])
    np.testing.assert_allclose(together, alone, rtol=1e-9)  # batch statistics would depend on the company
    made.evaluate(split())
    for name, value in statistics(made).items():
        assert np.array_equal(value, before[name]), name


def test_backprop_applies_them_once_a_step() -> None:
    made = trainer(BackpropTrainer).build((1, 6, 6), 4)
    data = split(10)
    ctx = Ctx(made.ops, train=True, keep=True)
    z, _ = made.network.blocks[0].bodies[0].layers[0].forward(data.x, ctx)
    expected = MOMENTUM * z.mean(axis=(0, 2, 3))
    made.gradients(data.x, data.y, ctx)  # gradients alone change nothing
    assert not statistics(made)["statistics/block1.input.1.mean"].any()
    made._step(data.x, data.y, np.arange(10), 0, 1.0, ctx)
    np.testing.assert_allclose(statistics(made)["statistics/block1.input.1.mean"], expected, rtol=1e-12)


@pytest.mark.parametrize("head", ["stored", "recomputed", "none"])
def test_forward_forward_takes_them_from_its_own_rows_alone(head: Any) -> None:
    """The softmax head's neutral passes, once or twice, leave no trace."""
    options = {"readout": Readout(head=head), "negatives": "fixed"}
    made = trainer(ForwardForwardTrainer, **options).build((1, 6, 6), 4)
    made._start_epoch(1, 2, 10)
    data = split(10)
    wrong = made.draw_negatives(None, data.y, np.arange(10), 0)
    label = made.network.label_input
    rows = label.embed(data.x, [label.one_hot(data.y, made.ops), label.one_hot(wrong, made.ops)], made.ops)
    ctx = Ctx(made.ops, Noise(0), train=True, keep=True)
    z, _ = made.network.blocks[0].bodies[0].layers[0].forward(rows, ctx)
    expected = MOMENTUM * z.mean(axis=(0, 2, 3))
    made._step(data.x, data.y, np.arange(10), 0, 1.0, ctx)
    np.testing.assert_allclose(statistics(made)["statistics/block1.input.1.mean"], expected, rtol=1e-12)
