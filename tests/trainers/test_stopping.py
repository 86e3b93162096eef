"""Early stopping: when it ends, what it goes back to, and that a resumed run ends with the same bits."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lab.data.dataset import Split
from lab.errors import UsageError
from lab.networks import linear, mlp
from lab.optimizers import SGD, Adam
from lab.trainers import (
    BackpropTrainer,
    EarlyStop,
    EpochRecord,
    ForwardForwardTrainer,
    LayerParallelTrainer,
    Trainer,
)
from tests.trainers.test_forward_forward import toy
from tests.trainers.test_resume import Stop, results

TRAINERS = {
    "backprop": lambda: BackpropTrainer(mlp(depth=2, width=8, dropout=0.2), optimizer=Adam(0.01), batch_size=16),
    "forward_forward": lambda: ForwardForwardTrainer(
        mlp(depth=2, width=8), optimizer=SGD(0.1, 0.9, dampening=0.9), batch_size=16
    ),
}


def noisy(n: int = 40) -> Split:
    """Labels that cannot be learnt: the best epoch is soon over."""
    split = toy(n, seed=1)
    return Split(split.x, np.random.default_rng(0).integers(0, 3, n), name="noise")


def record(epoch: int, **valid: float) -> EpochRecord:
    return EpochRecord(epoch, epoch, 0.0, 0.1, valid, [], 0.0, 0.0, 0.0)


def ends(stop: EarlyStop, metric: str, values: list[float]) -> tuple[int, int]:
    """After which epoch it ends, 0 for never, and which one was the best."""
    trainer = BackpropTrainer(linear()).build((12,), 3)
    trainer.progress.stop = None
    stop.begin(trainer, toy(5))
    standing = trainer.progress.stop
    assert standing is not None
    standing.metric = metric
    for epoch, value in enumerate(values, 1):
        if stop.look(trainer, record(epoch, **{metric: value}), last=False):
            return epoch, standing.best_epoch
    return 0, standing.best_epoch


@pytest.mark.parametrize(
    ("options", "metric", "values", "expected"),
    [
        ({"patience": 2}, "accuracy", [0.1, 0.3, 0.2, 0.3, 0.9], (4, 2)),  # as good is no better
        ({"patience": 2}, "accuracy", [0.1, 0.3, 0.2, 0.31, 0.2], (0, 4)),
        ({"patience": 1}, "loss", [3, 2, 1, 1.5], (4, 3)),  # a loss is to be small
        ({"patience": 1}, "error", [0.3, 0.2, 0.4], (3, 2)),
        ({"patience": 1}, "rmse", [0.3, 0.2, 0.4], (3, 2)),
        ({"patience": 1}, "bits_per_character", [3, 2, 2.5], (3, 2)),
        ({"patience": 1}, "r2", [-0.3, 0.2, 0.1], (3, 2)),
        ({"patience": 2, "min_delta": 0.1}, "accuracy", [0.5, 0.55, 0.58, 0.9], (3, 1)),
        ({"patience": 2, "min_delta": 0.1}, "loss", [0.5, 0.45, 0.38, 0.37, 0.36], (5, 3)),
        ({"patience": 2, "after": 3}, "accuracy", [0.1] * 9, (5, 1)),
        ({"patience": 2, "after": 3}, "accuracy", [0.1, 0.1, 0.1, 0.1, 0.2, 0.1, 0.1], (7, 5)),
        ({"patience": 3}, "r2", [math.nan, math.nan, 0.1, 0.0], (0, 3)),
        ({"patience": 3}, "r2", [math.nan] * 9, (3, 0)),
    ],
)
def test_when_it_ends(options: Any, metric: str, values: list[float], expected: tuple[int, int]) -> None:
    assert ends(EarlyStop(**options), metric, values) == expected


@pytest.mark.parametrize("name", TRAINERS)
def test_training_ends_early_with_the_best_epochs_weights(name: str) -> None:
    stop = EarlyStop(patience=3)
    trainer: Trainer = TRAINERS[name]()
    records, answers = [], {}
    for epoch in trainer.fit(toy(), noisy(), epochs=40, stop=stop):
        records.append(epoch)
        answers[epoch.epoch] = trainer.predict_proba(toy(9).x)
    standing = trainer.progress.stop
    assert standing is not None and standing.restored
    accuracies = [epoch.valid["accuracy"] for epoch in records]
    best = int(np.argmax(accuracies))
    assert standing.best_epoch == best + 1 and standing.best == accuracies[best]
    assert len(records) == standing.stopped_epoch == best + 4 < 40
    assert trainer.evaluate(noisy()) == records[best].valid == trainer.progress.valid
    plain: Trainer = TRAINERS[name]()
    for epoch in plain.fit(toy(), noisy(), epochs=40):
        if epoch.epoch == best + 1:
            np.testing.assert_array_equal(plain.predict_proba(toy(9).x), trainer.predict_proba(toy(9).x))
            break
    assert not np.array_equal(answers[best + 2], trainer.predict_proba(toy(9).x))
    with pytest.raises(UsageError, match=rf"stopped early after epoch {best + 4}, the best being epoch {best + 1}"):
        trainer.fit(toy(), noisy(), epochs=60, stop=stop)


@pytest.mark.parametrize("name", TRAINERS)
def test_without_restoring_the_last_weights_stay(name: str) -> None:
    trainer: Trainer = TRAINERS[name]()
    records = list(trainer.fit(toy(), noisy(), epochs=40, stop=EarlyStop(patience=3, restore=False)))
    assert trainer.evaluate(noisy()) == records[-1].valid == trainer.progress.valid
    assert not any(key.startswith("best/") for key in trainer.state())


@pytest.mark.parametrize("name", TRAINERS)
def test_resume_from_every_step_is_exact(name: str, tmp_path: Path) -> None:
    stop, epochs = EarlyStop(patience=2), 12
    whole: Trainer = TRAINERS[name]()
    list(whole.fit(toy(), noisy(), epochs=epochs, stop=stop))
    steps = whole.progress.step
    assert steps < 4 * epochs
    for at in range(1, steps + 1, 3):
        path = tmp_path / f"{at}.safetensors"

        def save_and_stop(trainer: Trainer, at: int = at, path: Path = path) -> None:
            if trainer.progress.step == at:
                trainer.save(path)
                raise Stop

        with pytest.raises(Stop):
            list(TRAINERS[name]().fit(toy(), noisy(), epochs=epochs, stop=stop, on_step=save_and_stop))
        resumed = TRAINERS[name]().load(path)
        list(resumed.fit(toy(), noisy(), epochs=epochs, stop=stop))
        assert results(resumed) == results(whole), f"resumed from step {at}"
        assert resumed.progress.stop == whole.progress.stop


def test_at_the_last_epoch_it_goes_back_too_and_more_epochs_go_on_from_there(tmp_path: Path) -> None:
    trainer: Trainer = TRAINERS["backprop"]()
    stop = EarlyStop(patience=100, metric="loss")
    records = list(trainer.fit(toy(), noisy(), epochs=8, stop=stop))
    losses = [epoch.valid["loss"] for epoch in records]
    assert trainer.progress.stop is not None and trainer.progress.stop.stopped_epoch == 0
    assert trainer.evaluate(noisy())["loss"] == min(losses) < losses[-1]
    trainer.save(tmp_path / "t")
    more = TRAINERS["backprop"]().load(tmp_path / "t")
    list(more.fit(toy(), noisy(), epochs=12, stop=stop))
    assert more.evaluate(noisy())["loss"] == min(losses + [epoch.valid["loss"] for epoch in more.progress.history[8:]])


def test_layer_parallel_training_stops_as_the_plain_one() -> None:
    found = []
    for make in (ForwardForwardTrainer, LayerParallelTrainer):
        more = {"workers": 2} if make is LayerParallelTrainer else {"belief_delay": 2}
        trainer = make(mlp(depth=2, width=8), optimizer=SGD(0.1, 0.9, dampening=0.9), batch_size=16, **more)  # type: ignore[arg-type]
        list(trainer.fit(toy(), noisy(), epochs=20, stop=EarlyStop(patience=2)))
        found.append((results(trainer), trainer.progress.stop))
    assert found[0] == found[1]


def test_what_is_refused_before_any_work() -> None:
    for options in ({"patience": 0}, {"min_delta": -1.0}, {"after": -1}):
        with pytest.raises(UsageError, match="stop needs patience >= 1, min_delta >= 0 and after >= 0, got patience="):
            EarlyStop(**options)  # type: ignore[arg-type]
    trainer: Trainer = TRAINERS["forward_forward"]()
    for valid in (None, replace(toy(), x=toy().x[:0], y=toy().y[:0])):
        with pytest.raises(UsageError, match=r"stop needs validation rows to look at; give fit a valid split"):
            trainer.fit(toy(), valid, epochs=2, stop=EarlyStop())
    with pytest.raises(UsageError, match=r"unknown stop\.metric 'acuracy': did you mean 'accuracy'\?"):
        trainer.fit(toy(), toy(), epochs=2, stop=EarlyStop(metric="acuracy"))
    greedy = ForwardForwardTrainer(mlp(depth=2, width=8), schedule="greedy")
    with pytest.raises(UsageError, match="schedule=greedy trains some blocks later"):
        greedy.fit(toy(), toy(), epochs=2, stop=EarlyStop())
