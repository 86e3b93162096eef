"""Training bit by bit, and estimators that are pickled or copied in the middle of it."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import make_friedman1

from lab.estimators import BackpropClassifier, BackpropRegressor, ForwardForwardClassifier, ForwardForwardRegressor
from tests.estimators.test_classifiers import two_moons

ALL = pytest.mark.parametrize(
    "kind", [BackpropClassifier, ForwardForwardClassifier, BackpropRegressor, ForwardForwardRegressor]
)
CLASSIFIERS = pytest.mark.parametrize("kind", [BackpropClassifier, ForwardForwardClassifier])


def rows(kind: Any) -> tuple[Any, Any]:
    """Something to learn for this estimator."""
    return two_moons() if "Classifier" in kind.__name__ else make_friedman1(120, random_state=0)


def first(kind: Any) -> dict[str, Any]:
    """What the first call needs on top of rows."""
    return {"classes": ["down", "up"]} if "Classifier" in kind.__name__ else {}


@ALL
def test_partial_fit_learns(kind: Any) -> None:
    x, y = rows(kind)
    model = kind(hidden=(60, 40), batch_size=10, random_state=0)
    for epoch in range(60):
        for part in (slice(0, 60), slice(60, 120)):
            model.partial_fit(x[part], y[part], **first(kind))
        assert model.n_iter_ == 2 * (epoch + 1)
    assert model.score(x, y) > (0.9 if first(kind) else 0.4)  # 0.5 to 0.75 over seeds and roundings
    assert len({record.learning_rate for record in model.history_}) == 1


@ALL
def test_fit_may_be_gone_on_with_and_begins_anew(kind: Any) -> None:
    x, y = rows(kind)
    model = kind(hidden=(8,), epochs=3, random_state=0).fit(x, y)
    before = model.predict(x)
    assert model.partial_fit(x, y).n_iter_ == 4
    assert model.trainer_.progress.history[-1].learning_rate == model.history_[0].learning_rate
    assert model.fit(x, y).n_iter_ == 3
    np.testing.assert_array_equal(model.predict(x), before)


@ALL
def test_standardisation_takes_in_all_rows_seen(kind: Any) -> None:
    x, y = rows(kind)
    model = kind(hidden=(8,), random_state=0)
    for part in (slice(0, 7), slice(7, 60), slice(60, 120)):
        model.partial_fit(x[part], y[part], **first(kind))
    np.testing.assert_allclose(model.scaler_.mean_, x.mean(axis=0))
    np.testing.assert_allclose(model.scaler_.var_, x.var(axis=0))


@CLASSIFIERS
def test_classes_are_named_once(kind: Any) -> None:
    x, y = two_moons()
    model = kind(hidden=(8,), random_state=0)
    with pytest.raises(ValueError, match="first call of partial_fit needs classes"):
        model.partial_fit(x, y)
    with pytest.raises(ValueError, match="'up', which is not among the classes"):
        kind(hidden=(8,)).partial_fit(x, y, classes=["down", "left"])
    with pytest.raises(ValueError, match="one class only"):
        kind(hidden=(8,)).partial_fit(x[:1], y[:1], classes=y[:1])
    model.partial_fit(x[:1], y[:1], classes=["up", "down", "left"])
    assert list(model.classes_) == ["down", "left", "up"]
    assert model.predict_proba(x).shape == (120, 3)
    with pytest.raises(ValueError, match="differ from those of the first call"):
        model.partial_fit(x, y, classes=["up", "down"])
    assert model.partial_fit(x, y, classes=["up", "left", "down"]).n_iter_ == 2


def test_a_few_rows_move_the_temperature_a_little() -> None:
    x, y = two_moons()
    model = ForwardForwardClassifier(hidden=(8,), random_state=0).partial_fit(x, y, classes=["down", "up"])
    before = model.temperature_
    model.partial_fit(x[:1], np.array(["up" if y[0] == "down" else "down"]))
    assert model.temperature_ == pytest.approx(before, rel=0.02)


def test_bins_keep_their_edges() -> None:
    x, y = make_friedman1(120, random_state=0)
    model = ForwardForwardRegressor(hidden=(8,), n_bins=3, random_state=0).partial_fit(x, y)
    edges = model.bins_.edges.copy()
    model.partial_fit(x, y + 100)
    np.testing.assert_array_equal(model.bins_.edges, edges)
    everything = np.concatenate([y, y + 100])
    assert model.bins_.centres[2] == pytest.approx(everything[everything >= edges[1]].mean())


@ALL
@pytest.mark.parametrize("copied", [lambda m: pickle.loads(pickle.dumps(m)), copy.deepcopy])  # noqa: S301
def test_a_copy_answers_and_goes_on_as_the_original(kind: Any, copied: Any) -> None:
    x, y = rows(kind)
    model = kind(hidden=(12, 8), dropout=0.2, epochs=3, random_state=0).fit(x, y)
    twin = copied(model)
    np.testing.assert_array_equal(twin.predict(x), model.predict(x))
    assert twin.loss_curve_ == model.loss_curve_
    before = model.predict(x)
    twin.partial_fit(x, y)
    np.testing.assert_array_equal(model.predict(x), before)
    model.partial_fit(x, y)
    for name, array in model.trainer_.state().items():
        np.testing.assert_array_equal(twin.trainer_.state()[name], array, err_msg=name)
    assert twin.loss_curve_ == model.loss_curve_


@ALL
def test_a_clone_has_the_options_and_nothing_learned(kind: Any) -> None:
    x, y = rows(kind)
    model = kind(hidden=(12, 8), epochs=2, random_state=0).fit(x, y)
    twin = clone(model)
    assert twin.get_params() == model.get_params()
    assert not hasattr(twin, "trainer_")
