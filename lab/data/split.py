"""The one split rule: which rows train, which are looked at while training, and which are kept for the end.

1. A set without an official test part gives up a fifth of its rows as test.
2. valid is carved from the (remaining) training rows: `valid` rows, or that share of them.
3. Both are the first rows of a permutation that depends on the number of rows alone and never on a run's seed: all
   runs of all sweeps compare on the same rows. The training rows keep the permutation's order, so that the first N of
   them (`limit`) are a fair sample even of a file sorted by class. An official test or valid part keeps its own order.
4. Rows that are pieces of one stream (`Parts.gap`), as windows of a text are, are cut and not permuted: test is the
   end, valid what comes before it, train the beginning. Between two parts as many rows are left out as share something
   with their neighbours, so that nothing that is trained on is in a row that is tested on.
"""

from __future__ import annotations

import hashlib
import json
import numbers
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab.data.dataset import Dataset, Split
from lab.data.parts import Pair, Parts, as_rows, as_targets, contents_digest
from lab.errors import DataError, UsageError
from lab.random import generator

RULE = 1  # raised when this file gives other rows for the same contents
CONSTANT = 2212_13345  # names the permutation for ever (any fixed number would do; this is arXiv 2212.13345)
TEST_SHARE = 0.2


def split_permutation(n: int, part: str) -> NDArray[np.int64]:
    """Return the fixed permutation of n rows from which `part` ("valid" or "test") is the beginning.

    Sorted random words instead of `Generator.permutation`: numpy promises that the former never change.
    """
    words = generator(CONSTANT, "split", part).bit_generator.random_raw(n)
    return np.argsort(words, kind="stable").astype(np.int64, copy=False)


def carve_rows(n: int, share: object, what: str = "valid") -> int:
    """Return how many of n training rows `share` asks for: a whole number of rows, or a fraction below 1.

    Raises UsageError where it is neither, or where nothing would be left to train on.
    """
    advice = f"use a whole number of rows below {n} or a fraction below 1"
    if isinstance(share, bool) or not isinstance(share, numbers.Real):
        raise UsageError(f"{what}={share!r} is not a number; {advice}")
    rows = int(share) if isinstance(share, numbers.Integral) else -1
    if rows < 0 and 0 <= float(share) < 1:
        rows = round(float(share) * n)
    if rows < 0:
        raise UsageError(f"{what}={share} is no number of rows and no fraction; {advice}")
    if rows >= n:
        raise UsageError(f"{what}={share} leaves none of the {n} rows to train on; {advice}")
    return rows


def split_parts(
    name: str, parts: Parts, valid: float | None = None, limit: int | None = None, fewer: int | None = None
) -> Dataset:
    """Return the data set `name` made of `parts` by the rule above; `limit` then keeps the first rows of each part.

    `fewer` keeps so many of the training rows and leaves the other parts whole.

    The digest covers the contents, the rule and its parameters, so it is equal exactly where the rows are.

    Raises UsageError for a `valid` or `limit` that cannot be met, DataError for rows that cannot be trained on.
    """
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, numbers.Integral) or limit < 1):
        raise UsageError(f"limit={limit!r} is no number of rows; use a whole number from 1, or leave it out")
    train = _pair(parts.train, f"{name} (train)", parts.n_classes)
    given = {"test": parts.test, "valid": parts.valid}
    official = {part: _pair(pair, f"{name} ({part})", parts.n_classes) for part, pair in given.items() if pair}
    if len(train[0]) < 3:
        raise DataError(f"{name}: {len(train[0])} training rows are too few to split; give it at least 3")

    shares: dict[str, Any] = {} if "test" in official else {"test": TEST_SHARE}
    if "valid" not in official:
        shares["valid"] = parts.default_valid if valid is None else valid
    elif valid is not None:
        raise UsageError(f"valid={valid} cannot be met: {name} has its own valid part; leave valid out")
    order = np.arange(len(train[0]))
    rows: dict[str, NDArray[np.int64]] = {}
    for part, share in shares.items():
        count = carve_rows(len(order), share, part)
        if parts.gap is None:
            shuffled = order[split_permutation(len(order), part)]
            rows[part], order = shuffled[:count], shuffled[count:]
        else:
            rows[part], order = order[len(order) - count :], _before(order, count, parts.gap, f"{part}={share}", name)
    if "valid" in official and "test" in official and parts.gap is None:
        order = split_permutation(len(order), "valid")  # for the sake of `limit`, as above

    pairs = {"train": _take(train, order)} | {part: _take(train, index) for part, index in rows.items()} | official
    if fewer is not None and not 1 <= fewer <= len(pairs["train"][0]):
        most = len(pairs["train"][0])
        raise UsageError(f"train={fewer} cannot be met: {name} has {most} training rows; use 1 to {most}")
    pairs = {part: (x[:limit], y[:limit]) for part, (x, y) in pairs.items()}
    x, y = pairs["train"]
    pairs["train"] = x[:fewer], y[:fewer]
    task, n_classes, classes = _classes(name, parts, train[1])
    if n_classes and parts.n_classes is None:
        pairs = {part: (x, _number(y, classes, f"{name} ({part})")) for part, (x, y) in pairs.items()}
    if parts.standardise:
        pairs = _standardise(pairs)
    scale = parts.scale or (1 / 255 if train[0].dtype == np.uint8 and not parts.alphabet else 1.0)
    names = parts.classes or tuple(str(c) for c in classes)
    facts = {
        "rule": RULE,
        "contents": parts.digest or contents_digest({"train": train, **official}),
        "rows": [len(pairs[part][0]) for part in ("train", "valid", "test")],
        "carved": {part: len(index) for part, index in rows.items()},
        "scale": scale,
        "standardise": parts.standardise,
        **({"alphabet": parts.alphabet} if parts.alphabet else {}),
        **({} if parts.gap is None else {"gap": parts.gap}),
    }
    splits = {
        part: Split(_still(x), _still(y), scale, f"{name} ({part})", parts.alphabet) for part, (x, y) in pairs.items()
    }
    return Dataset(
        name=name,
        **splits,
        task=task,
        n_classes=n_classes,
        shape=splits["train"].shape,
        digest=hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest(),
        source=parts.source,
        classes=names,
    )


