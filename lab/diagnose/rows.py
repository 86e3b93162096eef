"""Rows as a network reads them: with the label that says nothing, or with their own and with a wrong one."""

from __future__ import annotations

from typing import Any

import numpy as np

from lab.backend import Array
from lab.data import Split
from lab.data.batches import Batches
from lab.layers import Noise
from lab.random import generator
from lab.trainers import Trainer, UnlabelledTrainer, UnsupervisedTrainer


def batches(trainer: Trainer, split: Split, size: int) -> Batches:
    """The rows in their order, `size` at a time."""
    ops = trainer.ops
    x, y = ops.resident(split.x), ops.resident(trainer.targets(split.y))
    order = ops.resident(np.arange(len(split)))
    return Batches(ops, x, y, order, size, split.scale, split.alphabet)


def images_of(trainer: Trainer, split: Split) -> tuple[Array, Array]:
    """All rows of a split as the network reads them, and their targets, on the device."""
    return batches(trainer, split, len(split))[0][:2]


def presented(trainer: Trainer, images: Array) -> Any:
    """Images as they are, beside themselves, or with the neutral label: as the trainer's network answers."""
    if isinstance(trainer, UnlabelledTrainer):
        return trainer.presented(images)
    label = trainer.network.label_input
    if not trainer._labelled() or label is None or label.mode == "clamp":
        return images  # a clamped label is beside them, and the first pass does not read it
    return trainer.network.labelled(images, [label.neutral(len(images), trainer.ops)], trainer.ops)[0]


def compared(trainer: Trainer, images: Array, target: Array) -> tuple[Any, Any] | None:
    """Positive rows and negative ones: with own and with wrong labels, or images and hybrids; None without any.

    Hybrids, as wrong labels, are a pure function of the seed and the rows.
    """
    if not isinstance(trainer, UnsupervisedTrainer):
        return labelled(trainer, images, target)
    hybrids = trainer.ops.empty(images.shape)
    trainer._hybrids.write(images, hybrids, Noise(trainer.seed), trainer.ops)
    return images, hybrids


def labelled(trainer: Trainer, images: Array, target: Array) -> tuple[Any, Any] | None:
    """The images with their own labels, and with wrong ones, all equally likely; None where no label is read.

    The wrong label is a pure function of the seed and the row, so that epochs are compared on the same pairs.
    """
    label, ops = trainer.network.label_input, trainer.ops
    if not trainer._labelled() or label is None:
        return None
    draws = generator(trainer.seed, "diagnose").integers(1, trainer.n_outputs, len(images))
    wrong = (target + ops.resident(draws)) % trainer.n_outputs
    own, base = trainer.network.labelled(images, [label.one_hot(target, ops)], ops)
    return own, trainer.network.labelled(images, [label.one_hot(wrong, ops)], ops, base)[0]
