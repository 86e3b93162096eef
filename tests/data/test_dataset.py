from __future__ import annotations

import re
from dataclasses import FrozenInstanceError, replace
from typing import Any

import numpy as np
import pytest

from lab.data.dataset import Dataset, Split
from lab.errors import DataError


def rows(n: int = 4, **changes: Any) -> Split:
    values: dict[str, Any] = {"x": np.zeros((n, 3), np.float32), "y": np.arange(n) % 2, "name": "toy (train)"}
    return Split(**(values | changes))


def toy(**changes: Any) -> Dataset:
    values: dict[str, Any] = {
        "name": "toy", "train": rows(), "valid": rows(0), "test": rows(2), "task": "classification", "n_classes": 2,
        "shape": (3,), "digest": "d", "source": "made here",
    }  # fmt: skip
    return Dataset(**(values | changes))


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_split_keeps_its_arrays_as_they_are(dtype: type) -> None:
    x, y = np.ones((5, 1, 2, 2), dtype), np.arange(5)
    split = Split(x, y, scale=0.5)
    assert len(split) == 5
    assert split.x is x
    assert split.y is y
    with pytest.raises(FrozenInstanceError):
        split.scale = 1.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": np.zeros((4, 3), np.int32)}, r"toy \(train\): x has dtype int32; convert"),
        ({"x": np.zeros((4, 3), ">f4")}, "x has dtype >f4"),
        ({"x": np.zeros(4)}, r"x has shape \(4,\); give it one row a sample"),
        ({"y": np.zeros(4, np.int32)}, "y has dtype int32; use int64"),
        ({"y": np.zeros(3, np.int64)}, r"x has 4 rows but y has shape \(3,\)"),
        ({"y": np.zeros((4, 1), np.int64)}, r"y has shape \(4, 1\)"),
        ({"y": np.array([0, 1, -2, 1])}, "label -2 in row 2 is negative"),
        ({"y": np.array([0.0, 1.0, np.nan, 1.0])}, "y is nan in row 2; remove"),
        ({"scale": 0.0}, "scale=0.0 is not a positive"),
        ({"scale": float("nan")}, "scale=nan"),
    ],
)
def test_split_refuses(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        rows(**changes)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    "row", [0, 2**21 + 1, 2**22 + 2]
)  # in the first, an inner and the last slice that is looked at
def test_not_finite_values_are_found_in_every_row(value: float, row: int) -> None:
    x = np.zeros((2**22 + 3, 1), np.float32)
    x[row] = value
    with pytest.raises(DataError, match=re.escape(f"data: x is {value} in row {row};")):
        Split(x, np.zeros(len(x), np.int64))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "ranking"}, "task='ranking' is unknown; use one of classification, regression"),
        ({"n_classes": 1}, "n_classes=1 does not fit classification"),
        ({"task": "regression"}, "n_classes=2 does not fit regression"),
        ({"train": rows(0)}, "no row to train on"),
        ({"classes": ("a",)}, "1 class names for 2 classes"),
        ({"shape": (4,)}, r"rows of \(3,\) float32"),
        ({"test": rows(2, x=np.zeros((2, 3)), name="toy (test)")}, r"toy \(test\): rows of \(3,\) float64 x 1 differ"),
        ({"valid": rows(2, scale=2.0)}, "x 2 differ"),
        ({"test": rows(2, y=np.zeros(2))}, "y of dtype float64 does not fit classification"),
        ({"test": rows(2, y=np.array([1, 2]))}, "label 2 in row 1 is not 0 to 1"),
    ],
)
def test_dataset_refuses(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        toy(**changes)


def test_regression_has_no_classes_and_texts_are_short() -> None:
    part = rows(4, y=np.ones(4))
    data = toy(train=part, valid=part, test=part, task="regression", n_classes=0)
    assert repr(data) == "Dataset(toy: 4 / 4 / 4 rows of (3,), regression, 0 classes)"
    assert repr(replace(part, scale=1 / 255)) == "Split(toy (train): 4 rows of (3,) float32, scale 0.00392157)"
