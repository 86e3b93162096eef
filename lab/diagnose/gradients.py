"""How far a trainer's update of a block agrees with the true gradient of a loss of the network's output.

    cos_l = <g_l, t_l> / (|g_l| |t_l|)

over all weights and biases of block l at once, where

g_l  is the gradient that the trainer hands its optimizer for the block: its step is made on a copy, by its own code,
     with an optimizer that only looks. Momentum, decay and the rate are left out, other terms (peer normalisation) not
t_l  is the gradient of the mean cross-entropy (or the trainer's own loss) of the readout that the network is trained
     with, through all blocks above l, on the same rows: the head's output for backprop and feedback alignment; for
     forward-forward the softmax head's, through the normalised activities of every block that it counts, on rows with
     the neutral label

Backprop's cosine is 1 by this definition. 1 means that the block moves as backprop would have it, 0 that it does not
care, -1 that it moves against it. A block whose gradient is zero has no direction, and no cosine.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lab.backend import Array, Backend
from lab.data import Split
from lab.diagnose.rows import images_of, presented
from lab.layers import Ctx, Grads
from lab.networks import Block
from lab.optimizers import Optimizer, Schedule
from lab.trainers import BackpropTrainer, ForwardForwardTrainer, Trainer
from lab.trainers.backward import Segment, Tape, backward, backward_blocks, forward, run_blocks


def cosine(trainer: Trainer, split: Split, epochs: int) -> dict[str, float]:
    """The cosine of each block that has one."""
    images, target = images_of(trainer, split)
    true = true_gradients(trainer, images, target)
    if true is None:
        return {}
    local = local_gradients(trainer, images, target, epochs)
    found = {}
    for name in local.keys() & true.keys():
        g, t = local[name], true[name]
        lengths = float(np.linalg.norm(g) * np.linalg.norm(t))
        if lengths > 0:
            found[name] = float(g @ t) / lengths
    return found


def local_gradients(trainer: Trainer, images: Array, target: Array, epochs: int) -> dict[str, Any]:
    """The gradient that `trainer` would hand its optimizer for each block, as one vector of float64 on the host."""
    # its state is copied into buffers of its own: what the step changes beside weights is not the trainer's
    other = copy.copy(trainer)
    look = Look(other.optimizer, other.network.blocks)
    other.optimizer = look
    other._start_epoch(max(1, other.progress.epoch), epochs, len(images))
    index = other.ops.xp.arange(len(images))
    with other._limited():
        other._step(images, target, index, 0, 1.0, other._ctx(other.progress.step))
    return look.found


def true_gradients(trainer: Trainer, images: Array, target: Array) -> dict[str, Any] | None:
    """The gradient of the readout's loss for each block, likewise; None where the trainer has no readout to ask."""
    ctx = trainer._ctx(trainer.progress.step)
    found: dict[str, Any] = {}

    def collect(unit: str, grads: Grads) -> None:
        if unit != "head":
            block = next(b for b in trainer.network.blocks if b.name == unit)
            found[unit] = vector(block, grads, trainer.ops)

    if isinstance(trainer, BackpropTrainer):
        output, tape = forward(trainer.network, presented(trainer, images), ctx)
        _, upstream = trainer.loss(output, target, trainer.ops)
        backward(trainer.network, tape, upstream, ctx, collect, {})
        return found
    if isinstance(trainer, ForwardForwardTrainer) and trainer.readout.head != "none":
        tape, activities, ctx = _activities(trainer, presented(trainer, images), ctx)
        waiting: dict[str, Array | None] = dict(trainer._head.upstream(activities, target))
        backward_blocks(trainer.network, tape, waiting, ctx, collect, {})
        return found
    return None


def _activities(trainer: Trainer, x: Any, ctx: Ctx) -> tuple[Tape, dict[str, Array], Ctx]:
    """Forward with all caches kept, and what every block passes on."""
    network = trainer.network
    ctx = network.context(x, ctx)
    values, found, tape = {"input": network.enter(x, ctx)}, {}, Tape(mask=ctx.mask)
    for i, block in enumerate(network.blocks):
        # one block at a time: a value goes once nothing reads it any more
        tape.segments.append(Segment(range(i, i + 1), run_blocks(network, range(i, i + 1), values, ctx), {}))
        found[block.name] = values[block.name]
    return tape, found, ctx


def vector(block: Block, grads: Grads, ops: Backend) -> Any:
    """A block's gradients one behind the other, in the order of its parameters."""
    parts = [ops.to_host(grads[key]).astype(np.float64).ravel() for key in block.params]
    return np.concatenate(parts) if parts else np.zeros(0)


@dataclass
class Look:
    """Stands in an optimizer's place, keeps the blocks' gradients and updates nothing."""

    own: Optimizer
    blocks: list[Block]
    found: dict[str, Any] = field(default_factory=dict)
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
        self, params: dict[str, Array], grads: Grads, state: dict[str, Array], ops: Backend, gain: float = 1.0
    ) -> None:
        """Keep the gradients of the block whose parameters these are, among others of its objective's."""
        for block in self.blocks:
            if block.params and all(params.get(key) is p for key, p in block.params.items()):
                self.found[block.name] = vector(block, grads, ops)
