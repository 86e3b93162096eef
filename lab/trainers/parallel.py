"""Layer-parallel forward-forward: blocks on several processes, each busy with a batch of its own.

Backpropagation cannot do that: there a block waits for the error of those above it. Here, given its rows, a block needs
nothing of them, so that batch t is at the last blocks while batch t + 1 is at the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, Literal, Self

from lab.backend import Array, Kernels, Shape
from lab.data.batches import Batches
from lab.data.dataset import Split
from lab.errors import UsageError
from lab.measure.environment import usable_cores
from lab.networks import Network, NetworkSpec
from lab.objectives import PairObjective
from lab.optimizers import Optimizer
from lab.parallel import SharedMemory, forking, partition
from lab.registry import register
from lab.schema import convert
from lab.trainers.forward_forward import ForwardForwardTrainer
from lab.trainers.history import EpochRecord
from lab.trainers.negatives import Negatives
from lab.trainers.pipeline import Pipeline
from lab.trainers.readout import Readout
from lab.trainers.schedule import BlockSchedule
from lab.trainers.stopping import EarlyStop


@register("trainer", "layer_parallel")
class LayerParallelTrainer(ForwardForwardTrainer):
    """ForwardForwardTrainer with its blocks shared out to worker processes, which pass batches on like a pipeline.

    Ends with the very bits of a ForwardForwardTrainer of the same options, belief_delay among them, and as many BLAS
    threads as a worker has. The softmax head is with the last blocks: the counted blocks' neutral activities travel
    there with the batch. State lies in memory that all processes share, so that nothing is gathered but the moment:
    whoever asks for it (`save`, `evaluate`) waits until the batches under way are through.

    workers         processes; each takes consecutive blocks, the heaviest share (by operations) as light as can be
    worker_threads  BLAS threads of each; None: threads / workers, at least 1
    belief_delay    as in ForwardForwardTrainer. None: with hard negatives as many steps as there are workers, which
                    is what keeps all of them busy, since beliefs come from the last worker; else 0
    on_step, given to `fit`, is not called for steps that were under way when it asked for the state.
    The rest as in ForwardForwardTrainer; `threads` are shared out to the workers, and the main process's own otherwise.
    """

    takes_numbers = False

    def __init__(
        self,
        network: NetworkSpec | Network,
        *,
        workers: int = 2,
        worker_threads: int | None = None,
        optimizer: Optimizer | None = None,
        objective: PairObjective | None = None,
        readout: Readout | None = None,
        negatives: Negatives = "hard",
        passes: Literal["joint", "separate"] = "joint",
        schedule: BlockSchedule = "simultaneous",
        belief_delay: int | None = None,
        seed: int = 0,
        batch_size: int = 100,
        backend: str = "numpy",
        dtype: str = "float32",
        threads: int | None = None,
        kernels: Kernels = "auto",
    ) -> None:
        self.workers = convert(workers, int, "workers")
        if self.workers < 1:
            raise UsageError(f"workers must be at least 1, got {workers}")
        if backend != "numpy":
            raise UsageError(f"workers share a CPU's memory, which backend={backend} does not use; use backend=numpy")
        if belief_delay is None:
            belief_delay = self.workers if negatives == "hard" and self.workers > 1 else 0
        if negatives == "hard" and self.workers > 1 and not belief_delay:
            raise UsageError(
                "belief_delay=0 would have each worker wait for the last one's beliefs; use 1 or more, or "
                "negatives=uniform"
            )
        if worker_threads is not None and convert(worker_threads, int, "worker_threads") < 1:
            raise UsageError(f"worker_threads must be at least 1, got {worker_threads}")
        super().__init__(
            network,
            optimizer=optimizer,
            objective=objective,
            readout=readout,
            negatives=negatives,
            passes=passes,
            schedule=schedule,
            belief_delay=belief_delay,
            seed=seed,
            batch_size=batch_size,
            backend=backend,
            dtype=dtype,
            threads=threads,
            kernels=kernels,
        )
        self.worker_threads = worker_threads or max(1, (threads or usable_cores()) // self.workers)
        self._shared = SharedMemory()
        self._pipeline: Pipeline | None = None
        self.torn = False  # workers ended in the middle of different steps
        forking()

    # -- building ------------------------------------------------------------------------------------------------
    def build(
        self, in_shape: Shape, n_outputs: int, task: str = "classification", scale: float = 1.0, alphabet: int = 0
    ) -> Self:
        if self._pipeline is not None:
            raise UsageError("workers are training this network; end the training before it is built or loaded anew")
        pool = self.ops.pool  # type: ignore[attr-defined] # its backend is numpy, which has one
        pool.source = self._shared
        try:
            super().build(in_shape, n_outputs, task, scale, alphabet)
        finally:
            pool.source = None
        self.torn = False
        for block in self.network.blocks[self.partition()[0].stop :]:
            if any(source.name == "input" for source in block.sources):
                raise UsageError(
                    f"{block.name} reads the input, which only the first worker's blocks can; use fewer workers"
                )
        return self

    def partition(self) -> list[range]:
        """Each worker's blocks. Raises UsageError where there are fewer blocks than workers."""
        return partition(self.block_costs(), self.workers)

    def block_costs(self) -> list[int]:
        """Operations of a step, each block's, what the head does with it included: what the workers share."""
        rows = self.cost()["rows_per_sample"]
        first = {block.name for block in self.network.input_readers()} if self.network.shares_images else set()
        costs = []
        for block in self.network.blocks:
            shared = 3 if self.belief_delay else 2
            weight = self._head.weights.get(block.name)
            head = 0 if weight is None else 4 * int(weight.size)
            costs.append(block.flops() * (shared if block.name in first else rows + 2) + head)
        return [self.batch_size * cost for cost in costs]

    def neutral_after(self, i: int) -> list[str]:
        """What goes on of the neutral rows behind block i: what later blocks read, and what the head counts."""
        waiting = self.network.waiting_after(i)
        names = ["input", *(block.name for block in self.network.blocks[: i + 1])]
        return [name for name in names if name in waiting or name in self._head.blocks]

    # -- training ------------------------------------------------------------------------------------------------
    def _epochs(
        self,
        train: Split,
        valid: Split | None,
        epochs: int,
        on_step: Callable[[Self], None] | None,
        stop: EarlyStop | None,
    ) -> Iterator[EpochRecord]:
        with self._at_work() if self.workers > 1 else nullcontext():
            yield from super()._epochs(train, valid, epochs, on_step, stop)

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        if self._pipeline is not None:
            raise UsageError("this trainer is training already; end that first")
        with Pipeline(self, self._shared) as self._pipeline:
            try:
                yield
            finally:
                self._pipeline = None

    def _train_epoch(self, batches: Batches, rate: float, on_step: Callable[[Self], None] | None) -> None:
        if self._pipeline is None:
            super()._train_epoch(batches, rate, on_step)
            return
        told = None if on_step is None else lambda: on_step(self)
        self._pipeline.train(batches, rate, told)

    # -- what others ask for, who must not see half of a step ----------------------------------------------------
    def settle(self) -> None:
        """Wait until the batches under way are through, and show what the workers have."""
        if self._pipeline is not None:
            self._pipeline.settle()
        if self.torn:
            raise UsageError("training was interrupted while blocks were at different steps; load a checkpoint")

    def state(self) -> dict[str, Array]:
        self.settle()
        return super().state()

    def evaluate(self, split: Split) -> dict[str, Any]:
        self.settle()
        return super().evaluate(split)

    def _outputs(self, x: Array, answer: Callable[[Array], Array] | None = None) -> Array:
        self.settle()
        return super()._outputs(x, answer)

    # -- figures for the record ----------------------------------------------------------------------------------
    def note_memory(self) -> None:
        """Peaks of all processes, summed by kind: an upper bound, since they need not peak at one moment."""
        if self._pipeline is None:
            super().note_memory()
        else:
            self._pipeline.note_memory()

    def describe(self) -> dict[str, Any]:
        names = [block.name for block in self.network.blocks] if self.n_outputs else []
        shares = [
            {"blocks": names[blocks.start : blocks.stop], "threads": self.worker_threads}
            for blocks in (self.partition() if names else [])
        ]
        return {**super().describe(), "workers": shares, "belief_delay": self.belief_delay}
