"""A checkpoint holds what it must: leave out any one field, and the resumed run is another one."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lab.data.dataset import Split
from lab.networks import mlp
from lab.optimizers import Adam
from lab.trainers import BackpropTrainer, EpochRecord, ForwardForwardTrainer, Trainer
from lab.trainers.history import Progress

TRAINERS = {
    "backprop": lambda: BackpropTrainer(mlp(depth=2, width=6), seed=3, batch_size=10),
    "forward_forward": lambda: ForwardForwardTrainer(mlp(depth=2, width=6), seed=3, batch_size=10),
    "forward_forward with Adam": lambda: ForwardForwardTrainer(
        mlp(depth=2, width=6), seed=3, batch_size=10, optimizer=Adam(schedule="cosine")
    ),
}
# What says how training stands; the rest of `Progress` is measured (seconds, memory) or only checked (rows, augment),
# and `stop` is None where no early stopping was asked for.
FIELDS = ("epoch", "batch", "step", "images", "sums", "history")
EPOCHS = 3


def made_up(n: int = 45, seed: int = 0) -> Split:
    rng = np.random.default_rng(seed)
    return Split(rng.random((n, 12)).astype(np.float32), rng.integers(0, 3, n), name="made up")


class Stop(Exception):
    """Ends training where the test wants it to."""


def results(trainer: Trainer) -> Any:
    state = {name: array.tobytes() for name, array in trainer.state().items()}
    return state, [record.as_dict()["result"] for record in trainer.progress.history]


def stopped(name: str, path: Path) -> None:
    """A checkpoint from the middle of the second epoch."""

    def stop(trainer: Trainer) -> None:
        if trainer.progress.step == 8:
            trainer.save(path)
            raise Stop

    with pytest.raises(Stop):
        list(TRAINERS[name]().fit(made_up(), made_up(20, 1), epochs=EPOCHS, on_step=stop))


def ends_equal(trainer: Trainer, want: Any) -> bool:
    try:
        records: list[EpochRecord] = list(trainer.fit(made_up(), made_up(20, 1), epochs=EPOCHS))
    except (ValueError, KeyError, ZeroDivisionError, IndexError):
        return False
    return bool(records) and results(trainer) == want


@pytest.mark.parametrize("name", TRAINERS)
def test_any_field_left_out_is_missed(name: str, tmp_path: Path, tally: Counter[str]) -> None:
    path = tmp_path / "checkpoint"
    whole = TRAINERS[name]()
    list(whole.fit(made_up(), made_up(20, 1), epochs=EPOCHS))
    stopped(name, path)
    want = results(whole)
    assert ends_equal(TRAINERS[name]().load(path), want)
    fresh = TRAINERS[name]().build((12,), 3, "classification", 1.0)
    for array in fresh.state():
        loaded = TRAINERS[name]().load(path)
        if np.array_equal(loaded.state()[array], fresh.state()[array]):
            continue  # it has not changed yet, so leaving it out would change nothing
        loaded.state()[array][...] = fresh.state()[array]
        assert not ends_equal(loaded, want), array
        tally["fields of the state left out and missed"] += 1
    for field in FIELDS:
        loaded = TRAINERS[name]().load(path)
        setattr(loaded.progress, field, getattr(Progress(), field))
        assert not ends_equal(loaded, want), field
        tally["fields of the state left out and missed"] += 1
    measured = {"seconds", "rows", "memory", "augment", "stop"}
    assert set(vars(Progress())) == measured | set(FIELDS)
