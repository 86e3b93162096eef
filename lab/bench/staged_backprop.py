"""Pipeline-parallel backpropagation: blocks on several processes, a batch in micro-batches, then the update.

Each stage passes its micro-batches on, and takes the error of each back from the stage behind, as soon as it is there
(Huang et al. 2019, GPipe; the last stage goes back at once). While the first one is on its way the stages behind
wait, and at the end those in front: the bubble, that layer-parallel forward-forward does not have. Equal to serial
training up to the order of summation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from lab.backend import Array, Product
from lab.bench.shared_backprop import Parts, SharedBackprop, parts, rate
from lab.bench.work import Work
from lab.errors import UsageError
from lab.layers import Grads
from lab.parallel import Crew, Disconnected, Job, Ring, partition
from lab.trainers.backward import back_through, run_blocks


class StagedBackprop(SharedBackprop):
    """A subject: `processes` stages of consecutive blocks; this process is the first, and is told of a step's end."""

    def __init__(self, work: Work, processes: int = 2, micro_batches: int = 4) -> None:
        super().__init__(work, processes)
        if work.batch_size % micro_batches:
            raise UsageError(f"a batch of {work.batch_size} makes no {micro_batches} equal micro-batches")
        self.micro_batches = micro_batches
        flops = [block.flops() for block in self.trainer.network.blocks]
        self.stages = partition([2 * flops[0], *(3 * f for f in flops[1:])], processes)

    def train(self, tick: Callable[[], None]) -> None:
        """Steps of an endless training."""
        network, size = self.trainer.network, self.work.batch_size // self.micro_batches
        down, up = [], []
        for stage in self.stages[:-1]:
            name = network.blocks[stage.stop - 1].name
            field = {name: ((size, *network.blocks[stage.stop - 1].shape), self.trainer.ops.dtype)}
            down.append(Ring(field, slots=self.micro_batches))
            up.append(Ring(field, slots=self.micro_batches))
        ends = Ring({}, slots=8)  # the last stage tells the first of each step's end
        jobs = []
        for k in range(1, len(self.stages)):
            last = k + 1 == len(self.stages)
            reads = [down[k - 1], *([] if last else [up[k]])]
            writes = [up[k - 1], *([ends] if last else [down[k]])]
            jobs.append(Job(f"stage {k + 1}", partial(self._stage, k, down, up, ends, None), reads, writes))
        with Crew(jobs, reads=[up[0], ends], writes=[down[0]]) as crew:
            try:
                self._stage(0, down, up, ends, tick)
            except Disconnected:
                raise crew.failure() from None

    def _stage(self, k: int, down: list[Ring], up: list[Ring], ends: Ring, tick: Callable[[], None] | None) -> None:
        """One stage's steps."""
        self.take_share()
        trainer = self.trainer
        network, optimizer, blocks = trainer.network, trainer.optimizer, self.stages[k]
        last = k + 1 == len(self.stages)
        units = [*(network.blocks[i].name for i in blocks), *(["head"] if last else [])]
        params = {unit: trainer._units[unit] for unit in units}
        state = {unit: optimizer.start(params[unit], trainer.ops) for unit in units}
        behind, before = network.blocks[blocks.stop - 1].name, network.blocks[blocks.start - 1].name
        factor = rate(trainer)
        grads = {unit: {key: trainer.ops.zeros(p.shape, kind="gradients") for key, p in own.items()}
                 for unit, own in params.items()}  # fmt: skip
        with trainer._limited():
            for batch in parts(trainer, self.rows, self.micro_batches):
                kept: list[Any] = []
                for i in range(self.micro_batches):
                    deliver = partial(self._add, grads, i == 0)
                    values, held = self._entered(k, batch, i, down)
                    ctx = held.pop("ctx")
                    caches = run_blocks(network, blocks, values, ctx)
                    if last:
                        waiting = self._turned(values.pop(behind), held.pop("target"), ctx, deliver)
                        back_through(network, blocks, caches, waiting, ctx, deliver, {})
                        if k:
                            down[k - 1].release()
                            up[k - 1].send({}, {before: waiting.pop(before)})
                    else:
                        down[k].send({}, {behind: values.pop(behind)})
                        kept.append((caches, ctx))
                for i, (caches, ctx) in enumerate(kept):
                    deliver = partial(self._add, grads, i == 0)
                    _, arrays = up[k].receive()
                    waiting = {behind: arrays[behind]}
                    back_through(network, blocks, caches, waiting, ctx, deliver, {})
                    del arrays
                    up[k].release()
                    if k:
                        down[k - 1].release()
                        up[k - 1].send({}, {before: waiting.pop(before)})
                kept.clear()
                for unit in units:
                    optimizer.step(params[unit], grads[unit], state[unit], trainer.ops, factor)
                if last:
                    ends.send({})
                if tick is not None:
                    ends.receive()
                    ends.release()
                    tick()

    def _entered(self, k: int, batch: Parts, i: int, down: list[Ring]) -> tuple[dict[str, Array], dict[str, Any]]:
        """What stage k reads of micro-batch i, and what belongs to it; the last stage needs the targets alone."""
        images, target, ctx = batch[i]
        network, ctx = self.trainer.network, replace(ctx, unwritten=self.trainer.ops.adds_products)
        if k == 0:
            return {"input": network.enter(images, ctx)}, {"ctx": ctx, "target": target}
        _, arrays = down[k - 1].receive()
        return dict(arrays), {"ctx": ctx, "target": target}

    def _turned(self, x: Array, target: Array, ctx: Any, deliver: Callable[[str, Grads], None]) -> dict[str, Array]:
        """The head and the loss, there and back: the gradient of what the last block passes on."""
        trainer = self.trainer
        output, cache = trainer.network.head.forward(x, ctx)
        loss, upstream = trainer.loss(output, target, trainer.ops)
        trainer._check_finite(loss, "the output")
        upstream *= len(target) / trainer.batch_size
        dx, grads = trainer.network.head.backward(upstream, cache, ctx, need_dx=True)
        deliver("head", grads)
        assert dx is not None
        return {trainer.network.last: dx}

    def _add(self, sums: dict[str, dict[str, Array]], first: bool, unit: str, grads: Grads) -> None:
        """Add a micro-batch's gradients to the sums, or begin them anew; products go straight into the sum."""
        for key, g in grads.items():
            if isinstance(g, Product):
                g.add_to(sums[unit][key], 0.0 if first else 1.0, 1.0, self.trainer.ops)
            elif first:
                sums[unit][key][...] = g
            else:
                sums[unit][key] += g
