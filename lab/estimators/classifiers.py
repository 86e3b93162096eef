"""Classifiers: labels of any kind in, probabilities out."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets, unique_labels
from sklearn.utils.validation import column_or_1d

from lab.estimators.base import Estimator, Floats
from lab.estimators.families import Backprop, ForwardForward


class _Classifier(ClassifierMixin, Estimator):  # type: ignore[misc] # scikit-learn has no type hints
    """Classes are labels from 0 inside, in the order of `classes_`."""

    classes_: NDArray[Any]

    def fit(self, X: Any, y: Any) -> Self:
        """Train anew on rows X (N, F) and their classes y (N,), which may be numbers or texts."""
        X, y = self._labelled(X, y, reset=True)
        self.classes_ = np.unique(y)
        self._check_classes()
        self._begin(X, len(self.classes_), "classification")
        return self._learn(X, np.searchsorted(self.classes_, y), self._all_epochs(len(X)))

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> Self:
        """Train for one epoch more on the rows given; `classes` names all there will be, at the first call."""
        first = not hasattr(self, "trainer_")
        X, y = self._labelled(X, y, reset=first)
        if first:
            if classes is None:
                raise ValueError("the first call of partial_fit needs classes: all classes that will ever be in y")
            self.classes_ = unique_labels(classes)
            self._check_classes()
        elif classes is not None and not np.array_equal(unique_labels(classes), self.classes_):
            raise ValueError(f"classes={classes!r} differ from those of the first call, {self.classes_.tolist()}")
        odd = np.setdiff1d(y, self.classes_).tolist()
        if odd:
            raise ValueError(f"y has {odd[0]!r}, which is not among the classes {self.classes_.tolist()}")
        if first:
            self._begin(X, len(self.classes_), "classification")
        return self._learn_more(X, np.searchsorted(self.classes_, y), first=first)

    def predict_proba(self, X: Any) -> Floats:
        """The probability of each class, (N, K) in the network's dtype and the order of `classes_`."""
        rows = self._rows(X)
        return self._label_probabilities(rows)

    def predict(self, X: Any) -> NDArray[Any]:
        """The most probable class of each row, (N,)."""
        best = self.predict_proba(X).argmax(axis=1)
        found: NDArray[Any] = self.classes_[best]
        return found

    def _labelled(self, X: Any, y: Any, *, reset: bool) -> tuple[Floats, NDArray[Any]]:
        X, y = self._check(X, y, reset=reset, numeric=False)
        check_classification_targets(y)
        return X, column_or_1d(y, warn=True)

    def _check_classes(self) -> None:
        if len(self.classes_) < 2:
            raise ValueError(f"y has one class only, {self.classes_.tolist()[0]!r}; give rows of at least two")


class BackpropClassifier(_Classifier, Backprop):
    """A fully connected network trained by backpropagation on the cross-entropy, as a scikit-learn classifier."""


class ForwardForwardClassifier(_Classifier, ForwardForward):
    """A fully connected network trained by forward-forward, as a scikit-learn classifier.

    The probability of a class is the softmax of goodness over the temperature (answer="goodness") or what the softmax
    head says. The temperature changes no prediction.
    """
