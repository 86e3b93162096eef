"""The order in which an epoch visits the rows, and its batches."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from lab.backend import Array, Backend
from lab.random import generator


def epoch_permutation(n: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return the order in which epoch `epoch` of a run with `seed` visits n rows.

    It depends on its three arguments alone: a resumed run goes on with the same batches, and two trainers with one seed
    see the same rows in the same steps.
    """
    return generator(seed, "shuffle", epoch).permutation(n)


def read_rows(ops: Backend, x: Array, index: Array, scale: float, alphabet: int) -> Array:
    """Rows `index` of x as a network reads them: times `scale`, or a text's codes (N, T) one-hot, (N, T, alphabet)."""
    if not alphabet:
        return ops.gather(x, index, scale)
    codes = x[index]
    rows = ops.zeros((*codes.shape, alphabet), kind="data")
    rows.reshape(codes.size, alphabet)[ops.xp.arange(codes.size), codes.reshape(-1)] = 1
    return rows


def places(ops: Backend, step: int | Array, size: int, n: int) -> slice | Array:
    """Where the n rows of batch `step` are among those of all batches of `size`: on the device if the number is."""
    if isinstance(step, int):
        return slice(step * size, step * size + n)
    found: Array = step * size + ops.xp.arange(n)
    return found


class Batches:
    """An epoch's batches by number, in any order and as often as asked: each is gathered anew.

    x, y and `order` lie where `ops` gathers from; rows are read as `read_rows` says, and then changed by
    `augment(rows, number)` where there is one. The last batch may be short.
    """

    def __init__(
        self,
        ops: Backend,
        x: Array,
        y: Array,
        order: Array,
        size: int,
        scale: float,
        alphabet: int = 0,
        augment: Callable[[Array, int], Array] | None = None,
    ) -> None:
        self._ops, self._x, self._y, self._order, self._size = ops, x, y, order, size
        self._scale, self._alphabet, self._augment = scale, alphabet, augment

    def __len__(self) -> int:
        return math.ceil(len(self._order) / self._size)

    def __getitem__(self, step: int) -> tuple[Array, Array, Array]:
        """Rows (N, *shape), their targets (N, ...), and their places in the data (N,)."""
        if not 0 <= step < len(self):
            raise IndexError(step)
        return self.take(step, self.rows(step))

    def rows(self, step: int) -> int:
        """How many rows batch `step` has."""
        return min(self._size, len(self._order) - step * self._size)

    @property
    def n(self) -> int:
        """Rows of all batches together."""
        return len(self._order)

    def stored(self, places: Array) -> Array:
        """Rows by their place in the epoch, as they are stored: of a text its codes (N, T)."""
        found: Array = self._x[self._order[places]]
        return found

    def take(self, step: int | Array, n: int) -> tuple[Array, Array, Array]:
        """As batches[step], of n rows; the number may be a 0-d array on the device, if nothing augments the rows."""
        index = self._order[places(self._ops, step, self._size, n)]
        with self._ops.usage.during("batch", "data"):
            rows = read_rows(self._ops, self._x, index, self._scale, self._alphabet)
            if self._augment is not None:
                assert isinstance(step, int)
                rows = self._augment(rows, step)
            return rows, self._y[index], index
