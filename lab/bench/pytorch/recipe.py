"""The forward-forward recipe's numbers and the parts of its step that every PyTorch form shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lab.bench.work import Work
from lab.errors import UsageError
from lab.layers.norm import TINY
from lab.networks import Network
from lab.objectives import Goodness
from lab.optimizers import SGD
from lab.trainers import ForwardForwardTrainer


@dataclass(frozen=True)
class Recipe:
    """The trainer's own options, by short names; `read` are the blocks that the head reads, from 0."""

    rate: float
    momentum: float
    decay: float
    head_rate: float
    head_decay: float
    peer: float
    peer_momentum: float
    read: tuple[int, ...]

    @classmethod
    def of(cls, work: Work, network: Network) -> Recipe:
        """The recipe of a work. Raises UsageError where the lab's trainer has options that are not written here."""
        trainer = work.trainer()
        assert isinstance(trainer, ForwardForwardTrainer)
        sgd, goodness, readout = trainer.optimizer, trainer.objective, trainer.readout
        assert isinstance(sgd, SGD)
        assert isinstance(goodness, Goodness)
        known = (
            goodness == Goodness(peer=goodness.peer, peer_momentum=goodness.peer_momentum)
            and sgd.dampening == sgd.momentum == readout.momentum
            and not (sgd.l1 or sgd.l2)
            and (trainer.negatives, trainer.schedule, readout.head) == ("hard", "simultaneous", "stored")
            and network.label_input is not None
            and network.label_input.mode == "pixels"
        )
        if not known:
            raise UsageError("PyTorch's side is written for the recipe alone; compare it with the default options")
        names = [block.name for block in network.blocks]
        read = tuple(names.index(block.name) for block in readout.counted(network))
        return cls(
            sgd.learning_rate, sgd.momentum, sgd.weight_decay, readout.learning_rate, readout.weight_decay,
            goodness.peer, goodness.peer_momentum, read,
        )  # fmt: skip


def length_norm(torch: Any, x: Any) -> Any:
    """Rows x (N, I) scaled to unit mean square; rows of zeros stay zeros."""
    return x / (torch.linalg.vector_norm(x, dim=1, keepdim=True) * x.shape[1] ** -0.5 + TINY)


def with_label(images: Any, label: Any) -> Any:
    """A copy of images (N, I) with a label (N, K) or (K,) in the first pixels."""
    out = images.clone()
    out[:, : label.shape[-1]] = label
    return out


def draw_wrong(torch: Any, probabilities: Any, target: Any, uniforms: Any) -> Any:
    """A wrong label (N,) for each row, drawn from probabilities (N, K) with the true class masked.

    The floor under the shares makes wrong labels equally likely where all belief is in the true one.
    """
    share = probabilities.double().clamp_min(1e-300)
    share.scatter_(1, target[:, None], 0)
    cumulative = share.cumsum(1)
    return (cumulative <= (uniforms * cumulative[:, -1])[:, None]).sum(1)
