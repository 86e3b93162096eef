"""Trainers that are pickled or copied: equal to the bit, and independent from then on."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

from lab.layers import Dense, LabelInput, LengthNorm, ReLU
from lab.networks import Block, Network, mlp
from lab.trainers import BackpropTrainer, ForwardForwardTrainer, Readout
from tests.trainers.test_forward_forward import toy
from tests.trainers.test_resume import TRAINERS, results

COPIES = pytest.mark.parametrize("copied", [lambda t: pickle.loads(pickle.dumps(t)), copy.deepcopy, copy.copy])  # noqa: S301


@COPIES
@pytest.mark.parametrize("name", TRAINERS)
def test_a_copy_goes_on_bit_for_bit(name: str, copied: Any) -> None:
    trainer = TRAINERS[name]()
    epochs = trainer.fit(toy(), epochs=3)
    next(epochs)
    twin = copied(trainer)
    assert results(twin) == results(trainer)
    before = results(trainer)
    list(twin.fit(toy(), epochs=3))
    assert results(trainer) == before != results(twin)
    list(epochs)
    assert results(twin) == results(trainer)


@COPIES
def test_a_trainer_without_a_network_can_be_copied(copied: Any) -> None:
    twin = copied(BackpropTrainer(mlp(depth=1, width=5), seed=4))
    assert twin.n_outputs == 0
    fresh = BackpropTrainer(mlp(depth=1, width=5), seed=4)
    for trainer in (twin, fresh):
        list(trainer.fit(toy(), epochs=1))
    assert results(twin) == results(fresh)


@COPIES
def test_a_network_of_ones_own_is_not_shared(copied: Any) -> None:
    network = Network(
        [Block("only", Dense(6), ReLU(), LengthNorm())], Dense(3), label_input=LabelInput("features")
    )  # fmt: skip
    trainer = ForwardForwardTrainer(network, batch_size=20)
    list(trainer.fit(toy(), epochs=1))
    before = results(trainer)
    twin = copied(trainer)
    list(twin.fit(toy(), epochs=2))
    assert twin.network is not network
    assert results(trainer) == before
    list(trainer.fit(toy(), epochs=2))
    assert results(twin) == results(trainer)


@pytest.mark.parametrize("answer", ["goodness", "softmax"])
def test_goodness_is_what_is_compared(answer: Any) -> None:
    trainer = ForwardForwardTrainer(
        mlp(depth=3, width=7), readout=Readout(answer=answer), batch_size=20, dtype="float64"
    )
    list(trainer.fit(toy(), epochs=2))
    x = np.concatenate([toy().x] * 20)  # more rows than are answered at once
    goodness = trainer.goodness(x)
    assert goodness.shape == (1200, 3)
    np.testing.assert_allclose(goodness, trainer.block_scores(x)[1:].sum(axis=0), rtol=1e-12)
    np.testing.assert_array_equal(goodness, trainer.goodness(x))
    if answer == "goodness":
        np.testing.assert_array_equal(goodness.argmax(axis=1), trainer.predict(x))
