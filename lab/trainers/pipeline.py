"""Pipeline: the main process's side of layer-parallel training. It feeds batches in, hears of steps, ends workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from lab.backend import Array, Usage
from lab.data.batches import Batches
from lab.parallel import Crew, Disconnected, Job, Ring, SharedMemory, shared_array
from lab.trainers.stage import NEUTRAL, Stage, fields_behind, unpacked

if TYPE_CHECKING:
    from lab.trainers.parallel import LayerParallelTrainer

SLOTS = 2  # of a ring: one is read while the next is written, and a short delay on either side stops nobody
_ANSWERS = 8  # slots of the last ring, whose messages are small


@dataclass
class _Epoch:
    """Packets of an epoch: number p holds the neutral rows of batch p and the pair rows of batch p - delay."""

    batches: Batches
    rate: float
    on_step: Callable[[], None] | None
    next: int  # packet
    end: int
    known: int  # batches whose beliefs are there
    under_way: int = 0
    losses: dict[int, Any] = field(default_factory=dict)  # the head's, of batches under way


class Pipeline:
    """The workers of a trainer, from the fork on; a context, which ends them."""

    def __init__(self, trainer: LayerParallelTrainer, shared: SharedMemory) -> None:
        self._trainer = trainer
        self.memory: list[dict[str, Any]] = []
        own = trainer._arrays()
        self._published = {
            name: array if shared.holds(array) else shared_array(array.shape, array.dtype)
            for name, array in own.items()
        }
        for name, array in self._published.items():
            if array is not own[name]:
                array[...] = own[name]
        runs = trainer.partition()
        bounds = [0, *(run.stop for run in runs)]
        slots = [SLOTS] * len(runs) + [_ANSWERS]
        rings = [Ring(fields_behind(trainer, stop), n) for stop, n in zip(bounds, slots, strict=True)]
        jobs = []
        self._by_workers: list[str] = []
        for k, run in enumerate(runs):
            owned = _owned(trainer, run)
            self._by_workers += owned
            names = ", ".join(trainer.network.blocks[i].name for i in run)
            stage = Stage(trainer, k, run, rings[k], rings[k + 1], self._published, owned)
            jobs.append(Job(f"worker {k + 1} of {len(runs)} ({names})", stage.run, [rings[k]], [rings[k + 1]]))
        self._feed, self._answers = rings[0], rings[-1]
        self._crew = Crew(jobs, reads=[self._answers], writes=[self._feed])
        self._epoch: _Epoch | None = None
        self._settled, self._broken = True, False
        self._mark = 0.0
        usage = trainer.ops.usage
        self._before, self._before_total = dict(usage.live), usage.total  # all that the workers count as theirs

    def __enter__(self) -> Self:
        # Buffers that wait for reuse may be shared memory: two processes must not write into one.
        self._trainer.ops.trim()
        self._crew.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if error is None or isinstance(error, Exception):  # as after a serial training that ended so
                self.settle()
        finally:
            self._trainer.torn = not self._settled
            self._crew.__exit__(kind, error, traceback)

    # -- an epoch ------------------------------------------------------------------------------------------------
    def train(self, batches: Batches, rate: float, on_step: Callable[[], None] | None) -> None:
        """Make the steps of an epoch that are not made yet, the first of them being the trainer's next."""
        first, delay = self._trainer.progress.batch, self._trainer.belief_delay
        start = first + delay if first else 0  # an epoch taken up in its middle has its first beliefs
        self._epoch = epoch = _Epoch(batches, rate, on_step, start, len(batches) + delay, min(start, len(batches)))
        self._mark = perf_counter()
        with self._explained():
            while epoch.next < epoch.end or epoch.under_way:
                if epoch.next < epoch.end and self._ready(epoch) and self._feed.has_room():
                    self._send(epoch)
                else:
                    self._hear(epoch, epoch.on_step)
        self.settle()
        self._tick()
        self._epoch = None

    def settle(self) -> None:
        """Wait until all batches under way are through; the trainer's arrays are then those of its last step."""
        if self._settled or self._broken:
            return
        trainer = self._trainer
        with self._explained():
            while self._epoch is not None and self._epoch.under_way:
                self._hear(self._epoch, None)
            self._feed.send({"kind": "gather", "memory": []})
            message, _ = self._answers.receive()
            self._answers.release()
        self.memory = message["memory"]
        arrays = trainer._arrays()
        for name in self._by_workers:
            if arrays[name] is not self._published[name]:
                arrays[name][...] = self._published[name]
        self._settled = True

    def _ready(self, epoch: _Epoch) -> bool:
        """Whether the beliefs that the next packet's negatives are drawn from are there."""
        delay = self._trainer.belief_delay
        return not delay or epoch.next - delay < epoch.known

    def _send(self, epoch: _Epoch) -> None:
        trainer, p = self._trainer, epoch.next
        progress, delay = trainer.progress, trainer.belief_delay
        # the number of updates before batch 0 of this epoch: packets name steps counted since the start of training
        before = progress.step - progress.batch
        pair = p - delay
        message: dict[str, Any] = {
            "kind": "batch", "batch": p, "neutral": None, "pair": None, "step": before + max(pair, 0),
            "rate": epoch.rate, "gains": list(trainer._gains.items()), "figures": {},
        }  # fmt: skip
        arrays: dict[str, Array] = {}
        if p < len(epoch.batches) and trainer.readout.head != "none":
            images, target, _ = epoch.batches[p]
            arrays |= {f"{NEUTRAL}/images": images, f"{NEUTRAL}/target": target}
            message["neutral"] = before + p
        if pair >= 0:
            images, target, index = epoch.batches[pair]
            probabilities = None
            if delay:
                probabilities, loss = trainer._beliefs.of(pair, len(target))
                epoch.losses[pair] = loss
            wrong = trainer.draw_negatives(probabilities, target, index, pair)
            arrays |= {"target": target, "wrong": wrong}
            if delay or message["neutral"] is None:
                arrays["images"] = images
            message["pair"], message["n"] = before + pair, len(target)
        self._feed.send(message, arrays)
        epoch.next += 1
        epoch.under_way += 1
        self._settled = False

    def _hear(self, epoch: _Epoch, on_step: Callable[[], None] | None) -> None:
        """Wait for one answer: beliefs about a batch, or that a packet is through."""
        trainer = self._trainer
        message, arrays = self._answers.receive()
        if message["kind"] == "beliefs":
            loss = unpacked(message["loss"])["loss"]
            if trainer.belief_delay:
                trainer._beliefs.put(message["batch"], arrays["beliefs"], loss)
                epoch.known = message["batch"] + 1
            else:
                epoch.losses[message["batch"]] = loss
        self._answers.release()
        if message["kind"] == "beliefs":
            return
        epoch.under_way -= 1
        if message["pair"] is None:
            return
        batch = trainer.progress.batch
        head = {"head/loss": epoch.losses.pop(batch)} if batch in epoch.losses else {}
        trainer.progress.add({**head, **unpacked(message["figures"])}, message["n"])
        self._tick()
        if on_step is not None:
            on_step()
            self._mark = perf_counter()

    def _tick(self) -> None:
        """Count the time since the last look at the clock as training."""
        now = perf_counter()
        self._trainer.progress.seconds += now - self._mark
        self._mark = now

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """A ring that ended becomes what the worker that ended it has to say."""
        try:
            yield
        except Disconnected:
            self._broken = True
            raise self._crew.failure() from None

    # -- figures -------------------------------------------------------------------------------------------------
    def note_memory(self) -> None:
        """Peaks of all processes, summed; each one's own under "processes"."""
        own, progress = self._trainer.ops.usage, self._trainer.progress
        driver = {kind: max(0, nbytes - self._before[kind]) for kind, nbytes in own.peak.items()}
        driver["activations"] += self._answers.nbytes
        peak = max(0, own.peak_total - self._before_total) + self._answers.nbytes
        processes = [{"name": "main", "peak": peak, "peak_at": own.peak_at, **driver}, *self.memory]
        total = Usage()
        total.peak = {kind: sum(process[kind] for process in processes) for kind in own.peak}
        total.peak_total = sum(process["peak"] for process in processes)
        largest = max(processes, key=lambda process: process["peak"])
        total.peak_at = f"{largest['name']}: {largest['peak_at']}"
        progress.note_memory(total)
        progress.memory["processes"] = processes


def _owned(trainer: LayerParallelTrainer, blocks: range) -> list[str]:
    """The names of the arrays that the worker with these blocks changes: theirs, and the head's with the last ones."""
    names = [block.name for block in trainer.network.blocks]
    last = blocks.stop == len(names)
    found = []
    for name in trainer._arrays():
        kind, _, rest = name.partition("/")
        if kind.startswith("readout"):
            mine = last
        else:
            mine = any(rest.startswith(f"{names[i]}.") for i in blocks)
        if mine:
            found.append(name)
    return found
