"""Classifiers: how well they do by default, and what they have over scikit-learn's own checks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import lab
from lab.errors import UsageError
from lab.estimators import BackpropClassifier, ForwardForwardClassifier

BOTH = pytest.mark.parametrize("kind", [BackpropClassifier, ForwardForwardClassifier])


def two_moons(n: int = 120, seed: int = 0) -> tuple[Any, Any]:
    """Two classes that no line separates, as texts."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, np.pi, n)
    upper = np.arange(n) % 2 == 0
    x = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    x[~upper] = [1, 0.5] - x[~upper]
    return x + rng.normal(0, 0.1, x.shape), np.where(upper, "up", "down")


@BOTH
def test_digits(kind: Any) -> None:
    x, y = load_digits(return_X_y=True)
    train, test, labels, truth = train_test_split(x, y, random_state=0)
    model = kind(hidden=(200, 200), random_state=0).fit(train, labels)
    assert model.score(test, truth) >= 0.95
    assert log_loss(truth, model.predict_proba(test)) < 0.25


@BOTH
def test_breast_cancer_in_a_pipeline_by_default(kind: Any) -> None:
    x, y = load_breast_cancer(return_X_y=True)
    train, test, labels, truth = train_test_split(x, y, random_state=0)
    model = make_pipeline(StandardScaler(), kind(random_state=0)).fit(train, labels)
    assert model.score(test, truth) >= 0.95


@BOTH
def test_texts_as_classes_in_a_frame(kind: Any) -> None:
    x, y = two_moons()
    frame = pd.DataFrame(x, columns=["across", "up"])
    model = kind(hidden=(60, 40), random_state=0).fit(frame, pd.Series(y))
    assert list(model.classes_) == ["down", "up"]
    assert list(model.feature_names_in_) == ["across", "up"]
    assert model.n_features_in_ == 2
    assert model.score(frame, y) > 0.95
    assert set(model.predict(frame)) == {"down", "up"}
    proba = model.predict_proba(frame)
    assert proba.shape == (120, 2)
    assert proba.dtype == np.float32
    np.testing.assert_array_equal(model.classes_[proba.argmax(axis=1)], model.predict(frame))


@BOTH
def test_widths_may_differ(kind: Any) -> None:
    x, y = two_moons()
    model = kind(hidden=(30, 20, 10), epochs=2).fit(x, y)
    described = model.trainer_.describe()
    assert [block["out_shape"] for block in described["blocks"]] == [[30], [20], [10]]
    assert described["label"] == "mlp 30-20-10"


@BOTH
def test_what_training_leaves(kind: Any) -> None:
    x, y = two_moons()
    model = kind(hidden=(20,), epochs=7, batch_size=50).fit(x, y)
    assert model.n_iter_ == 7 == len(model.history_)
    assert model.loss_curve_ == [record.train_loss for record in model.history_]
    assert model.loss_curve_[-1] < model.loss_curve_[0]
    assert model.trainer_.progress.step == 7 * 3


@BOTH
def test_few_rows_are_gone_over_more_often(kind: Any) -> None:
    x, y = two_moons()
    few = kind(hidden=(4,)).fit(x[:40], y[:40])
    more = kind(hidden=(4,)).fit(np.repeat(x, 10, axis=0), np.repeat(y, 10))
    assert few.n_iter_ > more.n_iter_ >= 20
    assert few.trainer_.batch_size == 16
    assert more.trainer_.batch_size == 30


def test_backprop_is_the_labs_trainer() -> None:
    x, y = two_moons()
    model = BackpropClassifier(
        hidden=(12, 12), epochs=4, batch_size=32, learning_rate=0.002, standardize=False, random_state=5
    ).fit(x, y)
    adam = lab.Adam(0.002, schedule="cooldown")
    trainer = lab.BackpropTrainer(lab.mlp(depth=2, width=12), optimizer=adam, batch_size=32, seed=5)
    rows = x.astype(np.float32)
    list(trainer.fit(lab.Split(rows, (y == "up").astype(np.int64)), epochs=4))
    np.testing.assert_array_equal(model.predict_proba(x), trainer.predict_proba(rows))


def test_forward_forward_is_the_labs_trainer() -> None:
    x, y = load_digits(return_X_y=True)
    x, y = x[:200] / 16, y[:200]
    model = ForwardForwardClassifier(
        hidden=(30, 30), epochs=3, batch_size=50, learning_rate=0.01, label="pixels", standardize=False, random_state=5
    ).fit(x, y)
    trainer = lab.ForwardForwardTrainer(lab.mlp(depth=2, width=30, label="pixels"), batch_size=50, seed=5)
    rows = x.astype(np.float32)
    list(trainer.fit(lab.Split(rows, y.astype(np.int64)), epochs=3))
    np.testing.assert_array_equal(model.trainer_.goodness(rows), trainer.goodness(rows))
    np.testing.assert_array_equal(model.predict(x), trainer.predict(rows))
    goodness = trainer.goodness(rows).astype(np.float64) / model.temperature_
    proba = np.exp(goodness - goodness.max(axis=1, keepdims=True))
    np.testing.assert_allclose(model.predict_proba(x), proba / proba.sum(axis=1, keepdims=True), rtol=1e-5)


