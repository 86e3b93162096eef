"""LocalTrainer: what all block-local rules share. One block at a time learns from its own activities."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from lab.backend import Array, Kernels, scaled
from lab.data.dataset import Split
from lab.errors import UsageError
from lab.layers import Ctx, settle
from lab.networks import Block, Network, NetworkSpec
from lab.objectives import LocalObjective, Rows
from lab.optimizers import Optimizer
from lab.random import generator
from lab.schedules import check_schedule, gain
from lab.trainers.base import Trainer
from lab.trainers.bins import Bins
from lab.trainers.evaluation import evaluate, evaluate_numbers
from lab.trainers.schedule import BlockSchedule, checked, ranges, shown

Figures = dict[str, Array | float]
BINS = 10  # of numbers to predict, where they are learnt as labels


@dataclass
class Pass:
    """Rows that go through the network together: which they are, how they run, and what blocks still read of them.

    values  by name, "input" or a block's: what it passed on. All that goes from one block to the next is in here.
    share   the derivative of a block's state with respect to what it just responded; see `state`
    """

    rows: Rows
    ctx: Ctx
    values: dict[str, Array]
    share: float = 1.0

    def state(self, block: Block, h: Array) -> Array:
        """The activities that the objective is asked of, and that are passed on: those that the block responded."""
        return h


class LocalTrainer(Trainer):
    """Each block learns from its own activities, by a local objective; no gradient goes from one block to another.

    A step goes over the blocks in order (`update_blocks`); each is updated by `update_block` from what the blocks
    before it passed on by their old weights. A subclass says which rows are shown, and how the network answers.

    Numbers to predict are learnt as labels, where `takes_numbers`: those of BINS quantile bins of the training targets
    (lab.trainers.bins). The answer is sum_k p_k c_k, p the readout's probabilities and c_k the mean target of bin k.

    objective  a local objective, for every block anew
    schedule   simultaneous: all blocks learn at every step; greedy: one block after the other, each for its share of
               the epochs; or a range of epochs for each block, such as ("1-11", "1-16", "1-21", "1-25"): all begin
               together, and the lower ones end before those that read them (CwComp, Papachristodoulou et al. 2024). The
               learning rate's schedule is laid out over a block's own epochs
    The rest as in Trainer.
    """

    takes_numbers: ClassVar[bool] = False

    def __init__(
        self,
        network: NetworkSpec | Network,
        *,
        optimizer: Optimizer,
        objective: LocalObjective,
        schedule: BlockSchedule = "simultaneous",
        seed: int = 0,
        batch_size: int = 100,
        backend: str = "numpy",
        dtype: str = "float32",
        threads: int | None = None,
        kernels: Kernels = "auto",
    ) -> None:
        schedule = checked(schedule)
        super().__init__(
            network,
            optimizer=optimizer,
            seed=seed,
            batch_size=batch_size,
            backend=backend,
            dtype=dtype,
            threads=threads,
            kernels=kernels,
        )
        self.objective, self.schedule = objective, schedule
        self.family = objective.family
        self.defaults = replace(type(self).defaults, norm=objective.norm or type(self).defaults.norm)

    # -- building ------------------------------------------------------------------------------------------------
    def _check_task(self) -> None:
        if self.task != "classification" and not self.takes_numbers:
            raise UsageError(
                f"{type(self).__name__} needs class labels, but y holds numbers; use backprop or forward_forward"
            )
        if self.n_outputs < 2:
            raise UsageError(
                f"local rules need at least 2 classes or bins, got {self.n_outputs}: no label would be wrong"
            )

    def _start(self) -> None:
        """Optimizer state and objectives, block by block: a block's are of no concern to any other."""
        if not self.network.blocks:
            raise UsageError(f"{self.network.label} has no hidden block to train; use an mlp, or backprop")
        ops, objective = self.ops, self.objective
        if self.task == "regression":
            self._edges, self._centres = np.zeros(self.n_outputs - 1), np.zeros(self.n_outputs)
        self._params: dict[str, dict[str, Array]] = {}
        self._optimizers: dict[str, dict[str, Array]] = {}
        self._objectives: dict[str, dict[str, Array]] = {}
        self._own: dict[str, dict[str, Array]] = {}
        for i, block in enumerate(self.network.blocks):
            objective.check(block.shape, self.n_outputs)
            rng = generator(self.seed, "objective", i)
            own = objective.parameters(block.shape, self.n_outputs, ops, rng)
            self._own[block.name] = own
            self._params[block.name] = block.params | {f"objective.{key}": p for key, p in own.items()}
            self._optimizers[block.name] = self.optimizer.start(self._params[block.name], ops)
            self._objectives[block.name] = own | objective.start(block.shape, ops)

    def _arrays(self) -> dict[str, Array]:
        arrays = {f"weights/{name}": p for name, p in self.network.block_parameters().items()}
        arrays |= {f"statistics/{name}": s for name, s in self.network.block_statistics().items()}
        for block in self.network.blocks:
            arrays |= {f"optimizer/{block.name}.{k}": a for k, a in self._optimizers[block.name].items()}
            arrays |= {f"objective/{block.name}.{k}": a for k, a in self._objectives[block.name].items()}
        if self.task == "regression":
            arrays |= {"bins/edges": self._edges, "bins/centres": self._centres}
        return arrays

    def options(self) -> dict[str, str]:
        return super().options() | {"objective": str(self.objective), "schedule": shown(self.schedule)}

    # -- training ------------------------------------------------------------------------------------------------
    def outputs_for(self, train: Split) -> int:
        numbers = train.y.dtype.kind == "f" and self.takes_numbers
        return Bins(train.y, BINS).n if numbers else super().outputs_for(train)

    def _meet(self, train: Split) -> None:
        if self.task == "classification":
            return
        bins = Bins(train.y, BINS)
        if bins.n != self.n_outputs or len(bins.edges) != bins.n - 1:
            raise UsageError(
                f"the number of bins of {train.name}'s targets is {len(bins.edges) + 1}, but this trainer learns "
                f"{self.n_outputs}; give it targets that differ, and the same ones at each call"
            )
        self._edges[:], self._centres[:] = bins.edges, bins.centres

    def targets(self, y: Array) -> Array:
        return y if self.task == "classification" else np.searchsorted(self._edges, y, side="right")

    def _check_epochs(self, epochs: int) -> None:
        for first, last in ranges(self.schedule, len(self.network.blocks), epochs):
            check_schedule(self.optimizer.schedule, last - first + 1)

    def check_early_end(self) -> None:
        if self.schedule != "simultaneous":
            raise UsageError(
                f"schedule={shown(self.schedule)} trains some blocks later than others, and an early end would leave "
                "those untrained; use schedule=simultaneous, or no stop"
            )

    def _start_epoch(self, epoch: int, epochs: int, n: int) -> None:
        self._gains: dict[int, float | Array] = {  # of the blocks that learn in this epoch, by their place
            i: gain(self.optimizer.schedule, epoch - first + 1, last - first + 1)
            for i, (first, last) in enumerate(ranges(self.schedule, len(self.network.blocks), epochs))
            if first <= epoch <= last
        }

    def _follow(self, rate: Array) -> None:
        self._gains = dict.fromkeys(self._gains, rate)

    def _unrepeatable(self) -> str:
        if self.schedule != "simultaneous":
            return f"schedule={shown(self.schedule)} trains other blocks in other epochs"
        return super()._unrepeatable()

    def update_blocks(
        self,
        shown: list[tuple[Array, Rows]],
        ctx: Ctx,
        look: Callable[[Block, Sequence[Pass]], None] | None = None,
    ) -> Figures:
        """One local update of every active block from rows, one pass for each in `shown`, which is emptied.

        Returns figures to record. This is the whole of the method: no block's update reads what lies above it.
        `look(block, passes)` is called after each block, where the passes still hold what it passed on.
        """
        passes = self.enter(shown, ctx)
        figures: Figures = {}
        total: Array | float = 0.0
        top = max(self._gains)
        for i, block in enumerate(self.network.blocks[: top + 1]):
            learn = i in self._gains
            figures |= self.update_block(i, passes, learn=learn, pass_on=look is not None or i < top)
            if look is not None:
                look(block, passes)
            if learn:
                total = total + figures[f"{block.name}/loss"]
        figures["loss"] = total
        return figures

    def enter(self, shown: list[tuple[Array, Rows]], ctx: Ctx) -> list[Pass]:
        """The passes as they are before the first block; `shown` is emptied, so that rows are not held twice."""
        passes: list[Pass] = []
        with self.ops.usage.during("input", "activations"):
            while shown:
                x, rows = shown.pop(0)
                own = self.network.context(x, replace(ctx, noise=replace(ctx.noise, stream=len(passes) + 1)))
                passes.append(Pass(rows, own, {"input": self.network.enter(x, own)}))
                del x
        return passes

    def update_block(self, i: int, passes: Sequence[Pass], *, learn: bool = True, pass_on: bool = True) -> Figures:
        """One local update of block i; needs of the network this block alone, and of each pass what it reads.

        Forward on each pass, local objective, backward inside the block, update. Then what no later block reads leaves
        the passes' values, and unless pass_on is False the block's output, by its weights from before the update, goes
        into them. learn=False: the output alone. Returns figures to record.
        """
        figures, outputs = self.learn_block(i, passes, learn=learn, pass_on=pass_on)
        unread = self.network.unread_after(i)
        for each in passes:
            for name in unread:
                del each.values[name]
            if pass_on:
                each.values[self.network.blocks[i].name] = outputs.pop(0)
        return figures

    def learn_block(
        self, i: int, passes: Sequence[Pass], *, learn: bool = True, pass_on: bool = True
    ) -> tuple[Figures, list[Array]]:
        """As `update_block`, but the passes' values stay as they are: returns figures and each pass's output."""
        usage, block = self.ops.usage, self.network.blocks[i]
        figures: Figures = {}
        loss: Array | float = 0.0
        grads: dict[str, Array] = {}
        outputs = []
        unwritten = len(passes) == 1 and self.ops.adds_products and getattr(self.optimizer, "takes_products", False)
        for each in passes:
            with usage.during(f"{block.name} forward", "activations"):
                inputs = [each.values[source.name] for source in block.sources]
                h, cache = block.respond(inputs, each.ctx.keeping(learn))
                state = each.state(block, h)
            if learn:
                with usage.during(f"{block.name} objective", "activations"):
                    signal = self.objective(state, each.rows, self._objectives[block.name], each.ctx)
                dh = signal.dh if each.share == 1 else scaled(signal.dh, each.share)
                loss = loss + signal.loss
                figures |= {f"{block.name}/{figure}": value for figure, value in signal.seen.items()}
            shared = False
            if pass_on:
                with usage.during(f"{block.name} pass on", "activations"):
                    outputs.append(block.pass_on(state, each.ctx.keeping(False))[0])
                    shared = self.ops.xp.may_share_memory(h, outputs[-1])
            if learn:
                # what goes on is computed by now, so that the backward may overwrite h
                own = replace(each.ctx, spend=not shared, unwritten=unwritten)
                with usage.during(f"{block.name} backward", "activations"):
                    nothing = [False] * len(block.sources)
                    _, part = block.backward(dh, cache, own, signal.dz, need_dx=nothing)
                part |= {f"objective.{key}": g for key, g in signal.grads.items()}
                settle(block.stats, block.statistics(cache))
                for key, g in part.items():
                    if key in grads:
                        grads[key] += g
                    else:
                        grads[key] = g
                del signal, dh, part, g
            del h, state, cache, inputs
        if learn:
            if self.ops.name == "numpy":
                self._check_finite(loss, block.name)
            with usage.during(f"{block.name} update", "workspace"):
                self.optimizer.step(
                    self._params[block.name], grads, self._optimizers[block.name], self.ops, self._gains[i]
                )
            figures[f"{block.name}/loss"] = loss
        return figures, outputs

    # -- answering -----------------------------------------------------------------------------------------------
    @abstractmethod
    def answers(self, images: Array) -> tuple[dict[str, Array], dict[str, Array]]:
        """Each readout's probabilities (N, K) by name, and each block's evidence for each class (N, K) by name."""

    @property
    @abstractmethod
    def answers_by(self) -> str:
        """The name of the readout that predicts."""

    def _evaluate(self, split: Split) -> dict[str, Any]:
        return evaluate(self, split) if self.task == "classification" else evaluate_numbers(self, split)

    def predict(self, x: Array) -> Array:
        return super().predict(x) if self.task == "classification" else self.expected(self.predict_proba(x))

    def expected(self, probabilities: Array) -> Array:
        """The numbers (N,) float64 that probabilities (N, K) of the bins stand for, on the host."""
        found: Array = np.asarray(probabilities, np.float64) @ self._centres
        return found

    # -- figures for the record ----------------------------------------------------------------------------------
    def describe(self) -> dict[str, Any]:
        self._check_built()
        size = sum(int(p.size) for own in self._own.values() for p in own.values())
        objective = {"objective_parameters": size} if size else {}
        return {**self.network.describe(), "head_parameters": 0, **objective}
