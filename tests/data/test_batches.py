from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.backend import NumpyBackend
from lab.data import Batches, epoch_permutation


@given(st.integers(0, 500), st.integers(0, 2**32 - 1), st.integers(0, 1000))
def test_each_row_once_and_again_the_same(n: int, seed: int, epoch: int) -> None:
    order = epoch_permutation(n, seed, epoch)
    assert order.dtype == np.int64
    assert sorted(order.tolist()) == list(range(n))
    assert np.array_equal(order, epoch_permutation(n, seed, epoch))


def test_seeds_and_epochs_differ() -> None:
    orders = {tuple(epoch_permutation(50, seed, epoch)) for seed in range(10) for epoch in range(10)}
    assert len(orders) == 100


def test_no_order_is_much_likelier() -> None:
    first = np.array([epoch_permutation(10, 0, epoch)[0] for epoch in range(2000)])
    assert np.bincount(first, minlength=10).min() > 140  # 200 expected, deviation 13


def test_batches_cover_the_order_by_number_and_again() -> None:
    x, y = np.arange(14, dtype=np.uint8).reshape(7, 2), np.arange(7)
    order = epoch_permutation(7, 3, 1)
    batches = Batches(NumpyBackend("float64"), x, y, order, 3, 0.5)
    assert len(batches) == 3
    for step in (2, 0, 1, 2):  # a batch ahead of its turn is the same batch
        rows, target, index = batches[step]
        assert np.array_equal(index, order[3 * step : 3 * step + 3])
        assert np.array_equal(target, index) and np.array_equal(rows, x[index] * 0.5)
    with pytest.raises(IndexError):
        batches[3]
