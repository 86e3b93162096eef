"""Forward-forward on text whose negative rows the network makes up itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from lab.backend import Array, Kernels
from lab.data.batches import Batches, places, read_rows
from lab.errors import UsageError
from lab.layers import Ctx
from lab.networks import Network, NetworkSpec
from lab.objectives import PairObjective, Rows
from lab.optimizers import Optimizer
from lab.random import generator
from lab.registry import register
from lab.schema import convert
from lab.trainers.forward_forward import ForwardForwardTrainer
from lab.trainers.local import Figures
from lab.trainers.readout import Readout


@register("trainer", "rollouts")
class RolloutTrainer(ForwardForwardTrainer):
    """Positive rows are windows of the text and what follows; negative rows are windows of what the network writes.

    Before each epoch it writes `strings` strings: from a window of the training text, `length` characters more, each
    drawn from its softmax head's probabilities given the window before it. A step's negative rows are windows of these
    strings with the character that the network let follow, drawn at random, so that no negative row needs a true one
    beside it (Hinton 2022, section 5: the negative phase may be apart in time; details in the paper's first draft).

    strings  how many are written before each epoch
    length   characters that each goes on for
    objective, readout as in ForwardForwardTrainer; optimizer likewise. What writing costs, strings x length rows an
    epoch, is not in `cost`.
    """

    def __init__(
        self,
        network: NetworkSpec | Network,
        *,
        optimizer: Optimizer | None = None,
        objective: PairObjective | None = None,
        readout: Readout | None = None,
        strings: int = 248,
        length: int = 90,
        seed: int = 0,
        batch_size: int = 100,
        backend: str = "numpy",
        dtype: str = "float32",
        threads: int | None = None,
        kernels: Kernels = "auto",
    ) -> None:
        super().__init__(
            network,
            optimizer=optimizer,
            objective=objective,
            readout=readout,
            passes="separate",
            seed=seed,
            batch_size=batch_size,
            backend=backend,
            dtype=dtype,
            threads=threads,
            kernels=kernels,
        )
        self.strings, self.length = convert(strings, int, "strings"), convert(length, int, "length")
        if self.strings < 1 or self.length < 1:
            raise UsageError(f"strings={strings} length={length} write nothing; use 1 or more of each")

    # -- building ------------------------------------------------------------------------------------------------
    def _start(self) -> None:
        super()._start()
        if not self.alphabet or self.alphabet != self.n_outputs:
            raise UsageError("trainer=rollouts writes text, but the rows are none; use data=text or data=aesop")
        self._written = self.ops.zeros((self.strings, self.in_shape[0] + self.length), kind="data")

    def _arrays(self) -> dict[str, Array]:
        return super()._arrays() | {"rollouts/written": self._written}

    def options(self) -> dict[str, str]:
        return super().options() | {name: str(getattr(self, name)) for name in ("strings", "length")}

    # -- training ------------------------------------------------------------------------------------------------
    def _train_epoch(self, batches: Batches, rate: float, on_step: Callable[[Self], None] | None) -> None:
        if self.progress.batch == 0:  # else they are those that the checkpoint holds
            epoch = self.progress.epoch + 1
            begun = generator(self.seed, "rollouts", epoch).integers(0, batches.n, self.strings)
            first = self.ops.to_host(batches.stored(self.ops.resident(begun)))
            self._written[...] = self.ops.asarray(self.write(first, self.length, epoch))
        super()._train_epoch(batches, rate, on_step)

    def write(self, first: Array, length: int, key: int = 0) -> Array:
        """Codes (S, T + length) on the host: windows `first` (S, T), and what the network lets follow them.

        Each character is drawn from the softmax head's probabilities; `key` names the draws.
        """
        ops, xp = self.ops, self.ops.xp
        window = first.shape[1]
        codes = xp.zeros((len(first), window + length), dtype=xp.int64)
        codes[:, :window] = xp.asarray(first)
        draws = ops.resident(generator(self.seed, "writing", key).random((length, len(first))))
        with ops.usage.during("rollouts", "readout", every=True):
            for t in range(length):
                p = self.head_answer(self._one_hot(codes[:, t : t + window]))
                below = (xp.cumsum(p.astype(xp.float64), axis=1) < draws[t][:, None]).sum(axis=1)
                codes[:, window + t] = xp.minimum(below, self.n_outputs - 1)
        return ops.to_host(codes)

    def _one_hot(self, codes: Array) -> Array:
        index = self.ops.xp.arange(len(codes))
        return read_rows(self.ops, codes, index, 1.0, self.alphabet)

    def _step(
        self, images: Array, target: Array, index: Array, step: int | Array, rate: float | Array, ctx: Ctx
    ) -> Figures:
        label, ops, n = self.network.label_input, self.ops, len(images)
        assert label is not None
        _, loss, base = self.believe(images, target, rate, ctx)
        with ops.usage.during("label", "activations"):
            right, _ = self.network.labelled(images, [label.one_hot(target, ops)], ops, base)
            windows, next_one = self._drawn(step, n)
            wrong, _ = self.network.labelled(windows, [label.one_hot(next_one, ops)], ops)
        shown = [
            (right, Rows(n, slice(0, n), slice(0, 0), target)),
            (wrong, Rows(n, slice(0, 0), slice(0, n), next_one)),
        ]
        del images, right, wrong, windows, base
        return {"head/loss": loss} | self.update_blocks(shown, ctx)

    def _drawn(self, step: int | Array, n: int) -> tuple[Array, Array]:
        """n windows of what was written, one-hot, and the character that follows each."""
        assert self._draws is not None, "drawn when an epoch starts"
        xp, window = self.ops.xp, self.in_shape[0]
        place = (self._draws[places(self.ops, step, self.batch_size, n)] * (self.strings * self.length)).astype(
            xp.int64
        )
        row, begin = place // self.length, place % self.length
        codes = self._written[row[:, None], begin[:, None] + xp.arange(window + 1)].astype(xp.int64)
        return self._one_hot(codes[:, :window]), codes[:, window]

    def _unrepeatable(self) -> str:
        return "rollouts are written by the host between epochs"
