"""Save, load and resume: from every step, both trainers end with the bits of an uninterrupted run."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lab.errors import DataError, UsageError
from lab.networks import mlp
from lab.optimizers import SGD, Adam
from lab.trainers import BackpropTrainer, ForwardForwardTrainer, Trainer
from tests.trainers.test_forward_forward import toy

TRAINERS = {
    "backprop": lambda: BackpropTrainer(mlp(depth=2, width=7, dropout=0.2), seed=3, batch_size=16),
    "forward_forward": lambda: ForwardForwardTrainer(mlp(depth=2, width=7, dropout=0.2), seed=3, batch_size=16),
    "forward_forward, adam, separate, uniform": lambda: ForwardForwardTrainer(
        mlp(depth=2, width=7), optimizer=Adam(schedule="cosine"), passes="separate", negatives="uniform", batch_size=16
    ),
    "backprop, sgd, float64": lambda: BackpropTrainer(
        mlp(depth=1, width=7), optimizer=SGD(schedule="cooldown"), batch_size=16, dtype="float64"
    ),
}
EPOCHS = 3  # of 60 rows: 4 steps each, the last one short


class Stop(Exception):
    """Ends training where a test wants it to end."""


def results(trainer: Trainer) -> Any:
    """What has to be equal: the state's bits, and the history but for what is measured."""
    state = {name: (a.dtype, a.tobytes()) for name, a in trainer.state().items()}
    return state, [record.as_dict()["result"] for record in trainer.progress.history]


@pytest.mark.parametrize("name", TRAINERS)
def test_resume_from_every_step_is_bit_exact(name: str, tmp_path: Path, tally: Counter[str]) -> None:
    whole = TRAINERS[name]()
    list(whole.fit(toy(), toy(20, seed=1), epochs=EPOCHS))
    assert whole.progress.step == 12
    for stop in range(1, 13):
        path = tmp_path / f"{stop}.safetensors"

        def save_and_stop(trainer: Trainer, stop: int = stop, path: Path = path) -> None:
            if trainer.progress.step == stop:
                trainer.save(path)
                raise Stop

        with pytest.raises(Stop):
            list(TRAINERS[name]().fit(toy(), toy(20, seed=1), epochs=EPOCHS, on_step=save_and_stop))
        resumed = TRAINERS[name]().load(path)
        assert resumed.progress.step == stop
        list(resumed.fit(toy(), toy(20, seed=1), epochs=EPOCHS))
        assert results(resumed) == results(whole), f"resumed from step {stop}"
        tally["steps resumed from, equal to the last bit"] += 1


@pytest.mark.parametrize("name", TRAINERS)
def test_equal_seeds_give_equal_bits_and_other_seeds_do_not(name: str) -> None:
    found = []
    for _ in range(2):
        trainer = TRAINERS[name]()
        list(trainer.fit(toy(), epochs=2))
        found.append(results(trainer))
    assert found[0] == found[1]
    other = TRAINERS[name]()
    other.seed = 4
    list(other.fit(toy(), epochs=2))
    assert results(other) != found[0]


def test_a_loaded_trainer_answers_as_the_saved_one(tmp_path: Path) -> None:
    for name, make in TRAINERS.items():
        trainer = make()
        list(trainer.fit(toy(), epochs=2))
        trainer.save(tmp_path / "t")
        loaded = make().load(tmp_path / "t")
        np.testing.assert_array_equal(loaded.predict_proba(toy(9).x), trainer.predict_proba(toy(9).x), err_msg=name)
        assert loaded.evaluate(toy(9)) == trainer.evaluate(toy(9))


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    trainer = TRAINERS["backprop"]()
    with pytest.raises(UsageError, match="call fit, load or build first"):
        trainer.save(tmp_path / "t")
    list(trainer.fit(toy(), epochs=1))
    trainer.save(tmp_path / "t")
    for other, words in (
        (BackpropTrainer(mlp(depth=2, width=8), seed=3, batch_size=16), "another network"),
        (BackpropTrainer(mlp(depth=1, width=7), seed=3, batch_size=16), "another network or optimizer"),
        (BackpropTrainer(mlp(depth=2, width=7), seed=3, batch_size=16, optimizer=SGD()), "trained with optimizer=Adam"),
        (BackpropTrainer(mlp(depth=2, width=7), seed=3, batch_size=20), "trained with batch_size=16"),
        (BackpropTrainer(mlp(depth=2, width=7), seed=4), "seed 3"),
        (BackpropTrainer(mlp(depth=2, width=7), seed=3, dtype="float64"), "dtype 'float32'"),
        (ForwardForwardTrainer(mlp(depth=2, width=7), seed=3), "family 'backprop'"),
    ):
        with pytest.raises(UsageError, match=words):
            other.load(tmp_path / "t")
    trainer.network.head.params["1.b"][0] = np.nan
    trainer.save(tmp_path / "nan")
    with pytest.raises(DataError, match="not finite"):
        TRAINERS["backprop"]().load(tmp_path / "nan")
    with pytest.raises(UsageError, match="has done 1 of 1 epochs"):
        trainer.fit(toy(), epochs=1)


@pytest.mark.parametrize("name", ["backprop", "forward_forward"])
def test_memory_peaks_survive_a_resume(name: str, tmp_path: Path) -> None:
    """The last batch is short, so a resumed process alone would see smaller peaks."""
    whole = TRAINERS[name]()
    list(whole.fit(toy(), epochs=1))

    def save_and_stop(trainer: Trainer) -> None:
        if trainer.progress.step == 3:
            trainer.save(tmp_path / "t")
            raise Stop

    with pytest.raises(Stop):
        list(TRAINERS[name]().fit(toy(), epochs=1, on_step=save_and_stop))
    resumed = TRAINERS[name]().load(tmp_path / "t")
    list(resumed.fit(toy(), epochs=1))
    assert resumed.memory() == whole.memory()
    with pytest.raises(UsageError, match="middle of an epoch over 60 rows"):
        TRAINERS[name]().load(tmp_path / "t").fit(toy(40), epochs=1)
