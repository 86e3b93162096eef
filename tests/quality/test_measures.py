"""The measures beyond accuracy: each against its definition, worked another way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

import lab
from lab.data import Dataset, load_dataset
from lab.errors import UsageError
from lab.quality import MEASURES, measure
from lab.quality.calibration import ece, scores, softened, temperature
from lab.quality.corruption import WAYS
from lab.quality.outliers import auroc
from lab.quality.readouts import ask

RNG = np.random.default_rng(0)


def log_probabilities(n: int = 400, k: int = 5) -> np.ndarray:
    z = 3 * RNG.normal(size=(n, k))
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


def test_probabilities_that_hold_are_calibrated() -> None:
    logs = log_probabilities(60_000)
    drawn = (np.exp(logs).cumsum(axis=1) > RNG.random((len(logs), 1))).argmax(axis=1)
    assert scores(logs, drawn)["ece"] < 0.01
    sure = softened(logs, 0.25)
    found = temperature(sure, drawn)
    assert found == pytest.approx(4, rel=0.03)
    assert scores(sure, drawn)["ece"] > 0.05 > scores(softened(sure, found), drawn)["ece"]


def test_scores_are_those_of_their_definitions() -> None:
    logs = log_probabilities()
    p = np.exp(logs)
    labels = (p.cumsum(axis=1) > RNG.random((len(p), 1))).argmax(axis=1)
    labels[:40] = RNG.integers(0, 5, 40)
    found = scores(logs, labels)
    assert found["nll"] == pytest.approx(log_loss(labels, p, labels=range(5)))
    assert found["brier"] == pytest.approx(((p - np.eye(5)[labels]) ** 2).sum(axis=1).mean())
    best = min(np.geomspace(0.1, 100, 2000), key=lambda t: scores(softened(logs, t), labels)["nll"])
    assert temperature(logs, labels) == pytest.approx(best, rel=0.01)


def test_bins_hold_equally_many_rows() -> None:
    # nine rows said 0.9 and right, one said 0.5 and wrong: two bins of five rows each
    confidence, right = np.array([0.5] + [0.9] * 9), np.array([False] + [True] * 9)
    assert ece(confidence, right, bins=2) == pytest.approx(0.5 * abs(0.8 - 0.82) + 0.5 * 0.1)
    assert ece(np.array([0.7]), np.array([True])) == pytest.approx(0.3)


def test_auroc_counts_ties_half() -> None:
    own, others = RNG.integers(0, 6, 300).astype(float), RNG.integers(0, 5, 200).astype(float)
    labels = np.r_[np.ones(300), np.zeros(200)]
    assert auroc(own, others) == pytest.approx(roc_auc_score(labels, np.r_[own, others]))
    assert auroc(np.ones(3), np.ones(4)) == 0.5


def test_corruptions_are_what_they_say() -> None:
    x = RNG.random((3, 1, 6, 6)).astype(np.float32)
    moved = WAYS["shift"](x, 2)
    assert np.array_equal(moved[:, :, 2:, 2:], x[:, :, :4, :4]) and moved[:, :, :2].sum() == 0
    assert WAYS["contrast"](x, 3)[0].std() == pytest.approx(0.2 * x[0].std(), rel=1e-5)
    assert WAYS["contrast"](x, 1).mean(axis=(1, 2, 3)) == pytest.approx(x.mean(axis=(1, 2, 3)), rel=1e-5)
    assert WAYS["blur"](x, 1)[0, 0, 2, 3] == pytest.approx(x[0, 0, 1:4, 2:5].mean(), rel=1e-5)
    noisy = [WAYS["noise"](x, severity) for severity in (1, 1, 3)]
    assert np.array_equal(noisy[0], noisy[1]) and abs(noisy[2] - x).mean() > abs(noisy[0] - x).mean()


def bytes_of(data: Dataset) -> Dataset:
    """The digits as images of bytes, which corruption and outliers are defined for."""
    splits = {
        part: replace(s, x=(s.x * 255 / 16).astype(np.uint8), scale=1 / 255)
        for part, s in (("train", data.train), ("valid", data.valid), ("test", data.test))
    }
    return replace(data, **splits)


def test_every_readout_is_measured_and_nothing_is_changed() -> None:
    data = bytes_of(load_dataset("digits"))
    for kind, readouts in (
        (lab.ForwardForwardTrainer, {"goodness", "softmax"}),
        (lab.BackpropTrainer, {"output"}),
        (lab.LocalSupervisedTrainer, {"evidence"}),
    ):
        trainer = kind(lab.mlp(depth=2, width=30), seed=0)
        list(trainer.fit(data.train, data.valid, epochs=3))
        before = {name: array.tobytes() for name, array in trainer.state().items()}
        found = measure(trainer, data)
        assert (
            tuple(found) == tuple(name for name in MEASURES if name != "devices")
            and set(found["calibration"]) == readouts
        )
        assert found["corruption"]["clean"] == pytest.approx(trainer.evaluate(data.test)["accuracy"])
        assert found["corruption"]["clean"] >= found["corruption"]["noise"][2]
        own = {f"probability_{name}" for name in readouts}
        assert set(found["outliers"]["noise"]) == own | ({"goodness"} if "goodness" in readouts else set())
        assert before == {name: array.tobytes() for name, array in trainer.state().items()}
        logs = ask(trainer, data.test.x).logs
        assert all(np.allclose(np.exp(table).sum(axis=1), 1, atol=1e-4) for table in logs.values())
        by = next(iter(logs))
        assert (logs[by].argmax(axis=1) == trainer.predict(data.test.x)).all()


def test_what_has_no_answer_is_left_out() -> None:
    data = load_dataset("diabetes")
    trainer = lab.BackpropTrainer(lab.mlp(depth=1, width=4))
    list(trainer.fit(data.train, epochs=1))
    assert measure(trainer, data) == {}
    digits = load_dataset("digits")  # no images of bytes
    sorter = lab.BackpropTrainer(lab.mlp(depth=1, width=4))
    list(sorter.fit(digits.train, epochs=1))
    assert set(measure(sorter, digits)) <= {"calibration", "corruption", "outliers"}
    with pytest.raises(UsageError, match="did you mean 'corruption'"):
        measure(sorter, digits, ["corupption"])
