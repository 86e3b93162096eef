"""Stage: one worker's part of a layer-parallel training, its blocks, and the head where they are the last ones.

A batch arrives as what the blocks before have passed on of its neutral rows and of its positive and negative rows; it
leaves as what the blocks behind read. Blocks learn by `LocalTrainer.update_block`, the very code of a serial training.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lab.backend import Array
from lab.layers import Ctx
from lab.measure.memory import process_peak
from lab.parallel import Ring
from lab.trainers.local import Figures, Pass

if TYPE_CHECKING:
    from lab.parallel.ring import Field
    from lab.trainers.parallel import LayerParallelTrainer

NEUTRAL, MASK = "neutral", "mask"


@dataclass
class Stage:
    """The blocks of one worker, between the ring that it reads and the one that it writes.

    published  every array that training changes, by name, in memory that the main process sees
    owned      the names of those that this worker changes
    """

    trainer: LayerParallelTrainer
    index: int
    blocks: range
    before: Ring
    behind: Ring
    published: Mapping[str, Array]
    owned: list[str]

    def run(self) -> None:
        """Serve until the ring before ends."""
        trainer = self.trainer
        trainer.threads = trainer.worker_threads
        trainer.ops.threads = trainer.worker_threads  # type: ignore[attr-defined] # as in parallel.py
        self._count_own()
        with trainer._limited():
            while True:
                message, arrays = self.before.receive()
                if message["kind"] == "gather":
                    self._gather(message)
                else:
                    self._batch(message, arrays)
                del arrays
                self.before.release()

    # -- one batch -----------------------------------------------------------------------------------------------
    def _batch(self, message: dict[str, Any], arrays: dict[str, Array]) -> None:
        trainer = self.trainer
        trainer.progress.step = message["step"]
        passed: dict[str, Array] = {}
        base = None
        if message["neutral"] is not None:
            base = self._neutral(message, arrays, passed)
        if message["pair"] is not None:
            self._pair(message, arrays, base, passed)
        del base
        self.behind.send({**message, "kind": "batch"}, {} if self._last else passed)

    def _neutral(self, message: dict[str, Any], arrays: dict[str, Array], passed: dict[str, Array]) -> Any:
        """The neutral rows go on; the last worker's head learns from them and tells what it believes."""
        trainer, network, base = self.trainer, self.trainer.network, None
        target = arrays[f"{NEUTRAL}/target"]
        ctx = trainer._ctx(message["neutral"])
        with trainer.ops.usage.during("readout", "readout", every=True):
            values: dict[str, Array] = {}
            seen: dict[str, Array] = {}  # of counted blocks
            if self.index == 0:
                rows, base = trainer.neutral(arrays[f"{NEUTRAL}/images"])
                ctx = network.context(rows, ctx)
                values["input"] = network.enter(rows, ctx)
                del rows
            else:
                ctx = _masked(ctx, arrays.get(f"{NEUTRAL}/{MASK}"))
                received = {name: arrays[f"{NEUTRAL}/{name}"] for name in trainer.neutral_after(self.blocks.start - 1)}
                values = {name: received[name] for name in network.waiting_after(self.blocks.start - 1)}
                seen = {name: a for name, a in received.items() if name in trainer._head.blocks}
            for block, h, n in network.walk_on(self.blocks, values, ctx):
                if block.name in trainer._head.blocks:
                    seen[block.name] = n
                del h, n
            if not self._last:
                kept = {**seen, **values}
                names = trainer.neutral_after(self.blocks.stop - 1)
                passed |= {f"{NEUTRAL}/{name}": kept[name] for name in names}
                passed[f"{NEUTRAL}/target"] = target
                if ctx.mask is not None:
                    passed[f"{NEUTRAL}/{MASK}"] = ctx.mask
                return base
            del values
            flat = {name: n.reshape(len(n), -1) for name, n in seen.items()}
            probabilities, loss = trainer._head.learn(flat.items, target, message["rate"], trainer.sound_head)
            told = {"kind": "beliefs", "batch": message["batch"], "loss": packed({"loss": loss})}
            self.behind.send(told, {"beliefs": probabilities})
        return base

    def _pair(self, message: dict[str, Any], arrays: dict[str, Array], base: Any, passed: dict[str, Array]) -> None:
        """Positive and negative rows: each block learns from them and passes them on."""
        trainer, network = self.trainer, self.trainer.network
        gains = trainer._gains = dict(message["gains"])
        top = max(gains)
        if self.blocks.start > top:
            return
        target = arrays["target"]
        ctx = trainer._ctx(message["pair"])
        if self.index == 0:
            if "images" in arrays:  # another batch than that of the neutral rows
                base = None
            images = arrays.get("images", arrays.get(f"{NEUTRAL}/images"))
            assert images is not None
            passes = trainer.enter(trainer.shown(images, target, arrays["wrong"], base), ctx)
            del images
        else:
            names = network.waiting_after(self.blocks.start - 1)
            passes = [
                Pass(
                    rows,
                    _masked(replace(ctx, noise=replace(ctx.noise, stream=j + 1)), arrays.get(f"pass{j}/{MASK}")),
                    {name: arrays[f"pass{j}/{name}"] for name in names},
                )
                for j, rows in enumerate(trainer.rows(target))
            ]
        del base
        figures = unpacked(message["figures"])
        total = figures.pop("loss", 0.0)
        for i in self.blocks:
            if i <= top:
                learn, name = i in gains, network.blocks[i].name
                figures |= trainer.update_block(i, passes, learn=learn, pass_on=i < top)
                if learn:
                    total = total + figures[f"{name}/loss"]
        message["figures"] = packed({**figures, "loss": total})
        if self.blocks.stop <= top:
            passed["target"] = target
            for j, each in enumerate(passes):
                passed |= {f"pass{j}/{name}": value for name, value in each.values.items()}
                if each.ctx.mask is not None:
                    passed[f"pass{j}/{MASK}"] = each.ctx.mask

    # -- what the main process asks for --------------------------------------------------------------------------
    def _gather(self, message: dict[str, Any]) -> None:
        """All batches before this message are done: show the state, tell the memory."""
        arrays = self.trainer._arrays()
        for name in self.owned:
            if arrays[name] is not self.published[name]:
                self.published[name][...] = arrays[name]
        usage = self.trainer.ops.usage
        mine = {
            "name": f"worker {self.index + 1}",
            "blocks": [self.trainer.network.blocks[i].name for i in self.blocks],
            "threads": self.trainer.worker_threads,
            "peak": usage.peak_total,
            "peak_at": usage.peak_at,
            **usage.peak,
            "process_peak": process_peak()[0],
        }
        self.behind.send({**message, "memory": [*message["memory"], mine]})

    def _count_own(self) -> None:
        """Count from here on what this worker holds: its own blocks' state, and the ring that it reads."""
        usage = self.trainer.ops.usage
        for kind, nbytes in list(usage.live.items()):
            usage.add(kind, -nbytes)
        for name in self.owned:
            usage.add(
                "weights" if name.startswith(("weights/", "readout/")) else "optimizer", self.published[name].nbytes
            )
        usage.add("activations", self.before.nbytes)
        usage.reset_peak()

    @property
    def _last(self) -> bool:
        return self.blocks.stop == len(self.trainer.network.blocks)


