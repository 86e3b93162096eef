"""Data-parallel backpropagation: each process has a part of every batch, and all of them one set of weights.

Gradients are exchanged as a reduce-scatter: each process updates an equal share of every parameter's rows, and gets of
the others' gradients no more than that share. What is usually gathered afterwards needs no copy here, since the weights
lie in memory that all processes see. Equal to serial training up to the order of summation.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from lab.backend import Array
from lab.bench.shared_backprop import SharedBackprop, parts, rate
from lab.layers import Grads
from lab.parallel import Crew, Disconnected, Job, Ring


class DataParallel(SharedBackprop):
    """A subject: `processes` ranks, this process being the first of them."""

    def train(self, tick: Callable[[], None]) -> None:
        """Steps of an endless training."""
        ranks = range(self.processes)
        params = self._params()
        rings = {}
        for a in ranks:
            for b in ranks:
                if a != b:
                    fields = {name: (p[self._rows(p, b)].shape, p.dtype) for name, p in params.items()}
                    rings[a, b] = Ring(fields, slots=2)
        reads = {b: [rings[a, b] for a in ranks if a != b] for b in ranks}
        writes = {a: {b: rings[a, b] for b in ranks if b != a} for a in ranks}
        jobs = [
            Job(f"rank {r}", partial(self._rank, r, reads[r], writes[r], None), reads[r], [*writes[r].values()])
            for r in ranks[1:]
        ]
        with Crew(jobs, reads=reads[0], writes=[*writes[0].values()]) as crew:
            try:
                self._rank(0, reads[0], writes[0], tick)
            except Disconnected:
                raise crew.failure() from None

    def _rank(self, rank: int, reads: list[Ring], writes: dict[int, Ring], tick: Callable[[], None] | None) -> None:
        """Steps with this rank's part of each batch."""
        self.take_share()
        trainer, params, factor = self.trainer, self._params(), rate(self.trainer)
        mine = {name: p[self._rows(p, rank)] for name, p in params.items()}
        state = trainer.optimizer.start(mine, trainer.ops)
        with trainer._limited():
            for batch in parts(trainer, self.rows, self.processes):
                images, target, ctx = batch[rank]
                grads: dict[str, Array] = {}
                trainer._pass(images, target, ctx, partial(_collect, grads), {}, of=trainer.batch_size)
                for other, ring in writes.items():
                    ring.send({}, {name: g[self._rows(g, other)] for name, g in grads.items()})
                own = {name: g[self._rows(g, rank)] for name, g in grads.items()}
                for ring in reads:
                    _, theirs = ring.receive()
                    for name, g in theirs.items():
                        own[name] += g
                    ring.release()
                trainer.optimizer.step(mine, own, state, trainer.ops, factor)
                del grads, own, images, target
                for ring in writes.values():  # nobody reads the weights before all have written theirs
                    ring.send({})
                for ring in reads:
                    ring.receive()
                    ring.release()
                if tick is not None:
                    tick()

    def _params(self) -> dict[str, Array]:
        return {f"{unit}.{key}": p for unit, params in self.trainer._units.items() for key, p in params.items()}

    def _rows(self, p: Array, rank: int) -> slice:
        return slice(len(p) * rank // self.processes, len(p) * (rank + 1) // self.processes)


def _collect(found: dict[str, Array], unit: str, grads: Grads) -> None:
    found |= {f"{unit}.{key}": g for key, g in grads.items()}
