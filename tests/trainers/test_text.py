"""Character models: both trainers learn which character follows, and go on from a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lab.data import Dataset
from lab.data.split import split_parts
from lab.data.text import text_parts
from lab.errors import UsageError
from lab.networks import mlp
from lab.objectives import Hinge
from lab.optimizers import SGD, Adam
from lab.trainers import BackpropTrainer, ForwardForwardTrainer, Trainer

TRAINERS = {
    "backprop": lambda: BackpropTrainer(mlp(depth=1, width=40), optimizer=Adam(0.01)),
    "forward_forward": lambda: ForwardForwardTrainer(
        mlp(depth=2, width=60, label="features"), optimizer=SGD(0.1, 0.9, dampening=0.9)
    ),
}


def text() -> Dataset:
    """What follows two characters is certain but for the first letter of a word."""
    rng = np.random.default_rng(0)
    words = rng.choice(["abc ", "def ", "ghi "], 500)
    return split_parts("toy", text_parts("".join(words), 2, 1, "toy"), limit=600)


@pytest.mark.parametrize("name", TRAINERS)
def test_what_follows_is_learnt(name: str, tmp_path: Path) -> None:
    data = text()
    trainer: Trainer = TRAINERS[name]()
    list(trainer.fit(data.train, data.valid, epochs=15))
    found: dict[str, Any] = trainer.evaluate(data.test)
    assert found["accuracy"] > 0.75  # 3/4 is certain, 1/4 a guess among three: 0.83 at best
    p = trainer.predict_proba(data.test.x)[np.arange(len(data.test)), data.test.y]
    assert found["bits_per_character"] == pytest.approx(-np.log2(p).mean(), rel=1e-4)
    if name == "backprop":
        assert found["bits_per_character"] == pytest.approx(found["loss"] / np.log(2), rel=1e-4)
        assert found["bits_per_character"] == pytest.approx(np.log2(3) / 4, abs=0.05)  # the guess, and little else
    path = tmp_path / "text.safetensors"
    trainer.save(path)
    loaded = TRAINERS[name]().load(path)
    assert loaded.evaluate(data.test) == found
    codes = data.test.x.astype(np.int64)
    assert (loaded.predict(codes) == data.test.y).mean() == found["accuracy"]
    with pytest.raises(UsageError, match="rows are text and must hold codes from 0 to 9; encode them as in training"):
        loaded.predict(codes + 5)
    with pytest.raises(UsageError, match=r"rows have shape \(3,\), but the network was built for \(2,\)"):
        loaded.predict(np.zeros((5, 3), np.uint8))


def test_bits_are_of_probabilities_whatever_the_loss() -> None:
    data = text()
    trainer = BackpropTrainer(mlp(depth=1, width=9), objective=Hinge())
    (epoch,) = trainer.fit(data.train, data.valid, epochs=1)
    p = trainer.predict_proba(data.test.x)[np.arange(len(data.test)), data.test.y]
    assert trainer.evaluate(data.test)["bits_per_character"] == pytest.approx(-np.log2(p).mean(), rel=1e-4)
    assert "bits_per_character" in epoch.valid
