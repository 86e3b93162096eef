"""Regressors: backprop on the squared error, forward-forward on bins of the targets."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from sklearn.preprocessing import StandardScaler

from lab.estimators.base import Auto, Estimator, Floats, auto
from lab.estimators.families import Backprop, ForwardForward
from lab.layers import ActivationName, LabelMode
from lab.trainers.bins import Bins
from lab.trainers.negatives import Negatives


class _Regressor(RegressorMixin, Estimator):  # type: ignore[misc] # scikit-learn has no type hints
    """Targets are brought into a form that the trainer can learn from, and predictions back."""

    def fit(self, X: Any, y: Any) -> Self:
        """Train anew on rows X (N, F) and their targets y (N,)."""
        X, y = self._numbers(X, y, reset=True)
        self._begin_numbers(X, y)
        return self._learn(X, self._targets(y), self._all_epochs(len(X)))

    def partial_fit(self, X: Any, y: Any) -> Self:
        """Train for one epoch more on the rows given."""
        first = not hasattr(self, "trainer_")
        X, y = self._numbers(X, y, reset=first)
        if first:
            self._begin_numbers(X, y)
        else:
            self._more_numbers(y)
        return self._learn_more(X, self._targets(y), first=first)

    @abstractmethod
    def _begin_numbers(self, X: Floats, y: NDArray[np.float64]) -> None:
        """A new trainer, and what turns targets into what it learns."""

    @abstractmethod
    def _more_numbers(self, y: NDArray[np.float64]) -> None:
        """Take more targets into account."""

    @abstractmethod
    def _targets(self, y: NDArray[np.float64]) -> NDArray[Any]:
        """What the trainer learns."""

    def _numbers(self, X: Any, y: Any, *, reset: bool) -> tuple[Floats, NDArray[np.float64]]:
        X, y = self._check(X, y, reset=reset, numeric=True)
        return X, y.astype(np.float64, copy=False)


class BackpropRegressor(_Regressor, Backprop):
    """A fully connected network trained by backpropagation on the squared error, as a scikit-learn regressor.

    It learns targets of mean 0 and variance 1. Predictions have the network's dtype: choose float64 for targets whose
    mean is millions of times their spread.
    """

    _decay: ClassVar[float] = 4.0

    def predict(self, X: Any) -> Floats:
        """The target of each row, (N,) in the network's dtype."""
        rows = self._rows(X)
        spread = np.sqrt(self.target_scaler_.var_)  # unlike scale_ it is 0 where all targets are equal
        found: Floats = self.trainer_.predict(rows) * spread + self.target_scaler_.mean_
        return found.astype(self.dtype)

    def _begin_numbers(self, X: Floats, y: NDArray[np.float64]) -> None:
        self.target_scaler_ = StandardScaler().fit(y[:, None])
        self._begin(X, 1, "regression")

    def _more_numbers(self, y: NDArray[np.float64]) -> None:
        self.target_scaler_.partial_fit(y[:, None])

    def _targets(self, y: NDArray[np.float64]) -> NDArray[np.float64]:
        found: NDArray[np.float64] = self.target_scaler_.transform(y[:, None])[:, 0]
        return found


class ForwardForwardRegressor(_Regressor, ForwardForward):
    """A fully connected network trained by forward-forward on bins of the targets, as a scikit-learn regressor.

    Forward-forward learns from labels only. So `n_bins` quantile bins of the targets are the labels, and the prediction
    is sum_k p_k c_k, with p the softmax of goodness over the temperature (or the head's probabilities) and c_k the mean
    target of bin k. It lies between the smallest and the largest bin mean. Negatives are uniform: against hard ones,
    which are drawn from what the network believes, goodness cannot be the log odds of a label, and p is no longer the
    probability of a bin. Other options as in ForwardForwardClassifier.

    bins_  the bins: edges, labels(y), centres
    """

    _constant: ClassVar[float] = 1.0

    def __init__(
        self,
        hidden: tuple[int, ...] = (500, 500),
        *,
        n_bins: int = 10,
        activation: ActivationName = "relu",
        epochs: int | Auto = "auto",
        batch_size: int | Auto = "auto",
        learning_rate: float | Auto = "auto",
        weight_decay: float = 0.001,
        dropout: float = 0.0,
        negatives: Negatives = "uniform",
        answer: Literal["goodness", "softmax"] = "goodness",
        label: LabelMode = "features",
        standardize: bool = True,
        dtype: Literal["float32", "float64"] = "float32",
        threads: int | None = None,
        random_state: Any = None,
    ) -> None:
        super().__init__(
            hidden,
            activation=activation,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            dropout=dropout,
            negatives=negatives,
            answer=answer,
            label=label,
            standardize=standardize,
            dtype=dtype,
            threads=threads,
            random_state=random_state,
        )
        self.n_bins = n_bins

    def predict(self, X: Any) -> Floats:
        """The target of each row, (N,) in the network's dtype: the bins' means, weighted by the bins' probabilities."""
        rows = self._rows(X)
        found: Floats = (self._label_probabilities(rows) @ self.bins_.centres).astype(self.dtype)
        return found

    def _begin_numbers(self, X: Floats, y: NDArray[np.float64]) -> None:
        self.bins_ = Bins(y, auto(self, "n_bins", 10))
        self._begin(X, self.bins_.n, "classification")

    def _more_numbers(self, y: NDArray[np.float64]) -> None:
        self.bins_.add(y)

    def _targets(self, y: NDArray[np.float64]) -> NDArray[np.int64]:
        return self.bins_.labels(y)
