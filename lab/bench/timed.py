"""How long each block takes of a forward-forward step: what the balance of a layer-parallel training hangs on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from time import perf_counter
from typing import Any

from lab.backend import Array
from lab.bench.ours import Ours
from lab.bench.work import Work
from lab.layers import Ctx
from lab.trainers import ForwardForwardTrainer
from lab.trainers.local import Figures, Pass


class _Timed(ForwardForwardTrainer):
    """Looks at the clock between blocks. `laps` has the seconds of each step by place: a block's name, or "head"."""

    laps: list[dict[str, float]]

    def believe(self, images: Array, target: Array, rate: float | Array, ctx: Ctx) -> tuple[Array, Array, Any]:
        self.laps.append({})
        neutral, base = self.neutral(images)
        kept, began = {}, perf_counter()
        for block, _, n in self.network.walk(neutral, ctx):
            if block.name in self._head.blocks:
                kept[block.name] = n.reshape(len(n), -1)
            self._lap(block.name, began)
            began = perf_counter()
        probabilities, loss = self._head.learn(kept.items, target, rate, self.sound_head)
        self._lap("head", began)
        return probabilities, loss, base

    def update_block(self, i: int, passes: Sequence[Pass], *, learn: bool = True, pass_on: bool = True) -> Figures:
        began = perf_counter()
        figures = super().update_block(i, passes, learn=learn, pass_on=pass_on)
        self._lap(self.network.blocks[i].name, began)
        return figures

    def _lap(self, place: str, began: float) -> None:
        self.laps[-1][place] = self.laps[-1].get(place, 0.0) + perf_counter() - began


class BlockTimes(Ours):
    """A subject that tells, once steps were made, the median seconds of each place."""

    def __init__(self, work: Work) -> None:
        self.work, self.rows = work, work.split()
        self._timed = _Timed(
            work.description(), seed=work.seed, batch_size=work.batch_size, dtype=work.dtype, threads=work.threads
        )
        self._timed.laps = []
        self.trainer = self._timed.build(self.rows.x.shape[1:], int(self.rows.y.max()) + 1, scale=self.rows.scale)

    def train(self, tick: Callable[[], None]) -> None:
        """Steps of an endless training; those of earlier turns are forgotten."""
        self._timed.laps.clear()
        super().train(tick)

    def facts(self) -> dict[str, Any]:
        """As `Ours` does, and the places' seconds."""
        laps = self._timed.laps
        return {**super().facts(), "places": {name: median(lap[name] for lap in laps) for name in laps[-1]}}
