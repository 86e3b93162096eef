"""Blocks that learn in epochs of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lab.errors import UsageError
from lab.networks import mlp
from lab.optimizers import SGD, Adam
from lab.schedules import gain
from lab.trainers import (
    ContrastiveTrainer,
    ForwardForwardTrainer,
    LayerParallelTrainer,
    LocalSupervisedTrainer,
    UnsupervisedTrainer,
)
from lab.trainers.schedule import checked, ranges
from tests.trainers.test_forward_forward import toy

STAGGERED = ("1-1", "1-2", "2-4")
KINDS = [ForwardForwardTrainer, LocalSupervisedTrainer, ContrastiveTrainer, UnsupervisedTrainer]


def made(kind: Any, schedule: Any = STAGGERED, **options: Any) -> Any:
    return kind(mlp(depth=3, width=12), schedule=schedule, seed=0, batch_size=20, **options)


def weights(trainer: Any) -> dict[str, Any]:
    """Of each block, its weights and what else changes as it learns."""
    state = {name: array.copy() for name, array in trainer.state().items() if not name.startswith("readout")}
    return {b: {n: a for n, a in state.items() if f"/{b}." in n} for b in ("block1", "block2", "block3")}


@pytest.mark.parametrize("kind", KINDS)
def test_a_block_learns_in_its_epochs_and_stands_still_in_others(kind: Any) -> None:
    trainer = made(kind)
    trainer.build((12,), 3)
    before = weights(trainer)
    for record, learns in zip(
        trainer.fit(toy(), epochs=4),
        [{"block1", "block2"}, {"block2", "block3"}, {"block3"}, {"block3"}],
        strict=True,
    ):
        after = weights(trainer)
        for block in after:
            same = [np.array_equal(after[block][name], before[block][name]) for name in after[block]]
            assert not all(same) if block in learns else all(same), (record.epoch, block)
        assert {row["name"] for row in record.blocks if "loss" in row} - {"head"} == learns
        before = after


def test_equal_ranges_are_the_simultaneous_schedule_and_greedy_ones_the_greedy() -> None:
    for word, depth, epochs, same in (
        ("simultaneous", 3, 4, ("1-4", "1-4", "1-4")),
        ("greedy", 3, 5, ("1-2", "3-4", "5-5")),
    ):
        assert ranges(word, depth, epochs) == ranges(same, depth, epochs)  # type: ignore[arg-type]
        states = []
        for schedule in (word, same):
            trainer = made(LocalSupervisedTrainer, schedule)
            list(trainer.fit(toy(), epochs=epochs))
            states.append(trainer.state())
        for name, array in states[0].items():
            np.testing.assert_array_equal(array, states[1][name], err_msg=name)


def test_the_rate_falls_over_a_blocks_own_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, float]] = []
    step = SGD.step

    def look(self: Any, params: Any, grads: Any, state: Any, ops: Any, gain: float = 1.0) -> None:
        seen.append((next(iter(params.values())).shape[0], float(gain)))
        step(self, params, grads, state, ops, gain)

    monkeypatch.setattr(SGD, "step", look)
    trainer = LocalSupervisedTrainer(
        mlp(depth=2, width=10), schedule=("1-2", "1-4"), optimizer=SGD(0.01, schedule="cooldown"), batch_size=60
    )
    list(trainer.fit(toy(60), epochs=4))
    first = [rate for inputs, rate in seen if inputs == 12]
    second = [rate for inputs, rate in seen if inputs == 10]
    assert first == [gain("cooldown", epoch, 2) for epoch in (1, 2)]
    assert second == [gain("cooldown", epoch, 4) for epoch in (1, 2, 3, 4)]


def test_it_goes_on_from_a_checkpoint_bit_for_bit(tmp_path: Path) -> None:
    whole, half, rest = (made(LocalSupervisedTrainer) for _ in range(3))
    list(whole.fit(toy(), epochs=4))
    for record in half.fit(toy(), epochs=4):
        if record.epoch == 2:
            break
    half.save(tmp_path / "half.safetensors")
    list(rest.load(tmp_path / "half.safetensors").fit(toy(), epochs=4))
    for name, array in whole.state().items():
        np.testing.assert_array_equal(rest.state()[name], array, err_msg=name)
    with pytest.raises(UsageError, match=r"trained with schedule=\[1-1, 1-2, 2-4\], this trainer has schedule=greedy"):
        made(LocalSupervisedTrainer, "greedy").load(tmp_path / "half.safetensors")


def test_workers_keep_to_it() -> None:
    states = []
    for kind in (ForwardForwardTrainer, LayerParallelTrainer):
        trainer = made(kind, negatives="uniform", optimizer=Adam(0.01), threads=2)
        list(trainer.fit(toy(), epochs=4))
        states.append({name: array.copy() for name, array in trainer.state().items()})
    for name, array in states[0].items():
        np.testing.assert_array_equal(states[1][name], array, err_msg=name)


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        (("1-1", "1-4"), "has 2 ranges for 3 blocks; give each block one"),
        (("1-1", "1-2", "2-3"), "ends with epoch 3, but there are 4; use trainer.epochs=3"),
        (("1-1", "1-2", "4-4"), "trains no block in epoch 3; close the gap"),
        (("1-1", "1-2", "0-4"), "'0-4' is no range of epochs; write first-last, counted from 1, such as 1-11"),
        (("1-1", "1-2", "4-3"), "'4-3' is no range"),
        ("layerwise", "valid: greedy, simultaneous"),
    ],
)
def test_what_does_not_fit_is_said_before_any_work(schedule: Any, words: str) -> None:
    with pytest.raises(UsageError) as raised:
        ranges(checked(schedule), 3, 4)
    assert words in str(raised.value)


def test_a_step_has_to_come_in_each_blocks_own_epochs() -> None:
    trainer = ForwardForwardTrainer(mlp(depth=3, width=6), optimizer=SGD(0.1, schedule=("5:0.1",)), schedule="greedy")
    with pytest.raises(UsageError, match=r"the step '5:0\.1' .* comes after 5 epochs, and there are 3; train"):
        next(trainer.fit(toy(), epochs=9))
    assert trainer.progress.step == 0
