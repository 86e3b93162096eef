"""Checks of trainers that several tests share: the same ones that are shown to catch planted errors."""

from __future__ import annotations

from typing import Any

import numpy as np

from lab.backend import NumpyBackend
from lab.layers import Ctx, Noise
from lab.networks import mlp
from lab.objectives import Rows
from lab.optimizers import SGD
from lab.trainers import BackpropTrainer, ForwardForwardTrainer
from tests.layers.gradcheck import assert_close, numeric_gradient
from tests.recipe import Recipe

EXACT = SGD(0.01, 0.9, dampening=0.9, weight_decay=0.001, schedule="cooldown")


def images(n: int, features: int = 20, seed: int = 0) -> Any:
    """Made-up pixels in 0..1, some of them dark, and labels."""
    rng = np.random.default_rng(seed)
    return np.maximum(0, rng.random((n, features)) - 0.3), rng.integers(0, 10, n)


def forward_forward(depth: int = 3, width: int = 6, features: int = 20, seed: int = 0, **options: Any) -> Any:
    """A small built float64 trainer, labels in pixels."""
    trainer = ForwardForwardTrainer(
        mlp(depth=depth, width=width, label="pixels"), seed=seed, dtype="float64", **options
    )
    return trainer.build((features,), 10)


def check_recipe(depth: int = 3, steps: int = 4, passes: Any = "joint", head: Any = "stored") -> None:
    """Several steps of the trainer equal an independent float64 transcription of the recipe."""
    from lab.trainers import Readout

    trainer = forward_forward(depth, passes=passes, readout=Readout(head=head), batch_size=7)
    params = trainer.network.block_parameters()
    oracle = Recipe(
        [params[k] for k in params if k.endswith("W")],
        [params[k] for k in params if k.endswith("b")],
        list(trainer._head.weights.values()),
        epochs=5,
    )
    trainer._start_epoch(epoch=4, epochs=5, n=7 * steps)
    for step in range(steps):
        x, y = images(7, seed=step)
        draws = trainer._draws[7 * step : 7 * step + 7]
        ctx = Ctx(trainer.ops, Noise(0, step), train=True, keep=True)
        seen = trainer._step(x, y, np.arange(7), step, oracle_gain(4, 5), ctx)
        want = oracle.step(x, y, draws, epoch=4)
        for i, block in enumerate(trainer.network.blocks):
            loss = (want["positive_losses"][i].sum() + want["negative_losses"][i].sum()) / 7
            assert_close(np.asarray(seen[f"{block.name}/loss"]), np.asarray(loss), f"{block.name} loss", 1e-11)
            mean = trainer._objectives[block.name]["mean_activity"]
            assert_close(mean, want["mean_activity"][i], f"{block.name} mean activity", 1e-11)
            for key, value in block.params.items():
                expected = want["weights" if key.endswith("W") else "biases"][i]
                assert_close(value, expected, f"{block.name} {key} after step {step + 1}", 1e-11)
        for value, expected in zip(trainer._head.weights.values(), want["head"], strict=True):
            assert_close(value, expected, f"head after step {step + 1}", 1e-11)
    x, _ = images(5, seed=99)
    scores = trainer.block_scores(x)
    counted = scores[1:] if depth > 1 else scores
    assert_close(counted.sum(axis=0), oracle.goodness_scores(x), "goodness of each label", 1e-11)
    assert_close(trainer.head_answer(x), oracle.softmax_probabilities(x), "softmax readout", 1e-11)


def oracle_gain(epoch: int, epochs: int) -> float:
    """The recipe's cool-down, written out once more."""
    return 1.0 if 2 * epoch <= epochs else (1 + 2 * (epochs - epoch)) / epochs


def labelled_rows(n: int = 6, features: int = 20, seed: int = 3) -> Any:
    """The same positive and negative rows for every trainer that is to be compared."""
    x, y = images(n, features, seed)
    one, other = np.eye(10)[y], np.eye(10)[(y + 1) % 10]
    return np.concatenate([np.hstack([one, x[:, 10:]]), np.hstack([other, x[:, 10:]])])


def forward_forward_updates(perturbed: int | None, depth: int = 4, **options: Any) -> dict[str, Any]:
    """Each block's parameters after one update from given rows, with the block of that index changed beforehand."""
    trainer = forward_forward(depth, optimizer=SGD(0.1, 0.0), **options)
    trainer._start_epoch(1, 4, 6)
    if perturbed is not None:
        for p in trainer.network.blocks[perturbed].params.values():
            p += 0.5
    rows = Rows(6, slice(0, 6), slice(6, 12))
    trainer.update_blocks([(labelled_rows(), rows)], Ctx(trainer.ops, train=True, keep=True))
    return {b.name: {k: p.copy() for k, p in b.params.items()} for b in trainer.network.blocks}


def check_locality(depth: int = 4) -> None:
    """Given its rows, a block's update reads nothing of the blocks above it: bit-equal when they are changed."""
    plain = forward_forward_updates(None, depth)
    for changed in range(1, depth):
        other = forward_forward_updates(changed, depth)
        for name in list(plain)[:changed]:
            for key, value in plain[name].items():
                assert np.array_equal(value, other[name][key]), f"{name} {key} read block {changed + 1}"


def check_backprop_gradients(norm: Any = "none", label: Any = "none") -> None:
    """Every gradient of the whole network against central differences."""
    trainer = BackpropTrainer(
        mlp(depth=2, width=4, activation="tanh", norm=norm, label="pixels"), seed=1, dtype="float64", label=label
    ).build((12,), 10)
    x, y = images(5, 12, seed=1)
    ctx = Ctx(NumpyBackend("float64"), train=True, keep=True)
    _, grads = trainer.gradients(x, y, ctx)
    for name, p in trainer.network.parameters().items():
        want = numeric_gradient(lambda: float(trainer.gradients(x, y, ctx)[0]), p)
        assert_close(grads[name], want, f"d {name}")
