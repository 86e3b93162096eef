"""Ensembles: their answer is the mean of their members'."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, log_loss, r2_score

from lab.data import Split
from lab.data.split import split_parts
from lab.data.text import text_parts
from lab.errors import UsageError
from lab.networks import linear, mlp
from lab.optimizers import Adam
from lab.trainers import BackpropTrainer, Ensemble, ForwardForwardTrainer
from tests.trainers.test_forward_forward import toy


def noisy(n: int, seed: int) -> Split:
    """Classes that overlap, so that members differ."""
    split = toy(n, seed)
    return Split(split.x + 0.8 * np.random.default_rng(seed).standard_normal(split.x.shape), split.y)


def trained(kind: Any, seed: int, split: Split, **options: Any) -> Any:
    trainer = kind(mlp(depth=2, width=10), seed=seed, batch_size=20, **options)
    list(trainer.fit(split, epochs=10))
    return trainer


def test_probabilities_are_averaged_over_members_of_any_kind() -> None:
    train, test = noisy(60, 0), noisy(90, 1)
    trainers = [trained(BackpropTrainer, seed, train, optimizer=Adam(0.01)) for seed in range(3)]
    trainers.append(trained(ForwardForwardTrainer, 0, train))
    ensemble = Ensemble(trainers)
    p = np.mean([trainer.predict_proba(test.x).astype(np.float64) for trainer in trainers], axis=0)
    np.testing.assert_allclose(ensemble.predict_proba(test.x), p, rtol=1e-12)
    assert ensemble.predict(test.x).dtype == np.int64 and (ensemble.predict(test.x) == p.argmax(axis=1)).all()
    found = ensemble.evaluate(test)
    assert found["accuracy"] == accuracy_score(test.y, p.argmax(axis=1)) > 0.6
    assert found["error"] == pytest.approx(1 - found["accuracy"])
    assert found["loss"] == pytest.approx(log_loss(test.y, p / p.sum(axis=1, keepdims=True)), rel=1e-5)
    for member, trainer in zip(found["members"], trainers, strict=True):
        own = trainer.evaluate(test)
        assert member["accuracy"] == own["accuracy"] and member["loss"] == pytest.approx(own["loss"], rel=1e-4)
    # a mean of probabilities is at most as far off as its members are in the mean (-log is convex)
    assert found["loss"] < np.mean([member["loss"] for member in found["members"]])
    assert len(ensemble) == 4 and "bits_per_character" not in found


def test_one_member_is_that_member() -> None:
    trainer = trained(BackpropTrainer, 0, toy())
    found, own = Ensemble([trainer]).evaluate(toy(30, 1)), trainer.evaluate(toy(30, 1))
    assert found["accuracy"] == own["accuracy"] and found["loss"] == pytest.approx(own["loss"], rel=1e-4)


def test_numbers_are_averaged() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((80, 12))
    split = Split(x, x[:, 0] * 2 + np.sin(3 * x[:, 1]) + 5)
    trainers = [trained(BackpropTrainer, seed, split, optimizer=Adam(0.01)) for seed in range(3)]
    mean = np.mean([trainer.predict(x) for trainer in trainers], axis=0)
    ensemble = Ensemble(trainers)
    np.testing.assert_allclose(ensemble.predict(x), mean, rtol=1e-12)
    found = ensemble.evaluate(split)
    assert found["rmse"] == pytest.approx(np.sqrt(((mean - split.y) ** 2).mean()))
    assert found["loss"] == pytest.approx(found["rmse"] ** 2 / 2) and found["r2"] == pytest.approx(
        r2_score(split.y, mean)
    )
    assert found["rmse"] < np.mean([member["rmse"] for member in found["members"]])
    with pytest.raises(UsageError, match="an ensemble of regressions has no probabilities; use predict"):
        ensemble.predict_proba(x)


def test_a_text_has_bits() -> None:
    data = split_parts("toy", text_parts("abcd" * 100, 3, 1, "toy"))
    found = Ensemble([trained(BackpropTrainer, seed, data.train) for seed in (0, 1)]).evaluate(data.test)
    assert found["bits_per_character"] == pytest.approx(found["loss"] / np.log(2))


def test_what_is_refused() -> None:
    one = trained(BackpropTrainer, 0, toy())
    with pytest.raises(UsageError, match="an ensemble of 0 trainers has no answer"):
        Ensemble([])
    with pytest.raises(UsageError, match="member 1 of the ensemble has no network yet; train it or load"):
        Ensemble([one, BackpropTrainer(linear())])
    with pytest.raises(UsageError, match=r"member 1 has in_shape=\(5,\), member 0 \(12,\); use members for"):
        Ensemble([one, BackpropTrainer(linear()).build((5,), 3)])
    with pytest.raises(UsageError, match="label 3"):
        Ensemble([one]).evaluate(Split(toy().x, toy().y + 1))
