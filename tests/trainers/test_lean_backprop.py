"""Backprop in its lean-memory forms: each gives the plain form's update, and holds what it promises."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lab.errors import UsageError
from lab.networks import mlp
from lab.optimizers import SGD, Adam
from lab.trainers import BackpropTrainer
from tests.trainers.test_forward_forward import toy
from tests.trainers.test_memory import BATCH, WIDTH, rows

LEAN: dict[str, dict[str, Any]] = {
    "during": {"update": "during"},
    "recompute 1": {"recompute": 1},
    "recompute 2": {"recompute": 2},
    "recompute 9": {"recompute": 9},
    "micro 3": {"micro_batches": 3},
    "micro 99": {"micro_batches": 99},
    "all": {"recompute": 2, "update": "during"},
    "parts, recomputed": {"recompute": 2, "micro_batches": 2},
}


def trained(optimizer: Any, norm: Any = "none", **options: Any) -> BackpropTrainer:
    trainer = BackpropTrainer(
        mlp(depth=5, width=9, dropout=0.3, norm=norm), optimizer=optimizer, seed=2, batch_size=16, dtype="float64",
        **options,
    )  # fmt: skip
    list(trainer.fit(toy(), epochs=2))
    return trainer


@pytest.mark.parametrize("lean", LEAN)
@pytest.mark.parametrize("optimizer", [Adam(0.01), SGD(0.1, 0.9, l2=0.01)])
@pytest.mark.parametrize("norm", ["none", "length"])
def test_the_update_is_that_of_the_plain_form(lean: str, optimizer: Any, norm: Any) -> None:
    plain, found = trained(optimizer, norm).state(), trained(optimizer, norm, **LEAN[lean]).state()
    assert plain.keys() == found.keys()
    for name, value in plain.items():
        # Adam divides by a root of squared gradients, which lifts rounding where a gradient is nearly zero
        np.testing.assert_allclose(found[name], value, rtol=1e-7, atol=1e-9, err_msg=name)
        if "micro" not in lean and "parts" not in lean:
            assert np.array_equal(found[name], value), f"{name}: the same operations in the same order"


def memory(depth: int, **options: Any) -> dict[str, Any]:
    trainer = BackpropTrainer(mlp(depth=depth, width=WIDTH), optimizer=SGD(1e-4), batch_size=BATCH, **options)
    list(trainer.fit(rows(), epochs=1))
    return trainer.memory()


def test_updating_during_the_backward_pass_holds_one_blocks_gradient() -> None:
    used = {depth: memory(depth, update="during")["gradients"] for depth in (2, 32)}
    assert used[32] == used[2]
    assert memory(32)["gradients"] > 8 * used[32]


def test_recomputing_holds_about_the_square_root_of_the_depth() -> None:
    array = BATCH * WIDTH * 4
    for depth, k in ((16, 4), (36, 6), (64, 8)):
        plain, lean = memory(depth)["activations"], memory(depth, recompute=k)["activations"]
        assert plain > depth * array
        assert lean < (depth / k + k + 4) * array


def test_parts_hold_their_share_of_the_rows() -> None:
    assert memory(16, micro_batches=5)["activations"] < 0.25 * memory(16)["activations"]


def test_its_cost_says_what_runs_twice() -> None:
    plain = BackpropTrainer(mlp(depth=5, width=9)).build((12,), 10)
    lean = BackpropTrainer(mlp(depth=5, width=9), recompute=2).build((12,), 10)
    extra = sum(block.flops() for block in plain.network.blocks[:4]) * 100
    assert lean.cost()["flops_per_step"] - plain.cost()["flops_per_step"] == extra


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"update": "now"}, "valid: after, during"),
        ({"recompute": -1}, "recompute=-1"),
        ({"micro_batches": 0}, "micro_batches=0"),
        ({"update": "during", "micro_batches": 2}, "have to be summed first"),
    ],
)
def test_wrong_options_are_one_sentence(options: Any, words: str) -> None:
    with pytest.raises(UsageError) as raised:
        BackpropTrainer(mlp(), **options)
    assert words in str(raised.value)


@pytest.mark.parametrize("options", [{"recompute": 1}, {"update": "during"}])
def test_batch_statistics_are_those_of_the_whole_batch(options: Any) -> None:
    lean, plain = (trained(SGD(0.1), "batch", **each).state() for each in (options, {}))
    assert any(name.startswith("statistics/") for name in plain)
    for name, value in plain.items():
        assert np.array_equal(lean[name], value), name


def test_parts_of_a_batch_have_no_statistics_of_their_own() -> None:
    with pytest.raises(UsageError, match=r"micro_batches=2 .* since block1\.\S+ takes statistics over the batch"):
        trained(SGD(0.1), "batch", micro_batches=2)
