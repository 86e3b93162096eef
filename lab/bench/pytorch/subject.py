"""What all PyTorch subjects share: a loop over batches, facts, and two accounts of memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from lab.bench import pytorch
from lab.bench.pytorch.accounting import Saved, transient
from lab.bench.pytorch.source import Batch, Source
from lab.bench.work import Work

_COUNTED = 2  # steps before memory is counted: the first ones make what later ones reuse


class TorchSubject(ABC):
    """Trains by `step`; a subclass makes its tensors from `self.source` and writes the step."""

    def __init__(self, work: Work) -> None:
        self.torch = pytorch.load(work.threads)
        self.work, self.source, self.saved = work, Source(work, self.torch), Saved(self.torch)
        self.loss = self.torch.zeros(())
        self._batches = self.source.batches()

    @abstractmethod
    def step(self, batch: Batch) -> None:
        """One update; adds the step's mean loss to `self.loss`."""

    @abstractmethod
    def tensors(self) -> Iterable[Any]:
        """Every parameter."""

    @abstractmethod
    def weights(self) -> dict[str, np.ndarray[Any, Any]]:
        """Parameters under the lab's names and in its shapes, to be compared."""

    def train(self, tick: Callable[[], None]) -> None:
        """Steps of an endless training."""
        for batch in self._batches:
            self.step(batch)
            tick()

    def facts(self) -> dict[str, Any]:
        """Version and threads."""
        return pytorch.facts(self.torch)

    def memory(self) -> dict[str, Any]:
        """Bytes saved for the backward pass, and what a step's allocations reach; see `accounting`."""
        for _ in range(_COUNTED):
            self.step(next(self._batches))
        high = transient(self.torch, lambda: self.step(next(self._batches)))
        self.saved.count(self.tensors())
        self.step(next(self._batches))
        return {"transient": high, **self.saved.peak}
