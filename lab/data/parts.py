"""What a loader hands over: the parts as they are published, before the lab's own split."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab.data.dataset import require_finite
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
    alphabet: where not 0, the rows are text of so many different characters; see Split.
    gap: where not None, the rows are pieces of one stream in their order, and so many after a row share something with
        it. They are cut and never shuffled: see the split rule.
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
    alphabet: int = 0
    gap: int | None = None


def contents_digest(pairs: Mapping[str, Pair]) -> str:
    """Return SHA-256 over named pairs of arrays, as `as_rows` and `as_targets` return them, on any machine the same."""
    total = hashlib.sha256()
    for name, pair in sorted(pairs.items()):
        for values in pair:
            little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
            total.update(f"{name} {little.dtype.str} {little.shape}\n".encode())
            total.update(little.data.cast("B") if little.size else b"")
    return total.hexdigest()


def as_rows(x: NDArray[Any], what: str) -> NDArray[Any]:
    """Return x as uint8, float32 or float64 rows of one feature or more, all finite. `what` names it in errors."""
    if x.dtype.kind not in "buif":
        raise DataError(f"{what} has dtype {x.dtype}, which is not numbers; convert it to uint8, float32 or float64")
    if x.ndim < 2:
        raise DataError(f"{what} has shape {x.shape}; give it one row a sample, as (rows, features)")
    if 0 in x.shape[1:]:
        raise DataError(f"{what} has shape {x.shape}, so a row holds nothing; give it one feature or more")
    native = x.dtype.newbyteorder("=")
    if native not in (np.uint8, np.float32, np.float64):
        native = np.dtype(np.float32 if x.dtype.itemsize <= 2 else np.float64)  # float32 holds every 16-bit number
    require_finite(x, what)
    if native == np.float64 and x.size and (high := max(-x.min(), x.max())) > np.finfo(np.float32).max:
        raise DataError(f"{what} holds {high:.3g}, which float32 cannot; scale the features to about 1")
    return x.astype(native, copy=False)


def as_targets(y: NDArray[Any], what: str, n_classes: int | None = None) -> NDArray[Any]:
    """Return y as (N,) int64 labels or (N,) float64 targets: by its dtype, or as n_classes says (0: targets)."""
    if y.dtype.kind not in "buif":
        advice = "number the classes, as np.unique(y, return_inverse=True)[1] does"
        raise DataError(f"{what} has dtype {y.dtype}, which is not numbers; {advice}")
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise DataError(f"{what} has shape {y.shape}; give it one label or target a row (for one-hot rows y.argmax(1))")
    require_finite(y, what)
    if n_classes == 0 or (n_classes is None and y.dtype.kind == "f"):
        return y.astype(np.float64)
    if y.dtype.kind == "f":
        raise DataError(f"{what} has dtype {y.dtype}, but labels are whole numbers; store them as int64")
    top = 2**63 if n_classes is None else n_classes
    if y.size and not (int(y.max()) < top and (n_classes is None or int(y.min()) >= 0)):
        row = int(y.argmax() if int(y.max()) >= top else y.argmin())
        raise DataError(
            f"{what} holds the label {y[row]} in row {row}, which is not 0 to {top - 1}; correct or remove it"
        )
    return y.astype(np.int64)
