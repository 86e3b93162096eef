"""What all estimators share: rows in, a trainer inside, and where its training stands."""

from __future__ import annotations

import math
import operator
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from lab.backend import Shape
from lab.data.dataset import Split
from lab.errors import UsageError
from lab.layers import ActivationName, LabelInput, LabelMode
from lab.networks import Defaults, Network
from lab.networks.perceptron import rates, stack
from lab.networks.spec import Norms
from lab.registry import unknown
from lab.trainers import EpochRecord, Trainer

Auto = Literal["auto"]
Floats = NDArray[np.floating[Any]]
FLOATS = (np.float64, np.float32)


@dataclass(frozen=True)
class Hidden:
    """A fully connected network with hidden layers of `widths` units, normed and initialised as its trainer does it."""

    widths: tuple[int, ...]
    activation: ActivationName
    dropout: float
    label: LabelMode = "features"
    label_scale: float = 1.0

    def make(self, in_shape: Shape, n_outputs: int, defaults: Defaults) -> Network:
        return stack(
            self.widths,
            n_outputs,
            act=self.activation,
            norms=Norms(defaults.norm),
            init=defaults.init,
            dropout=rates(self.dropout, len(self.widths)),
            label_input=LabelInput(self.label, scale=self.label_scale),
            label="mlp " + "-".join(map(str, self.widths)),
        )


class Estimator(BaseEstimator, ABC):  # type: ignore[misc] # scikit-learn has no type hints
    """A trainer behind scikit-learn's interface.

    A family (backprop, forward-forward) makes the trainer; a task (classifier, regressor) turns targets into what the
    trainer learns. Wrong options are UsageErrors; wrong data are ValueErrors, as scikit-learn's tools expect.

    trainer_  the lab's trainer, for all that scikit-learn has no name for: evaluate, save, memory, cost
    n_iter_, history_, loss_curve_  epochs done, their EpochRecords, and the mean training loss of each
    n_features_in_, feature_names_in_  of the rows, as everywhere in scikit-learn
    """

    hidden: tuple[int, ...]
    activation: ActivationName
    epochs: int | Auto
    batch_size: int | Auto
    standardize: bool
    dtype: Literal["float32", "float64"]
    threads: int | None
    random_state: Any

    trainer_: Trainer
    history_: list[EpochRecord]
    loss_curve_: list[float]
    n_iter_: int
    scaler_: StandardScaler | None

    _updates: ClassVar[int]  # that epochs="auto" aims at where there are few rows

    # -- the family's ------------------------------------------------------------------------------------------------
    @abstractmethod
    def _make_trainer(self, rows: Floats, batch_size: int, seed: int) -> Trainer:
        """A trainer for rows like these, which are standardised where the options say so."""

    def _network_rows(self, rows: Floats) -> Floats:
        """The rows as the network reads them: with what the family adds to each."""
        return rows

    def _learned(self, rows: Floats, targets: NDArray[Any], *, first: bool) -> None:
        """What the family does once rows have been learned, for the `first` time or later."""

    @abstractmethod
    def _label_probabilities(self, rows: Floats) -> Floats:
        """The probability of each label, (N, K), for rows as the network reads them."""

    # -- training ----------------------------------------------------------------------------------------------------
    def _begin(self, X: Floats, n_outputs: int, task: str) -> None:
        """Forget what was learned before, and make a trainer for rows like X."""
        if self.dtype not in ("float32", "float64"):
            raise UsageError(unknown("dtype", self.dtype, ("float32", "float64")))
        seed = self._seed()
        batch = auto(self, "batch_size", min(100, max(16, len(X) // 40)))
        self.scaler_ = StandardScaler().fit(X) if self.standardize else None
        rows = self._standardized(X)
        self.trainer_ = self._make_trainer(rows, batch, seed)
        self.trainer_.build(self._network_rows(rows[:1]).shape[1:], n_outputs, task)

    def _learn(self, X: Floats, targets: NDArray[Any], epochs: int, *, first: bool = True) -> Self:
        """Train for `epochs` more."""
        trainer = self.trainer_
        rows = self._network_rows(self._standardized(X))
        for _ in trainer.fit(Split(rows, targets, name="X"), epochs=trainer.progress.epoch + epochs):
            pass
        self._learned(rows, targets, first=first)
        self.history_ = list(trainer.progress.history)
        self.loss_curve_ = [record.train_loss for record in self.history_]
        self.n_iter_ = trainer.progress.epoch
        return self

    def _learn_more(self, X: Floats, targets: NDArray[Any], *, first: bool) -> Self:
        """One epoch over X at the full learning rate: nobody knows how many more will come."""
        if not first and self.scaler_ is not None:
            self.scaler_.partial_fit(X)
        optimizer: Any = self.trainer_.optimizer
        self.trainer_.optimizer = replace(optimizer, schedule="constant")
        return self._learn(X, targets, 1, first=first)

    def _all_epochs(self, n: int) -> int:
        """The epochs of a fit on n rows."""
        steps = math.ceil(n / self.trainer_.batch_size)
        epochs: int = auto(self, "epochs", max(20, math.ceil(self._updates / steps)))
        return epochs

    # -- rows --------------------------------------------------------------------------------------------------------
    def _check(self, X: Any, y: Any, *, reset: bool, numeric: bool) -> tuple[Floats, NDArray[Any]]:
        X, y = validate_data(self, X, y, reset=reset, dtype=FLOATS, y_numeric=numeric)
        return X, y

    def _rows(self, X: Any) -> Floats:
        """Checked rows as the network reads them."""
        check_is_fitted(self)
        return self._network_rows(self._standardized(validate_data(self, X, reset=False, dtype=FLOATS)))

    def _standardized(self, X: Floats) -> Floats:
        if self.scaler_ is not None:
            X = self.scaler_.transform(X)
        return X.astype(self.dtype, copy=False)

    # -- options -----------------------------------------------------------------------------------------------------
    def _seed(self) -> int:
        """A whole number is the trainer's seed itself; anything else is asked for one."""
        if isinstance(self.random_state, int | np.integer) and self.random_state >= 0:
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))

    def _widths(self) -> tuple[int, ...]:
        try:
            widths = tuple(operator.index(width) for width in self.hidden)
        except TypeError:
            widths = ()
        if not widths or min(widths) < 1:
            raise UsageError(f"hidden={self.hidden!r} is no sequence of layer widths; use one like (500, 500)")
        return widths


def auto(estimator: Estimator, option: str, default: Any) -> Any:
    """The number that an option holds, or `default` where it is "auto". Raises UsageError for anything else."""
    value = getattr(estimator, option)
    if isinstance(value, str) and value == "auto":
        return default
    if not isinstance(value, int | float | np.number) or isinstance(value, bool):
        raise UsageError(f'{option}={value!r} is no number; use one, or "auto"')
    if isinstance(default, float):
        return float(value)
    if value != int(value):
        raise UsageError(f"{option}={value!r} is no whole number; use one")
    return int(value)
