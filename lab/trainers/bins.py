"""Bins: numbers as labels, for a method that learns from labels only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lab.errors import UsageError


class Bins:
    """At most `k` bins that hold about as many targets each, and the mean target of every bin.

    Edges are target values; where many targets are equal, edges fall together and bins are merged, so that none of them
    is empty. There are always two labels, of which the second stays empty where all targets are equal.
    """

    def __init__(self, y: NDArray[np.float64], k: int) -> None:
        if k < 2:
            raise UsageError(f"n_bins must be at least 2, got {k}")
        edges = np.unique(np.quantile(y, np.arange(1, k) / k, method="higher"))
        above = y[y > y.min()]
        edges = edges[edges > y.min()]
        self.edges: NDArray[np.float64] = edges if len(edges) else np.unique(above)[:1]
        self.n = max(2, len(self.edges) + 1)
        self._sums, self._counts = np.zeros(self.n), np.zeros(self.n)
        self.add(y)

    def add(self, y: NDArray[np.float64]) -> None:
        """Count more targets into the bins' means."""
        labels = self.labels(y)
        self._sums += np.bincount(labels, y, minlength=self.n)
        self._counts += np.bincount(labels, minlength=self.n)

    def labels(self, y: NDArray[np.float64]) -> NDArray[np.int64]:
        """Which bin each target is in: bin i holds edges[i - 1] <= y < edges[i]."""
        return np.searchsorted(self.edges, y, side="right")

    @property
    def centres(self) -> NDArray[np.float64]:
        """The mean target of each bin; an empty one has the mean of all."""
        overall = self._sums.sum() / self._counts.sum()
        means: NDArray[np.float64] = np.full(self.n, overall)
        return np.divide(self._sums, self._counts, out=means, where=self._counts > 0)
