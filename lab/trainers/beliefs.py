"""Beliefs that wait: what the head thought of batches whose negative rows are drawn some steps later."""

from __future__ import annotations

from functools import partial

from lab.backend import Array, Backend


class Beliefs:
    """The probabilities (N, K) and the head's loss of each of the next `delay` batches; training goes on with them."""

    def __init__(self, delay: int, batch_size: int, n_outputs: int, ops: Backend) -> None:
        self.delay = delay
        made = partial(ops.zeros, kind="readout") if delay else ops.xp.zeros  # where nothing waits, nothing is counted
        self.probabilities = made((delay, batch_size, n_outputs))
        self.losses = made((delay,))

    def arrays(self) -> dict[str, Array]:
        """What a checkpoint has to hold, by name."""
        return {"beliefs/probabilities": self.probabilities, "beliefs/losses": self.losses} if self.delay else {}

    def put(self, batch: int, probabilities: Array, loss: Array | float) -> None:
        """Keep what was found of a batch, in the place of the one `delay` before it."""
        self.probabilities[batch % self.delay, : len(probabilities)] = probabilities
        self.losses[batch % self.delay] = loss

    def of(self, batch: int, n: int) -> tuple[Array, Array]:
        """The probabilities (n, K) of a batch of n images, good until the next `put`, and its loss."""
        loss: Array = self.losses[batch % self.delay].copy()
        return self.probabilities[batch % self.delay, :n], loss