def fields_behind(trainer: LayerParallelTrainer, stop: int) -> dict[str, Field]:
    """What goes from the blocks before number `stop` to those from there on, by name: shape for a full batch, type.

    stop = 0: what the main process gives to the first worker. After the last block: what it gets back.
    """
    network, n, dtype = trainer.network, trainer.batch_size, trainer.ops.dtype
    if stop == len(network.blocks):
        return {"beliefs": ((n, trainer.n_outputs), dtype)}
    found: dict[str, Field] = {"target": ((n,), np.int64), f"{NEUTRAL}/target": ((n,), np.int64)}
    if stop == 0:
        images = ((n, *trainer.in_shape), dtype)
        return found | {"images": images, "wrong": ((n,), np.int64), f"{NEUTRAL}/images": images}
    shapes = {block.name: block.shape for block in network.blocks}
    passes = {"pass0": 2 * n} if trainer.passes == "joint" else {"pass0": n, "pass1": n}
    for name in trainer.neutral_after(stop - 1):
        found[f"{NEUTRAL}/{name}"] = ((n, *shapes[name]), dtype)
    for prefix, rows in passes.items():
        for name in network.waiting_after(stop - 1):
            found[f"{prefix}/{name}"] = ((rows, *shapes[name]), dtype)
    if network.masked:
        for prefix, rows in {NEUTRAL: n, **passes}.items():
            found[f"{prefix}/{MASK}"] = ((rows, trainer.in_shape[0]), np.bool_)
    return found


def packed(figures: Figures) -> dict[str, tuple[float, str]]:
    """Figures as JSON, each with its type ("" for Python's own), so that sums of them round as they would have here."""
    return {
        name: (float(value), "" if type(value) is float else np.asarray(value).dtype.str)
        for name, value in figures.items()
    }


def unpacked(figures: Mapping[str, tuple[float, str]]) -> Figures:
    """What `packed` was given."""
    return {name: np.dtype(kind).type(value) if kind else value for name, (value, kind) in figures.items()}


def _masked(ctx: Ctx, mask: Array | None) -> Ctx:
    return ctx if mask is None else replace(ctx, mask=mask)
