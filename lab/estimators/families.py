"""The two families: what trains an estimator's network, and with which defaults."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from lab.errors import UsageError
from lab.estimators.base import Auto, Estimator, Floats, Hidden, auto
from lab.estimators.temperature import fit_temperature, softmax
from lab.layers import ActivationName, LabelMode
from lab.optimizers import SGD, Adam
from lab.registry import unknown
from lab.trainers import BackpropTrainer, ForwardForwardTrainer, Readout
from lab.trainers.negatives import Negatives

LABEL_SHARE = 0.25  # the length of a label over that of a row
CALIBRATION_ROWS = 1000  # training rows, evenly spaced, that the temperature is fitted to


class Backprop(Estimator):
    """Trained by lab.BackpropTrainer: Adam, with a cool-down over the second half of the epochs."""

    trainer_: BackpropTrainer

    _updates: ClassVar[int] = 400
    _decay: ClassVar[float] = 0.0  # what weight_decay="auto" means where there are few rows

    def __init__(
        self,
        hidden: tuple[int, ...] = (500, 500),
        *,
        activation: ActivationName = "relu",
        epochs: int | Auto = "auto",
        batch_size: int | Auto = "auto",
        learning_rate: float | Auto = "auto",
        weight_decay: float | Auto = "auto",
        dropout: float = 0.0,
        standardize: bool = True,
        dtype: Literal["float32", "float64"] = "float32",
        threads: int | None = None,
        random_state: Any = None,
    ) -> None:
        """Take the options; they are checked when `fit` or `partial_fit` is called.

        hidden         the width of each hidden layer
        activation     relu, leaky_relu, sigmoid, tanh, swish, softmax or identity
        epochs         times that `fit` goes over the rows; auto: 20, or more to reach 400 updates
        batch_size     rows an update; auto: a fortieth of them, at least 16 and at most 100
        learning_rate  of Adam; auto: 0.5 / (the widest layer), at least 0.001 and at most 0.008
        weight_decay   decoupled, of Adam; auto: 0 for classes; 4 for numbers, and 20000 / rows where these are many
        dropout        between layers
        standardize    bring each feature to mean 0 and variance 1, by the rows trained on
        dtype          float32 or float64, of all computation and of what is predicted
        threads        BLAS threads; None leaves the libraries' own choice
        random_state   a whole number (the trainer's seed), a RandomState, or None for a new seed at each fit
        """
        self.hidden = hidden
        self.activation = activation
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.dropout = dropout
        self.standardize = standardize
        self.dtype = dtype
        self.threads = threads
        self.random_state = random_state

    def _make_trainer(self, rows: Floats, batch_size: int, seed: int) -> BackpropTrainer:
        widths = self._widths()
        rate = auto(self, "learning_rate", min(0.008, max(0.001, 0.5 / max(widths))))
        decay = auto(self, "weight_decay", min(self._decay, 20000 / len(rows)))
        return BackpropTrainer(
            Hidden(widths, self.activation, self.dropout),
            optimizer=Adam(rate, weight_decay=decay, schedule="cooldown"),
            seed=seed,
            batch_size=batch_size,
            dtype=self.dtype,
            threads=self.threads,
        )

    def _label_probabilities(self, rows: Floats) -> Floats:
        return self.trainer_.predict_proba(rows)


class ForwardForward(Estimator):
    """Trained by lab.ForwardForwardTrainer with the recipe's optimizer, objective and head.

    Rows are normalised to one length, so what their length says would be lost but for the label and, for numbers, a
    constant that are put into them: both are as long as they are for every row, and thus tell how long the row was.

    temperature_  what goodness is divided by before its softmax is the probability of a label
    row_length_   the root mean square of the lengths of the rows, which label and constant are measured by
    """

    trainer_: ForwardForwardTrainer
    temperature_: float
    row_length_: float

    _updates: ClassVar[int] = 600
    _constant: ClassVar[float] = 0.0  # its size over the rows' length; none is put into the rows where 0

    def __init__(
        self,
        hidden: tuple[int, ...] = (500, 500),
        *,
        activation: ActivationName = "relu",
        epochs: int | Auto = "auto",
        batch_size: int | Auto = "auto",
        learning_rate: float | Auto = "auto",
        weight_decay: float = 0.001,
        dropout: float = 0.0,
        negatives: Negatives = "hard",
        answer: Literal["goodness", "softmax"] = "goodness",
        label: LabelMode = "features",
        standardize: bool = True,
        dtype: Literal["float32", "float64"] = "float32",
        threads: int | None = None,
        random_state: Any = None,
    ) -> None:
        """Take the options; they are checked when `fit` or `partial_fit` is called.

        hidden         the width of each hidden layer, which is a block with a goodness of its own
        activation     relu, leaky_relu, sigmoid, tanh, swish, softmax or identity
        epochs         times that `fit` goes over the rows; auto: 20, or more to reach 600 updates
        batch_size     rows an update; auto: a fortieth of them, at least 16 and at most 100
        learning_rate  of the averaged gradient; auto: 5 / (the widest layer), at least 0.01 and at most 0.1
        weight_decay   decoupled
        dropout        between layers
        negatives      hard, uniform or fixed: which wrong labels rows are shown with; see ForwardForwardTrainer
        answer         goodness: the label under which the blocks are most active; softmax: the head, in one pass
        label          features: appended to the row; pixels: over the first numbers of the row, for images with a
                       border. For MNIST by the recipe: label="pixels", standardize=False
        standardize    bring each feature to mean 0 and variance 1, by the rows trained on
        dtype          float32 or float64, of all computation and of what is predicted
        threads        BLAS threads; None leaves the libraries' own choice
        random_state   a whole number (the trainer's seed), a RandomState, or None for a new seed at each fit
        """
        self.hidden = hidden
        self.activation = activation
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.dropout = dropout
        self.negatives = negatives
        self.answer = answer
        self.label = label
        self.standardize = standardize
        self.dtype = dtype
        self.threads = threads
        self.random_state = random_state

    def _make_trainer(self, rows: Floats, batch_size: int, seed: int) -> ForwardForwardTrainer:
        if self.answer not in ("goodness", "softmax"):
            raise UsageError(unknown("answer", self.answer, ("goodness", "softmax")))
        widths = self._widths()
        self.row_length_ = float(np.sqrt(np.square(rows, dtype=np.float64).sum(axis=1).mean())) or 1.0
        # a label over pixels is as bright as the brightest of them
        scale = float(np.abs(rows).max()) or 1.0 if self.label == "pixels" else LABEL_SHARE * self.row_length_
        # goodness is a sum over units: an update changes it the less, the fewer they are
        rate = auto(self, "learning_rate", min(0.1, max(0.01, 5 / max(widths))))
        return ForwardForwardTrainer(
            Hidden(widths, self.activation, self.dropout, self.label, scale),
            optimizer=SGD(rate, 0.9, dampening=0.9, weight_decay=self.weight_decay, schedule="cooldown"),
            readout=Readout(answer=self.answer),
            negatives=self.negatives,
            seed=seed,
            batch_size=batch_size,
            dtype=self.dtype,
            threads=self.threads,
        )

    def _network_rows(self, rows: Floats) -> Floats:
        if self.label == "pixels" or not self._constant:
            return rows
        constant = np.full((len(rows), 1), self._constant * self.row_length_, rows.dtype)
        return np.concatenate([rows, constant], axis=1)

    def _learned(self, rows: Floats, targets: NDArray[Any], *, first: bool) -> None:
        if self.answer == "softmax":
            return
        some = np.linspace(0, len(rows) - 1, min(len(rows), CALIBRATION_ROWS)).astype(np.int64)
        found = fit_temperature(self.trainer_.goodness(rows[some]), targets[some])
        weight = len(some) / CALIBRATION_ROWS  # a few rows move it a little
        self.temperature_ = found if first else self.temperature_ ** (1 - weight) * found**weight

    def _label_probabilities(self, rows: Floats) -> Floats:
        if self.answer == "softmax":
            return self.trainer_.predict_proba(rows)
        return softmax(self.trainer_.goodness(rows) / self.temperature_).astype(self.dtype)