def _pair(pair: Pair, what: str, n_classes: int | None) -> Pair:
    """Return x and y as a Split has them, checked here, where a row's number is still the one it has in the file."""
    x, y = as_rows(pair[0], f"{what}: x"), as_targets(pair[1], f"{what}: y", n_classes)
    if len(x) != len(y):
        raise DataError(f"{what}: x has {len(x)} rows but y has {len(y)}; give each row of x one y")
    return x, y


def _before(order: NDArray[np.int64], count: int, gap: int, what: str, name: str) -> NDArray[np.int64]:
    """Return the rows before the last `count`, but for the `gap` that share something with these."""
    rest = order[: len(order) - count - gap] if count else order
    if not len(rest):
        raise UsageError(
            f"{what} leaves no row of {name} to train on: of its {len(order)} rows {gap} beside that part overlap it; "
            "ask for less, or give it more text"
        )
    return rest


def _take(pair: Pair, rows: NDArray[np.int64]) -> Pair:
    return pair[0][rows], pair[1][rows]


def _still(values: NDArray[Any]) -> NDArray[Any]:
    view = values.view()
    view.flags.writeable = False
    return view


def _classes(name: str, parts: Parts, y: NDArray[Any]) -> tuple[str, int, tuple[int, ...]]:
    """Return the task, the number of classes, and the label values where they have to be found in y."""
    if parts.n_classes is not None:
        return ("classification" if parts.n_classes else "regression"), parts.n_classes, ()
    if y.dtype == np.float64:
        return "regression", 0, ()
    values = tuple(int(v) for v in np.unique(y))
    if len(values) < 2:
        raise DataError(f"{name}: all labels are {values[0]}; give it two classes or more, or real-numbered targets")
    return "classification", len(values), values


def _number(y: NDArray[Any], classes: tuple[int, ...], what: str) -> NDArray[np.int64]:
    """Return labels 0 .. K-1, the places of y's values in `classes`."""
    known = np.array(classes)
    place = np.searchsorted(known, y).clip(max=len(known) - 1)
    if (strange := known[place] != y).any():
        row = int(strange.argmax())
        raise DataError(
            f"{what}: label {y[row]} in row {row} does not occur in the training part; correct or remove it"
        )
    return place.astype(np.int64)


def _standardise(pairs: dict[str, Pair]) -> dict[str, Pair]:
    """Return x as (x - m) / s, with m and s the mean and deviation of each feature over the training rows."""
    x = pairs["train"][0]
    mean, deviation = x.mean(axis=0), x.std(axis=0)
    deviation = np.where(deviation > 0, deviation, 1.0)
    return {part: ((x - mean) / deviation, y) for part, (x, y) in pairs.items()}
