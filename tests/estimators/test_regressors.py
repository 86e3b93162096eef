"""Regressors: backprop on the squared error, forward-forward on bins."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, make_friedman1
from sklearn.model_selection import KFold, cross_val_score

from lab.errors import UsageError
from lab.estimators import BackpropRegressor, ForwardForwardRegressor

BOTH = pytest.mark.parametrize("kind", [BackpropRegressor, ForwardForwardRegressor])


@BOTH
def test_diabetes_by_default(kind: Any) -> None:
    x, y = load_diabetes(return_X_y=True)
    folds = KFold(5, shuffle=True, random_state=0)
    assert cross_val_score(kind(random_state=0), x, y, cv=folds).mean() > 0.4  # least squares has 0.49


@pytest.mark.parametrize(("kind", "least"), [(BackpropRegressor, 0.75), (ForwardForwardRegressor, 0.5)])
def test_what_is_not_linear_is_learned(kind: Any, least: float) -> None:
    x, y = make_friedman1(600, noise=1.0, random_state=0)
    model = kind(hidden=(200, 200), random_state=0).fit(x[:400], y[:400])
    assert model.score(x[400:], y[400:]) > least


@BOTH
@pytest.mark.parametrize(("offset", "spread"), [(0.0, 1e-6), (1e4, 1.0), (-3e8, 1e8)])
def test_units_of_targets_do_not_matter(kind: Any, offset: float, spread: float) -> None:
    x, y = make_friedman1(100, random_state=0)
    options: Any = {"hidden": (20, 20), "epochs": 20, "random_state": 0, "dtype": "float64"}
    plain = kind(**options).fit(x, y).predict(x)
    scaled = kind(**options).fit(x, y * spread + offset).predict(x)
    np.testing.assert_allclose((scaled - offset) / spread, plain, rtol=1e-5)


@BOTH
def test_units_of_features_do_not_matter(kind: Any) -> None:
    x, y = make_friedman1(100, random_state=0)
    options: Any = {"hidden": (20, 20), "epochs": 20, "random_state": 0, "dtype": "float64"}
    scales = 10.0 ** np.arange(-5, 5)
    plain, scaled = kind(**options).fit(x, y), kind(**options).fit(x * scales + scales, y)
    np.testing.assert_allclose(scaled.predict(x * scales + scales), plain.predict(x), rtol=1e-6)


@BOTH
def test_equal_targets_are_predicted(kind: Any) -> None:
    x = np.random.default_rng(0).standard_normal((40, 3))
    found = kind(hidden=(8,), epochs=60, random_state=0).fit(x, np.full(40, 3.5)).predict(x)
    np.testing.assert_array_equal(found, np.float32(3.5))


@BOTH
def test_a_few_rows(kind: Any) -> None:
    model = kind(hidden=(20,), random_state=0).fit([[0.0], [1.0], [2.0]], [5, 7, 9])
    np.testing.assert_allclose(model.predict([[0.0], [1.0], [2.0]]), [5, 7, 9], atol=1.0)


def test_predictions_are_means_of_bins_weighted_by_probability() -> None:
    x, y = make_friedman1(100, random_state=0)
    model = ForwardForwardRegressor(hidden=(20, 20), epochs=20, n_bins=4, random_state=0).fit(x, y)
    labels = model.bins_.labels(y)
    assert model.bins_.n == 4
    centres = [y[labels == k].mean() for k in range(4)]
    np.testing.assert_allclose(model.bins_.centres, centres)
    rows = (x - x.mean(axis=0)) / x.std(axis=0)
    constant = np.full((100, 1), np.sqrt((rows**2).sum(axis=1).mean()))
    goodness = model.trainer_.goodness(np.hstack([rows, constant]).astype(np.float32)) / model.temperature_
    proba = np.exp(goodness - goodness.max(axis=1, keepdims=True))
    proba /= proba.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.predict(x), proba @ centres, rtol=1e-3)
    far = model.predict(x * 1000)
    assert far.min() >= min(centres) - 1e-3
    assert far.max() <= max(centres) + 1e-3


def test_wrong_options_are_named() -> None:
    x, y = make_friedman1(30, random_state=0)
    with pytest.raises(UsageError, match="n_bins must be at least 2, got 1"):
        ForwardForwardRegressor(n_bins=1).fit(x, y)
    with pytest.raises(UsageError, match="n_bins='ten' is no number"):
        ForwardForwardRegressor(n_bins="ten").fit(x, y)  # type: ignore[arg-type]