def test_labels_over_pixels_are_as_bright_as_pixels() -> None:
    x, y = load_digits(return_X_y=True)
    x, y = x[:200], y[:200]
    options = {"hidden": (16, 16), "epochs": 2, "label": "pixels", "standardize": False, "random_state": 0}
    dark, bright = (ForwardForwardClassifier(**options).fit(x * factor, y) for factor in (1, 16))
    np.testing.assert_array_equal(dark.predict(x), bright.predict(x * 16))  # rows are normalised: a power of 2 is exact


def test_rows_that_differ_in_length_alone_are_told_apart() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 3))
    y = np.arange(200) % 2
    x *= ((1 + y) / np.linalg.norm(x, axis=1))[:, None]
    assert ForwardForwardClassifier(hidden=(60, 60), random_state=0).fit(x, y).score(x, y) > 0.95


def test_the_softmax_head_answers_when_asked() -> None:
    x, y = two_moons()
    model = ForwardForwardClassifier(hidden=(60, 40), answer="softmax", random_state=0).fit(x, y)
    assert model.score(x, y) > 0.9
    rows = StandardScaler().fit_transform(x).astype(np.float32)
    np.testing.assert_allclose(model.predict_proba(x), model.trainer_.predict_proba(rows), rtol=1e-4)
    assert not hasattr(model, "temperature_")


@BOTH
def test_grid_search_over_a_pipeline(kind: Any) -> None:
    x, y = two_moons()
    pipeline = make_pipeline(StandardScaler(), kind(epochs=40, random_state=0))
    name = f"{kind.__name__.lower()}__hidden"
    search = GridSearchCV(pipeline, {name: [(1,), (60, 40)]}, cv=3, error_score="raise").fit(x, y)
    assert search.best_params_ == {name: (60, 40)}
    assert search.best_score_ > 0.9


@BOTH
def test_random_state(kind: Any) -> None:
    x, y = two_moons()

    def proba(random_state: Any) -> Any:
        return kind(hidden=(8,), epochs=2, random_state=random_state).fit(x, y).predict_proba(x)

    np.testing.assert_array_equal(proba(3), proba(np.int64(3)))
    assert (proba(3) != proba(4)).any()
    state = np.random.RandomState(0)
    first, second = proba(state), proba(state)
    assert (first != second).any()
    np.testing.assert_array_equal(first, proba(np.random.RandomState(0)))
    assert (proba(None) != proba(None)).any()


@BOTH
def test_dtype_is_that_of_all_computation(kind: Any) -> None:
    x, y = two_moons()
    model = kind(hidden=(8,), epochs=2, dtype="float64").fit(x, y)
    assert model.predict_proba(x).dtype == np.float64
    assert {a.dtype for name, a in model.trainer_.state().items() if name.startswith("weights/")} == {
        np.dtype("float64")
    }


@BOTH
@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("hidden", (), r"hidden=\(\) is no sequence of layer widths"),
        ("hidden", 500, "hidden=500 is no sequence"),
        ("hidden", (5, 0), r"hidden=\(5, 0\)"),
        ("hidden", (5, 2.5), r"hidden=\(5, 2.5\)"),
        ("activation", "relo", "activation 'relo'"),
        ("epochs", 0, "epochs must be at least 1, got 0"),
        ("epochs", "many", "epochs='many' is no number"),
        ("epochs", 2.5, "epochs=2.5 is no whole number"),
        ("batch_size", 0, "batch_size must be at least 1, got 0"),
        ("batch_size", None, "batch_size=None is no number"),
        ("learning_rate", -1, "learning_rate=-1"),
        ("learning_rate", "fast", "learning_rate='fast' is no number"),
        ("weight_decay", -1, "weight_decay=-1"),
        ("dropout", 1.5, "1.5"),
        ("dtype", "float16", "float16"),
        ("threads", 0, "threads must be at least 1, got 0"),
    ],
)
def test_wrong_options_are_named(kind: Any, option: str, value: Any, says: str) -> None:
    x, y = two_moons(20)
    with pytest.raises(UsageError, match=says):
        kind(**{"hidden": (4,), option: value}).fit(x, y)


@pytest.mark.parametrize("option", ["negatives", "answer", "label"])
def test_wrong_choices_of_forward_forward_are_named(option: str) -> None:
    x, y = two_moons(20)
    with pytest.raises(UsageError, match="odd"):
        ForwardForwardClassifier(hidden=(4,), **{option: "odd"}).fit(x, y)


@BOTH
def test_one_class_is_refused_and_sparse_rows_are(kind: Any) -> None:
    from scipy.sparse import csr_array

    x, y = two_moons()
    with pytest.raises(ValueError, match=r"one class only, .*'up'"):
        kind().fit(x, np.full(len(x), "up"))
    with pytest.raises(TypeError, match="dense data is required"):
        kind().fit(csr_array(x), y)
