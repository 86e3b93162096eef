"""Every trainer keeps the contract, and a trainer that breaks a point of it is told so."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

import lab
from lab.errors import LabError
from lab.networks import mlp
from lab.registry import names, part
from lab.trainers import BackpropTrainer, check_trainer

CHECKS = 11


OTHERS = (
    "troubled",
    "sign_backprop",
    "rollouts",
)  # two of other tests; rollouts learns from text, not from the contract's rows


@pytest.mark.parametrize("name", [name for name in names("trainer") if name not in OTHERS])
def test_every_trainer_keeps_the_contract(name: str, tally: Counter[str]) -> None:
    kind = part("trainer", name)
    assert len(check_trainer(kind)) == CHECKS
    tally["trainers that keep the contract"] += 1
    tally["checks of trainers"] += CHECKS


def test_other_options_keep_it() -> None:
    """A function makes what a class alone would not."""
    for options in ({"dtype": "float64"}, {"optimizer": lab.SGD(0.05), "micro_batches": 2}):
        assert (
            len(check_trainer(lambda o=options: BackpropTrainer(mlp(depth=1, width=5), batch_size=10, **o))) == CHECKS
        )


class Forgetful(BackpropTrainer):
    """Saves no optimizer."""

    def _arrays(self) -> Any:
        return {name: array for name, array in super()._arrays().items() if name.startswith("weights")}


class Random(BackpropTrainer):
    def _step(self, images: Any, *rest: Any) -> Any:
        images[0] *= np.random.default_rng().random()
        return super()._step(images, *rest)


class Careless(BackpropTrainer):
    """Works on the rows it was given."""

    def predict_proba(self, x: Any) -> Any:
        x -= x.mean()
        return super().predict_proba(x)


class Unnormalised(BackpropTrainer):
    def predict_proba(self, x: Any) -> Any:
        return 2 * super().predict_proba(x)


class Crashing(BackpropTrainer):
    def fit(self, train: Any, *rest: Any, **options: Any) -> Any:
        return super().fit(train, *rest, **options) if train.y.max() else 1 / 0


class Trusting(BackpropTrainer):
    """Answers for anything."""

    def predict(self, x: Any) -> Any:
        try:
            return super().predict(x)
        except LabError:
            return np.zeros(len(x), np.int64)


BROKEN = {
    Forgetful: "resumed after step",
    Random: "two trainings with one seed",
    Careless: "changed the rows",
    Unnormalised: "do not sum to 1",
    Crashing: "training on one class raised ZeroDivisionError",
    Trusting: "was not refused",
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_breaks_it_is_told(kind: Any) -> None:
    with pytest.raises(AssertionError, match=BROKEN[kind]):
        check_trainer(kind)


def test_it_is_public() -> None:
    assert lab.check_trainer is check_trainer and Counter(dir(lab))["check_trainer"] == 1
