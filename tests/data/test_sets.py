from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from lab.data import load_dataset
from lab.data.idx import read_idx
from lab.data.sets import mnist
from lab.data.split import split_permutation
from lab.errors import DataError


def test_mnist_is_what_was_published() -> None:
    data = load_dataset("mnist")
    assert [len(part) for part in (data.train, data.valid, data.test)] == [55000, 5000, 10000]
    assert (data.shape, data.n_classes, data.task, data.train.scale) == ((1, 28, 28), 10, "classification", 1 / 255)
    assert data.test.y[:5].tolist() == [7, 2, 1, 0, 4]
    counts = np.bincount(np.concatenate([data.train.y, data.valid.y]))
    assert counts.tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert round(data.test.x.mean() / 255, 4) == 0.1325
    assert data.train.x.dtype == np.uint8


def test_mnist_rows_and_digest_are_pinned() -> None:
    """If this changes, no record of an earlier version can be compared with a new one."""
    data = load_dataset("mnist")
    assert data.digest == "7eb6e0d20b1afa5c2675807a21118e4ceb175197c61b5242e0e660b54579835e"
    assert data.valid.y[:10].tolist() == [2, 0, 1, 2, 0, 8, 4, 2, 3, 6]
    images = read_idx(mnist.FOLDER / "train-images-idx3-ubyte.gz", (60000, 28, 28), remedy="")
    order = split_permutation(60000, "valid")
    assert np.array_equal(data.valid.x[:, 0], images[order[:5000]])
    assert np.array_equal(data.train.x[:, 0], images[order[5000:]])


@pytest.mark.parametrize("name", mnist.PUBLISHED)
@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_an_altered_mnist_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, damage: str) -> None:
    shutil.copytree(mnist.FOLDER, tmp_path / "mnist")
    monkeypatch.setattr(mnist, "FOLDER", tmp_path / "mnist")
    path = tmp_path / "mnist" / name
    data = bytearray(path.read_bytes())
    data[4] ^= 1  # the .gz header's time: the images would be the same
    path.write_bytes(data if damage == "flip" else data[:-1])
    if damage == "remove":
        path.unlink()
    with pytest.raises(
        DataError, match=rf"{name} is (altered|missing).*; it is part of the package: install that again"
    ):
        load_dataset("mnist")


def test_digits() -> None:
    data = load_dataset("digits")
    assert [len(part) for part in (data.train, data.valid, data.test)] == [1150, 288, 359]
    assert (data.shape, data.n_classes, data.train.x.dtype, data.train.scale) == ((1, 8, 8), 10, np.uint8, 1 / 16)
    assert data.train.x.max() == 16


def test_diabetes_targets_are_kept_and_features_standardised() -> None:
    data = load_dataset("diabetes")
    assert (data.task, data.n_classes, data.shape) == ("regression", 0, (10,))
    targets = np.concatenate([data.train.y, data.valid.y, data.test.y])
    assert (len(targets), targets.min(), targets.max()) == (442, 25, 346)
    assert np.allclose(data.train.x.mean(axis=0), 0)
    assert np.allclose(data.train.x.std(axis=0), 1)


def test_breast_cancer() -> None:
    data = load_dataset("breast_cancer", valid=0)
    assert (data.classes, data.shape, len(data.valid)) == (("malignant", "benign"), (30,), 0)
    labels = np.concatenate([data.train.y, data.test.y])
    assert np.bincount(labels).tolist() == [212, 357]
    assert np.allclose(data.train.x.std(axis=0), 1)
    assert not np.allclose(data.test.x.std(axis=0), 1)
