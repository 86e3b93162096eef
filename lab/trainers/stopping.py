"""Early stopping: an end to training that no longer helps, and a way back to the epoch that was best."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lab.data.dataset import Split
from lab.errors import UsageError
from lab.registry import register, unknown
from lab.schema import check

if TYPE_CHECKING:
    from lab.trainers.base import Trainer
    from lab.trainers.history import EpochRecord

_LOWER = ("loss", "error", "rmse", "bits_per_character")  # beginnings of names of what is to be small
_HIGHER = ("accuracy", "r2")
BEST = "best/"  # what the arrays of the best epoch are called in a trainer's state


@dataclass
class Standing:
    """How early stopping stands: the metric, its best value, and epochs (counted from 1; 0: none yet)."""

    metric: str
    best: float | None = None
    best_epoch: int = 0
    stopped_epoch: int = 0
    restored: bool = False


@register("stop", "patience")
@dataclass(frozen=True)
class EarlyStop:
    """Ends training once a validation metric has not improved for `patience` epochs (Prechelt 1998).

    patience   epochs without improvement after which training ends
    metric     accuracy, error, loss, r2, rmse, accuracy_softmax, ...: a figure of `evaluate`; auto: accuracy of
               classes, rmse of numbers, bits_per_character of a text, which ask the same of every trainer, while losses
               differ in meaning
    min_delta  what counts as an improvement: more than so much better than the best
    after      patience is counted from this epoch on at the earliest: accuracy by goodness may be near chance for some
               epochs before it begins to rise
    restore    go back to the weights of the best epoch, where training ends early and at its last epoch too; until then
               a copy of them is kept

    Learning-rate schedules are laid out over all epochs that `fit` was asked for, as if none were left out: whether
    training will stop early is not known beforehand. With a cool-down ask for the epochs that it is to have, and let
    the stop cut off only what harms; with a constant rate ask for as many as are worth a wait.
    """

    patience: int = 5
    metric: str = "auto"
    min_delta: float = 0.0
    after: int = 0
    restore: bool = True

    def __post_init__(self) -> None:
        check(self)
        if self.patience < 1 or self.min_delta < 0 or self.after < 0:
            raise UsageError(
                f"stop needs patience >= 1, min_delta >= 0 and after >= 0, got patience={self.patience} "
                f"min_delta={self.min_delta} after={self.after}"
            )

    def begin(self, trainer: Trainer, valid: Split | None) -> None:
        """Make the trainer ready; before any work, UsageError is raised where the metric will not be found."""
        trainer.check_early_end()
        if valid is None or not len(valid):
            raise UsageError("stop needs validation rows to look at; give fit a valid split, or data.valid above 0")
        found = trainer.evaluate(replace(valid, x=valid.x[:0], y=valid.y[:0]))
        metric = self.metric
        if metric == "auto":
            metric = next(name for name in ("bits_per_character", "accuracy", "rmse") if name in found)
        known = [name for name in found if name.startswith((*_LOWER, *_HIGHER))]
        if metric not in known:
            raise UsageError(unknown("stop.metric", metric, known))
        before = trainer.progress.stop
        if before is not None and before.stopped_epoch:
            raise UsageError(
                f"training stopped early after epoch {before.stopped_epoch}, the best being epoch {before.best_epoch}; "
                "make a new trainer, or give no stop to train on from here"
            )
        if before is None or before.metric != metric or (self.restore and not (trainer.best or before.restored)):
            trainer.progress.stop, trainer.best = Standing(metric), {}
        elif self.restore and before.restored:
            trainer.best, before.restored = _copies(trainer), False

    def look(self, trainer: Trainer, record: EpochRecord, last: bool) -> bool:
        """Take an epoch's record into account; whether training ends. `last`: it ends anyway."""
        standing = trainer.progress.stop
        assert standing is not None
        value = float(record.valid[standing.metric])
        sign = -1 if standing.metric.startswith(_LOWER) else 1
        better = standing.best is None or sign * value > sign * standing.best + self.min_delta
        if better and math.isfinite(value):
            standing.best, standing.best_epoch = value, record.epoch
            if self.restore:
                trainer.best = _copies(trainer)
        elif record.epoch - max(standing.best_epoch, self.after) >= self.patience:
            standing.stopped_epoch = record.epoch
        ends = last or standing.stopped_epoch > 0
        if ends and self.restore and trainer.best:
            from lab.trainers.state import put

            put(trainer, trainer.best)
            trainer.best, standing.restored = {}, True
        return ends


def _copies(trainer: Trainer) -> dict[str, Any]:
    """Copies of what answers depend on: all that training changes but for what optimizers remember."""
    arrays = {name: trainer.ops.to_host(array) for name, array in trainer._arrays().items()}
    return {name: array.copy() for name, array in arrays.items() if "optimizer" not in name.partition("/")[0]}
