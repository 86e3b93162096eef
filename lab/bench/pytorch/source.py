"""What the PyTorch subjects take from the lab: the same rows, order, initial weights and random draws."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from itertools import count
from math import prod
from typing import Any, NamedTuple

from lab.backend import NumpyBackend
from lab.bench.work import Work
from lab.data.batches import epoch_permutation
from lab.networks import Network
from lab.random import generator
from lab.registry import part


class Batch(NamedTuple):
    """One step's input: images (N, features) floats, their labels (N,), and uniforms (N,) to draw negatives with."""

    images: Any
    target: Any
    uniforms: Any


class Source:
    """Batches in the lab's order, from the rows as they are stored, gathered and scaled by PyTorch."""

    def __init__(self, work: Work, torch: Any) -> None:
        self._torch, self._work = torch, work
        rows = work.split()
        self.in_shape, self.classes, self.scale = rows.x.shape[1:], int(rows.y.max()) + 1, rows.scale
        self.dtype = getattr(torch, work.dtype)
        self._x = self.tensor(rows.x.reshape(len(rows), prod(self.in_shape)))
        self._y = self.tensor(rows.y)

    def network(self) -> Network:
        """The lab's network with its initial weights; the caller takes them over and lets go of the rest."""
        work = self._work
        trainer: Any = part("trainer", work.family)
        made = work.description().make(self.in_shape, self.classes, trainer.defaults)
        labelled = work.family == "forward_forward"
        made.build(self.in_shape, self.classes, NumpyBackend(work.dtype), work.seed, labelled=labelled)
        return made

    def tensor(self, array: Any) -> Any:
        """The array as a tensor over the same memory."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*not writable.*")  # nobody writes to data
            return self._torch.from_numpy(array)

    def batches(self) -> Iterator[Batch]:
        """Batch after batch, epoch after epoch, for ever."""
        n, size, seed = len(self._x), self._work.batch_size, self._work.seed
        for epoch in count(1):
            order = self.tensor(epoch_permutation(n, seed, epoch))
            uniforms = self.tensor(generator(seed, "negatives", epoch).random(n))
            for start in range(0, n, size):
                index = order[start : start + size]
                images = self._x.index_select(0, index).to(self.dtype).mul_(self.scale)
                yield Batch(images, self._y.index_select(0, index), uniforms[start : start + size])
