"""Augmented training: the same images for every trainer, exact resume, no allocation in a steady step."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lab.data import Augment, Split
from lab.errors import UsageError
from lab.networks import mlp
from lab.trainers import BackpropTrainer, ForwardForwardTrainer, Trainer
from tests.trainers.test_resume import Stop, results

KINDS = [BackpropTrainer, ForwardForwardTrainer]


def images(n: int = 60) -> Split:
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (n, 1, 6, 6), dtype=np.uint8), np.arange(n) % 3
    return Split(x, y, 1 / 255, augment=Augment(1, flip=0.5))


def make(kind: Any) -> Trainer:
    trainer: Trainer = kind(mlp(depth=2, width=8), seed=3, batch_size=16)
    return trainer


def test_both_trainers_see_the_same_images_and_other_ones_in_each_epoch() -> None:
    seen: dict[Any, list[Any]] = {kind: [] for kind in KINDS}
    for kind in KINDS:
        trainer = make(kind)
        step = trainer._step

        def watched(rows: Any, *rest: Any, step: Any = step, seen: Any = seen[kind]) -> Any:
            seen.append(rows.copy())
            return step(rows, *rest)

        trainer._step = watched  # type: ignore[method-assign]
        list(trainer.fit(images(), images(20), epochs=2))
    first, second = seen.values()
    assert len(first) == 8
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    plain = {row.tobytes() for row in (images().x * np.float32(1 / 255))}
    both = [{row.tobytes() for rows in part for row in rows} for part in (first[:4], first[4:])]
    assert len(both[0] - plain) > 30 and len(both[0] - both[1]) > 30


@pytest.mark.parametrize("kind", KINDS)
def test_resume_from_the_middle_of_an_epoch_is_exact(kind: Any, tmp_path: Path) -> None:
    whole = make(kind)
    list(whole.fit(images(), epochs=2))
    plain = make(kind)
    list(plain.fit(replace(images(), augment=None), epochs=2))
    assert results(plain) != results(whole)

    def save_and_stop(trainer: Trainer) -> None:
        if trainer.progress.step == 6:
            trainer.save(tmp_path / "t")
            raise Stop

    with pytest.raises(Stop):
        list(make(kind).fit(images(), epochs=2, on_step=save_and_stop))
    resumed = make(kind).load(tmp_path / "t")
    list(resumed.fit(images(), epochs=2))
    assert results(resumed) == results(whole)
    with pytest.raises(UsageError, match=r"augment=Augment\(shift=1.*cannot go on with 60, augment=None"):
        make(kind).load(tmp_path / "t").fit(replace(images(), augment=None), epochs=2)


@pytest.mark.parametrize("kind", KINDS)
def test_a_steady_step_asks_for_no_memory(kind: Any) -> None:
    fresh: list[int] = []
    list(make(kind).fit(images(96), epochs=1, on_step=lambda trainer: fresh.append(trainer.ops.pool.fresh)))  # type: ignore[attr-defined]
    assert fresh[2:] == [fresh[2]] * 4


def test_what_is_evaluated_is_not_augmented() -> None:
    trainer = make(BackpropTrainer)
    list(trainer.fit(images(), epochs=1))
    assert trainer.evaluate(images()) == trainer.evaluate(replace(images(), augment=None))
