"""Scikit-learn estimators over the trainers: for pipelines, grid search and everything else that takes an estimator."""

from __future__ import annotations

from lab.estimators.classifiers import BackpropClassifier, ForwardForwardClassifier
from lab.estimators.regressors import BackpropRegressor, ForwardForwardRegressor

__all__ = ["BackpropClassifier", "BackpropRegressor", "ForwardForwardClassifier", "ForwardForwardRegressor"]
