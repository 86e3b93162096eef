"""NaN and infinity, wherever they come from: the run ends as diverged, and no checkpoint holds any of them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lab.layers import Dense
from lab.optimizers import SGD, Adam
from lab.record.checkpoint import read_checkpoint
from lab.record.record import RunRecord
from lab.trainers import BackpropTrainer, ForwardForwardTrainer
from tests.reliability.story import STEPS, folder_of, generations, live, small

TRAINERS = {"backprop": BackpropTrainer, "forward_forward": ForwardForwardTrainer}
Patch = pytest.MonkeyPatch


def at_step(patch: Patch, trainer: str, act: Callable[[Any, Any], None]) -> None:
    """Have `act(trainer, images)` called before one step in the second epoch."""
    kind = TRAINERS[trainer]
    step = kind._step

    def poisoned(self: Any, images: Any, *rest: Any) -> Any:
        if self.progress.step == STEPS + 2:
            act(self, images)
        return step(self, images, *rest)

    patch.setattr(kind, "_step", poisoned)


def poison_input(patch: Patch, trainer: str, value: float) -> None:
    at_step(patch, trainer, lambda self, images: images.__setitem__((0, 0), value))


def poison_weight(patch: Patch, trainer: str, value: float) -> None:
    at_step(patch, trainer, lambda self, images: next(iter(self.network.parameters().values())).fill(value))


def poison_activation(patch: Patch, trainer: str, value: float) -> None:
    forward, due = Dense.forward, [False]

    def poisoned(self: Any, *arguments: Any) -> Any:
        y, cache = forward(self, *arguments)
        if due[0]:
            y[0] = value
        return y, cache

    patch.setattr(Dense, "forward", poisoned)
    at_step(patch, trainer, lambda self, images: due.__setitem__(0, True))


def poison_gradient(patch: Patch, trainer: str, value: float) -> None:
    due = [False]
    for kind in (SGD, Adam):

        def poisoned(self: Any, params: Any, grads: Any, *rest: Any, step: Any = kind.step, **more: Any) -> None:
            if due[0]:
                name = next(iter(grads))
                grads = {**grads, name: np.full_like(params[name], value)}
            step(self, params, grads, *rest, **more)

        patch.setattr(kind, "step", poisoned)
    at_step(patch, trainer, lambda self, images: due.__setitem__(0, True))


def poison_metric(patch: Patch, trainer: str, value: float) -> None:
    kind = TRAINERS[trainer]
    evaluate = kind._evaluate

    def poisoned(self: Any, split: Any) -> Any:
        return {**evaluate(self, split), **({"loss": value} if self.progress.step > STEPS else {})}

    patch.setattr(kind, "_evaluate", poisoned)


POISONS = {
    "input": poison_input,
    "activation": poison_activation,
    "gradient": poison_gradient,
    "weight": poison_weight,
    "metric": poison_metric,
}


@pytest.mark.parametrize("trainer", TRAINERS)
@pytest.mark.parametrize("where", POISONS)
@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_is_not_finite_ends_the_run(
    tmp_path: Path, rows: Path, monkeypatch: Patch, trainer: str, where: str, value: float, tally: Counter[str]
) -> None:
    config = small(rows, tmp_path / "runs", trainer=trainer)
    POISONS[where](monkeypatch, trainer, value)
    assert live(config) == 65
    folder = folder_of(config)
    record = RunRecord.read(folder.record_path)
    assert record.status == "diverged" and "step" in (record.reason or "")
    for path in generations(folder).there():
        arrays, header = read_checkpoint(path)
        assert all(np.isfinite(array).all() for array in arrays.values()), path.name
        tally["checkpoints looked at"] += 1
    best = read_checkpoint(generations(folder).best)[1]["progress"]["history"]
    assert len(best) == 1  # of the epoch before
    assert not list(folder.path.glob("*.bad"))
    tally["poisoned values"] += 1
    monkeypatch.undo()
    assert live(config) == 65  # not made again: it would end the same way
    assert header
