"""What a loader hands over: the parts as they are published, before the lab's own split."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab.errors import DataError

Pair = tuple[NDArray[Any], NDArray[Any]]  # x: (N, *shape), y: (N,)


@dataclass(frozen=True, eq=False)
class Parts:
    """The official parts of a data set; only `train` is needed.

    test: where None, 20 % of the training rows become the test part.
    valid: where None, it is carved from the training part (the usual case).
    n_classes: where None, whole-numbered y are labels, whose values are listed and counted, and real-numbered y are the
        targets of a regression. 0 says regression.
    classes: names of the classes. scale: network input = x * scale; where None, 1/255 for bytes and else 1.
    standardise: shift and scale each feature to mean 0 and deviation 1, by statistics of the training rows alone.
    default_valid: how many rows (whole number) or which share (fraction) of the training rows become the valid part.
    digest: SHA-256 of the contents, where it is known already; else the arrays are hashed.
    source: where this came from, in words.
    """

    train: Pair
    test: Pair | None = None
    valid: Pair | None = None
    n_classes: int | None = None
    classes: tuple[str, ...] = ()
    scale: float | None = None
    standardise: bool = False
    default_valid: int | float = 0.2
    digest: str = ""
    source: str = ""


def contents_digest(parts: Parts) -> str:
    """Return SHA-256 over the parts' arrays (names, dtypes, shapes, values), or the digest that they came with."""
    if parts.digest:
        return parts.digest
    total = hashlib.sha256()
    for name, pair in (("train", parts.train), ("valid", parts.valid), ("test", parts.test)):
        for values in pair or ():
            little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
            total.update(f"{name} {little.dtype.str} {little.shape}\n".encode())
            total.update(little.data.cast("B") if little.size else b"")
    return total.hexdigest()


def as_rows(x: NDArray[Any], what: str) -> NDArray[Any]:
    """Return x as uint8, float32 or float64 rows of one feature or more, with nothing lost. `what` names it in errors."""
    if x.dtype.kind not in "buif":
        raise DataError(f"{what} has dtype {x.dtype}, which is not numbers; convert it to uint8, float32 or float64")
    if x.ndim < 2:
        raise DataError(f"{what} has shape {x.shape}; give it one row a sample, as (rows, features)")
    if not np.prod(x.shape[1:]):
        raise DataError(f"{what} has shape {x.shape}, so a row holds nothing; give it one feature or more")
    if x.dtype == np.uint8 or x.dtype == np.float32 or x.dtype == np.float64:
        return x.astype(x.dtype.newbyteorder("="), copy=False)
    if x.dtype.itemsize <= 2:
        return x.astype(np.float32)  # 24 bits hold every such number
    return x.astype(np.float64)


def as_targets(y: NDArray[Any], what: str) -> NDArray[Any]:
    """Return y as (N,) int64 labels where it is whole numbers, or (N,) float64 targets where it is real ones."""
    if y.dtype.kind not in "buif":
        advice = "number the classes, as np.unique(y, return_inverse=True)[1] does"
        raise DataError(f"{what} has dtype {y.dtype}, which is not numbers; {advice}")
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise DataError(f"{what} has shape {y.shape}; give it one label or target a row (for one-hot rows y.argmax(1))")
    if y.dtype.kind == "u" and y.size and int(y.max()) >= 2**63:
        raise DataError(f"{what} holds the label {int(y.max())}; use labels below 2**63")
    return y.astype(np.float64 if y.dtype.kind == "f" else np.int64)
