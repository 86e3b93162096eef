"""How far a trainer's update of a block agrees with the true gradient of a loss of the network's output.

    cos_l = <g_l, t_l> / (|g_l| |t_l|)

over all weights and biases of block l at once, where

g_l  is the gradient that the trainer hands its optimizer for the block: its steps are made on a copy, by its own code,
     with an optimizer that only looks. Momentum, decay and the rate are left out, other terms (peer normalisation) not
t_l  is the gradient of the mean cross-entropy (or the trainer's own loss) of the readout that the network is trained
     with, through all blocks above l, on the same rows: the head's output for backprop and feedback alignment; for
     forward-forward the softmax head's, through the normalised activities of every block that it counts, on rows with
     the neutral label; the same for self-contrastive learning, on each image beside itself

both as means over batches of the trainer's own size, the same rows in each. Backprop's cosine is 1 by this definition.
1 means that the block moves as backprop would have it, 0 that it does not care, -1 that it moves against it. A block
whose gradient is zero has no direction, and no cosine.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from lab.backend import Array, Backend
from lab.data import Split
from lab.diagnose.rows import batches, presented
from lab.layers import Ctx, Grads
from lab.networks import Block
from lab.optimizers import Optimizer, Schedule
from lab.trainers import BackpropTrainer, ForwardForwardTrainer, Trainer, UnlabelledTrainer
from lab.trainers.backward import Deliver, back_through, backward, forward, run_blocks


def cosine(trainer: Trainer, split: Split, epochs: int) -> dict[str, float]:
    """The cosine of each block that has one."""
    true = true_gradients(trainer, split)
    if true is None:
        return {}
    local = local_gradients(trainer, split, epochs)
    found = {}
    for name in local.keys() & true.keys():
        g, t = local[name], true[name]
        lengths = float(np.linalg.norm(g) * np.linalg.norm(t))
        if lengths > 0:
            found[name] = float(g @ t) / lengths
    return found


def local_gradients(trainer: Trainer, split: Split, epochs: int) -> dict[str, Any]:
    """The gradient that `trainer` would hand its optimizer for each block, as one vector of float64 on the host."""
    # a copy has its state in buffers of its own: what a step changes beside weights is not the trainer's
    other = copy.copy(trainer)
    look = Look(other.optimizer, other.network.blocks)
    other.optimizer = look
    other.progress.batch = 0
    whole = _whole_batches(trainer, split)
    other._start_epoch(max(1, other.progress.epoch), epochs, len(whole))
    with other._limited():
        other._train_epoch(batches(other, whole, min(len(whole), trainer.batch_size)), 1.0, None)
    return {name: total / look.seen[name] for name, total in look.found.items()}


def true_gradients(trainer: Trainer, split: Split) -> dict[str, Any] | None:
    """The gradient of the readout's loss for each block, likewise; None where the trainer has no readout to ask."""
    if trainer.iterates:
        return None  # its readout sees the first pass alone, whose gradient is not that of what the blocks learn
    if isinstance(trainer, BackpropTrainer):
        through = partial(_through_head, trainer)
    elif isinstance(trainer, ForwardForwardTrainer | UnlabelledTrainer) and trainer.readout.head != "none":
        through = partial(_through_readout, trainer)
    else:
        return None
    whole = _whole_batches(trainer, split)
    found: dict[str, Any] = {}
    parts = batches(trainer, whole, min(len(whole), trainer.batch_size))

    def collect(unit: str, grads: Grads) -> None:
        if unit != "head":
            block = next(b for b in trainer.network.blocks if b.name == unit)
            found[unit] = found.get(unit, 0.0) + vector(block, grads, trainer.ops) / len(parts)

    for i in range(len(parts)):
        images, target, _ = parts[i]
        through(images, target, trainer._ctx(trainer.progress.step + i), collect)
    return found


def _whole_batches(trainer: Trainer, split: Split) -> Split:
    """The rows that fill whole batches, so that each counts the same; all where there is not even one."""
    n = len(split) // trainer.batch_size * trainer.batch_size or len(split)
    return replace(split, x=split.x[:n], y=split.y[:n])


def _through_head(trainer: BackpropTrainer, images: Array, target: Array, ctx: Ctx, deliver: Deliver) -> None:
    output, tape = forward(trainer.network, presented(trainer, images), ctx)
    _, upstream = trainer.loss(output, target, trainer.ops)
    backward(trainer.network, tape, upstream, ctx, deliver, {})


def _through_readout(
    trainer: ForwardForwardTrainer | UnlabelledTrainer, images: Array, target: Array, ctx: Ctx, deliver: Deliver
) -> None:
    network, x = trainer.network, presented(trainer, images)
    ctx = network.context(x, ctx)
    values, activities, caches = {"input": network.enter(x, ctx)}, {}, []
    for i, block in enumerate(network.blocks):
        # one block at a time: a value goes once nothing reads it any more
        caches += run_blocks(network, range(i, i + 1), values, ctx)
        activities[block.name] = values[block.name]
    waiting = trainer._head.upstream(activities, target)
    back_through(network, range(len(network.blocks)), caches, waiting, ctx, deliver, {})


def vector(block: Block, grads: Grads, ops: Backend) -> Any:
    """A block's gradients one behind the other, in the order of its parameters."""
    parts = [ops.to_host(grads[key]).astype(np.float64).ravel() for key in block.params]
    return np.concatenate(parts) if parts else np.zeros(0)


@dataclass
class Look:
    """Stands in an optimizer's place, sums up the blocks' gradients and how many there were, and updates nothing."""

    own: Optimizer
    blocks: list[Block]
    found: dict[str, Any] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)
    takes_products = False  # gradients come written out

    @property
    def learning_rate(self) -> float:
        """That of the optimizer."""
        return self.own.learning_rate

    @property
    def schedule(self) -> Schedule:
        """That of the optimizer."""
        return self.own.schedule

    def start(self, params: dict[str, Array], ops: Backend) -> dict[str, Array]:
        """The optimizer's state."""
        return self.own.start(params, ops)

    def step(
        self, params: dict[str, Array], grads: Grads, state: dict[str, Array], ops: Backend, gain: float | Array = 1.0
    ) -> None:
        """Keep the gradients of the block whose parameters these are, among others of its objective's."""
        for block in self.blocks:
            if block.params and all(params.get(key) is p for key, p in block.params.items()):
                self.found[block.name] = self.found.get(block.name, 0.0) + vector(block, grads, ops)
                self.seen[block.name] = self.seen.get(block.name, 0) + 1
