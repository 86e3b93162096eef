"""What a trainer is given: a Split is rows with their labels, a Dataset is the three splits and what they mean."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab.data.augment import Augment
from lab.errors import DataError

TASKS = ("classification", "regression")


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """Rows with their labels or targets, checked when made.

    x: (N, *shape), uint8 (images stay so, an eighth of the memory of float64), float32 or float64, all finite.
    y: (N,) int64 class labels from 0, or (N,) float64 targets, all finite.
    scale: the network's input is x * scale (1/255 for uint8 images).
    name: what to call these rows in an error message.
    alphabet: where not 0, the rows are text, of so many different characters: x (N, T) holds uint8 codes of them, which
        are read as one-hot rows (N, T, alphabet), made batch by batch, and y the code of the character that follows.
    augment: how images are changed in each batch that is trained on; None leaves them as they are.

    Raises DataError.
    """

    x: NDArray[Any]
    y: NDArray[Any]
    scale: float = 1.0
    name: str = "data"
    alphabet: int = 0
    augment: Augment | None = None

    def __post_init__(self) -> None:
        x, y, name = self.x, self.y, self.name
        if x.dtype not in (np.uint8, np.float32, np.float64) or not x.dtype.isnative:
            raise DataError(f"{name}: x has dtype {x.dtype}; convert it to uint8, float32 or float64")
        if x.ndim < 2:
            raise DataError(f"{name}: x has shape {x.shape}; give it one row a sample, as (rows, features)")
        if y.dtype not in (np.int64, np.float64) or not y.dtype.isnative:
            raise DataError(f"{name}: y has dtype {y.dtype}; use int64 for labels or float64 for targets")
        if y.shape != x.shape[:1]:
            raise DataError(f"{name}: x has {len(x)} rows but y has shape {y.shape}; give each row of x one y")
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise DataError(f"{name}: scale={self.scale} is not a positive number; use 1/255 for bytes, else 1")
        if self.alphabet and (x.dtype != np.uint8 or self.scale != 1 or not 2 <= self.alphabet <= 256):
            raise DataError(
                f"{name}: an alphabet of {self.alphabet} does not go with {x.dtype} x {self.scale:.6g}; store "
                "the codes of 2 to 256 characters as uint8 with scale 1"
            )
        if self.alphabet and x.size and (high := max(int(x.max()), int(y.max()))) >= self.alphabet:
            raise DataError(f"{name}: the code {high} is not 0 to {self.alphabet - 1}; correct it, or the alphabet")
        if self.augment is not None:
            self.augment.check_shape(self.shape, name)
        require_finite(x, f"{name}: x")
        require_finite(y, f"{name}: y")
        if y.dtype == np.int64 and len(y) and (low := int(y.min())) < 0:
            raise DataError(f"{name}: label {low} in row {int(y.argmin())} is negative; count labels from 0")

    def __len__(self) -> int:
        return len(self.x)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one row, as a network reads it."""
        return (*self.x.shape[1:], self.alphabet) if self.alphabet else self.x.shape[1:]

    def __repr__(self) -> str:
        return f"Split({self.name}: {len(self):,} rows of {self.shape} {self.x.dtype}, scale {self.scale:.6g})"


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Train, valid and test rows of one task; `valid` may have no rows.

    n_classes: 0 for regression. shape: of one sample. classes: their names in the order of the labels, where they have
    any.
    digest: SHA-256 over the contents and the split rule, so equal digests mean equal rows. source: where it is from, in
    words. The arrays of a loaded data set are read-only: two trainers may share them.

    Raises DataError where the parts do not agree.
    """

    name: str
    train: Split
    valid: Split
    test: Split
    task: str
    n_classes: int
    shape: tuple[int, ...]
    digest: str
    source: str
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise DataError(f"{self.name}: task={self.task!r} is unknown; use one of {', '.join(TASKS)}")
        labels = self.task == "classification"
        if labels != (self.n_classes >= 2):
            raise DataError(f"{self.name}: n_classes={self.n_classes} does not fit {self.task}; use 2 or more, or 0")
        if self.classes and len(self.classes) != self.n_classes:
            raise DataError(f"{self.name}: {len(self.classes)} class names for {self.n_classes} classes; name each one")
        if self.train.alphabet not in (0, self.n_classes):
            raise DataError(
                f"{self.name}: n_classes={self.n_classes} is not the alphabet of {self.train.alphabet}; use the latter"
            )
        if not len(self.train):
            raise DataError(f"{self.name}: there is no row to train on; give it at least one")
        for part in (self.train, self.valid, self.test):
            if part.shape != self.shape or part.x.dtype != self.train.x.dtype or part.scale != self.train.scale:
                raise DataError(
                    f"{part.name}: rows of {part.shape} {part.x.dtype} x {part.scale:.6g} differ from "
                    f"{self.shape} {self.train.x.dtype} x {self.train.scale:.6g} of the training part; store all alike"
                )
            if (part.y.dtype == np.int64) != labels:
                raise DataError(
                    f"{part.name}: y of dtype {part.y.dtype} does not fit {self.task}; store it as the others"
                )
            if labels and len(part) and (high := int(part.y.max())) >= self.n_classes:
                raise DataError(
                    f"{part.name}: label {high} in row {int(part.y.argmax())} is not 0 to {self.n_classes - 1}; "
                    "correct the labels or the number of classes"
                )

    def augmented(self, augment: Augment | None) -> Dataset:
        """The same data set, with its images changed by `augment` while they are trained on.

        Raises UsageError where its rows are no images.
        """
        return replace(self, train=replace(self.train, augment=augment))

    def __repr__(self) -> str:
        rows = " / ".join(f"{len(part):,}" for part in (self.train, self.valid, self.test))
        return f"Dataset({self.name}: {rows} rows of {self.shape}, {self.task}, {self.n_classes} classes)"


def require_finite(values: NDArray[Any], what: str) -> None:
    """Raise DataError naming the first row and value that is NaN or infinite."""
    if values.dtype.kind != "f" or not values.size:
        return
    rows = max(1, 2**22 // max(1, values[0].size))  # in slices, so that the masks stay small beside the data
    for start in range(0, len(values), rows):
        finite = np.isfinite(values[start : start + rows])
        if not finite.all():
            at = np.unravel_index(int(finite.argmin()), finite.shape)
            value = values[start : start + rows][at]
            raise DataError(f"{what} is {value} in row {start + int(at[0])}; remove that row or fill the value in")
