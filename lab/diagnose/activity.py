"""What blocks do with rows: units that never answer, pairs told apart wrongly, probabilities without a slope."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import prod
from typing import Any

import numpy as np

from lab.backend import Array
from lab.data import Split
from lab.diagnose.rows import compared, images_of, presented
from lab.layers import Ctx
from lab.networks import Block
from lab.objectives import Goodness, PairObjective
from lab.trainers import ForwardForwardTrainer, Trainer, UnsupervisedTrainer

LOW, HIGH = 0.01, 0.99
DOUBLINGS, BINS = 4, 32  # of histograms: from theta / 2^DOUBLINGS to theta 2^DOUBLINGS, in so many bins


def dead_units(trainer: Trainer, split: Split, epochs: int) -> dict[str, float]:
    """Share of units that give 0 for every row, under the neutral label where the network reads one.

    A unit of a block of shape (C, H, W) is a channel, of shape (T, H) one of the H: dead where it is nowhere active.
    """
    images, _ = images_of(trainer, split)
    found = {}
    for block, h, _ in trainer.network.walk(presented(trainer, images), Ctx(trainer.ops)):
        axes = {1: (0,), 2: (0, 1), 3: (0, 2, 3)}[len(block.shape)]
        found[block.name] = float((h == 0).all(axis=axes).mean())
    return found


def pairwise_errors(trainer: Trainer, split: Split, epochs: int) -> dict[str, float]:
    """Share of images whose evidence is not above that with a wrong label, or of a hybrid; 0.5 is chance."""
    return {
        block.name: float((evidence(own) <= evidence(wrong)).mean())
        for block, own, wrong, evidence in _pairs(trainer, split, "evidence")
    }


def saturation(trainer: Trainer, split: Split, epochs: int) -> dict[str, float]:
    """Share of rows, positive and negative ones alike, whose p is so near 0 or 1 that little is learnt from them."""
    found = {}
    for block, own, wrong, probability in _pairs(trainer, split, "probability"):
        p = np.concatenate([trainer.ops.to_host(probability(h)) for h in (own, wrong)])
        found[block.name] = float(((p < LOW) | (p > HIGH)).mean())
    return found


def histograms(trainer: Trainer, split: Split, epochs: int) -> dict[str, dict[str, list[int]]]:
    """How much goodness positive and negative rows have: counts in `BINS` equal bins of log2(g / theta).

    What lies outside is counted in the first or last bin.
    """
    found: dict[str, dict[str, list[int]]] = {}
    objective = getattr(trainer, "objective", None)
    if not isinstance(objective, Goodness):
        return found
    for block, own, wrong, evidence in _pairs(trainer, split, "evidence"):
        theta = float(objective.threshold(prod(block.shape)))
        found[block.name] = {
            kind: counts(abs(np.asarray(trainer.ops.to_host(evidence(h)), float)) / theta)
            for kind, h in (("positive", own), ("negative", wrong))
        }
    return found


def counts(shares: Any) -> list[int]:
    """Of g / theta (N,), how many fall into each bin."""
    with np.errstate(divide="ignore"):
        places = np.clip(np.log2(shares), -DOUBLINGS, DOUBLINGS)
    return [int(n) for n in np.histogram(places, BINS, (-DOUBLINGS, DOUBLINGS))[0]]


def weight_norms(trainer: Trainer, split: Split, epochs: int) -> dict[str, float]:
    """Frobenius norm of all weights of a block; vectors (biases, scales) are left out."""
    found = {}
    for block in trainer.network.blocks:
        squares = [float((p.astype(np.float64) ** 2).sum()) for p in block.params.values() if p.ndim > 1]
        found[block.name] = sum(squares) ** 0.5
    return found


def _pairs(trainer: Trainer, split: Split, asked: str) -> Iterator[tuple[Block, Array, Array, Callable[[Array], Any]]]:
    """Each block's activities for positive and for negative rows, and what its objective makes of them.

    Nothing where the trainer's objective does not compare such rows, or has no method `asked`, or where a pass by
    itself sees no label.
    """
    if not isinstance(trainer, ForwardForwardTrainer | UnsupervisedTrainer) or trainer.iterates:
        return
    if not hasattr(trainer.objective, asked):
        return
    assert isinstance(trainer.objective, PairObjective)
    rows = compared(trainer, *images_of(trainer, split))
    assert rows is not None, "such trainers have negative rows"
    ctx = [trainer.network.context(x, Ctx(trainer.ops)) for x in rows]
    walks = [trainer.network.walk(x, c) for x, c in zip(rows, ctx, strict=True)]
    for (block, own, _), (_, wrong, _) in zip(*walks, strict=True):
        state = trainer._objectives[block.name]

        def ask(h: Array, state: dict[str, Array] = state) -> Any:
            return getattr(trainer.objective, asked)(h, state, ctx[0])

        yield block, own, wrong, ask
