"""Numbers learnt by rules that know labels only: as bins, with an answer in the targets' own unit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lab.checkpoints import Checkpoints
from lab.data import Dataset
from lab.data.dataset import Split
from lab.diagnose import diagnose
from lab.errors import UsageError
from lab.networks import linear, mlp
from lab.objectives import Goodness
from lab.optimizers import Adam
from lab.trainers import ContrastiveTrainer, ForwardForwardTrainer, LocalSupervisedTrainer, RecurrentTrainer
from lab.trainers.local import BINS

ANSWER = {ForwardForwardTrainer: "goodness", LocalSupervisedTrainer: "evidence"}


def numbers(n: int = 200, seed: int = 0, spread: float = 40.0) -> Split:
    """Targets around 150 that are a linear function of the row."""
    x = np.random.default_rng(seed).standard_normal((n, 6))
    return Split(x, 150 + spread * x @ np.array([0.8, -0.6, 0.2, 0, 0, 0]))


def made(kind: Any, **options: Any) -> Any:
    own = {"negatives": "uniform"} if kind is ForwardForwardTrainer else {}
    return kind(linear(units=24), optimizer=Adam(0.02, schedule="cooldown"), batch_size=20, **own, **options)


@pytest.mark.parametrize("kind", ANSWER)
def test_a_linear_function_is_learnt_in_its_own_unit(kind: Any) -> None:
    trainer, test = made(kind), numbers(300, seed=1)
    records = list(trainer.fit(numbers(), numbers(50, seed=2), epochs=25))
    found = trainer.evaluate(test)
    answer = trainer.predict(test.x)
    assert answer.shape == (300,) and answer.dtype == np.float64
    assert found["rmse"] == pytest.approx(np.sqrt(np.mean((answer - test.y) ** 2)), rel=1e-6)
    assert found["rmse"] == found[f"rmse_{ANSWER[kind]}"]
    assert found["rmse"] < 0.6 * test.y.std() and found["r2"] > 0.64  # of a target whose deviation is about 40
    assert records[-1].valid["rmse"] < records[0].valid["rmse"]
    p = trainer.predict_proba(test.x)
    assert p.shape == (300, BINS) and np.allclose(p.sum(axis=1), 1, atol=1e-5)


def test_the_answer_is_the_bins_means_weighted_by_their_probabilities() -> None:
    trainer, train = made(ForwardForwardTrainer), numbers()
    list(trainer.fit(train, epochs=1))
    labels = trainer.targets(train.y)
    means = np.array([train.y[labels == k].mean() for k in range(BINS)])
    np.testing.assert_allclose(trainer.predict(train.x), trainer.predict_proba(train.x) @ means, rtol=1e-6)
    assert np.bincount(labels).tolist() == [20] * BINS


def test_a_stopped_run_goes_on_bit_for_bit(tmp_path: Path) -> None:
    train, empty = numbers(), numbers(0)
    data = Dataset("numbers", train, empty, empty, "regression", 0, (6,), "0", "made up")
    whole, half = made(ForwardForwardTrainer), made(ForwardForwardTrainer)
    list(whole.fit(train, epochs=4))
    for _ in half.fit(train, epochs=4):
        break
    kept = Checkpoints(tmp_path / "checkpoint.safetensors", "run", data, {})
    kept.write(half)
    notes: list[str] = []
    rest = kept.resume(lambda: made(ForwardForwardTrainer), notes)
    assert notes == ["resumed after epoch 1, step 10, from checkpoint.safetensors"]
    np.testing.assert_array_equal(rest.predict(train.x), half.predict(train.x))
    list(rest.fit(train, epochs=4))
    for name, array in whole.state().items():
        np.testing.assert_array_equal(rest.state()[name], array, err_msg=name)


def test_blocks_are_diagnosed_on_the_bins() -> None:
    trainer = made(ForwardForwardTrainer)
    list(trainer.fit(numbers(), epochs=25))
    found = diagnose(trainer, numbers(100, seed=3), ["pairwise_errors", "cosine"], epochs=25)
    assert found["block1"]["pairwise_errors"] < 0.3 and -1 <= found["block1"]["cosine"] <= 1


@pytest.mark.parametrize(
    ("fit", "words"),
    [
        (lambda: ContrastiveTrainer(mlp()).fit(numbers(), epochs=1), "ContrastiveTrainer needs class labels"),
        (lambda: RecurrentTrainer(mlp()).fit(numbers(), epochs=1), "RecurrentTrainer needs class labels"),
        (
            lambda: made(ForwardForwardTrainer, objective=Goodness()).fit(numbers(spread=0.0), epochs=1),
            "targets is 1, but this trainer learns 2",
        ),
        (
            lambda: made(ForwardForwardTrainer).build((6,), 3, "regression").fit(numbers(), epochs=1),
            "targets is 10, but this trainer learns 3",
        ),
        (lambda: made(ForwardForwardTrainer).build((6,), 1, "regression"), "at least 2 classes or bins"),
    ],
)
def test_what_cannot_be_learnt_is_said_before_any_work(fit: Any, words: str) -> None:
    with pytest.raises(UsageError) as raised:
        fit()
    assert words in str(raised.value)
