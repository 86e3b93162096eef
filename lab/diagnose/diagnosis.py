"""diagnose(trainer, split, names) -> figures of each block."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal, TypeAlias, get_args

from lab.data import Split
from lab.diagnose.activity import dead_units, pairwise_errors, saturation, weight_norms
from lab.diagnose.gradients import cosine
from lab.diagnose.probes import probes
from lab.errors import UsageError
from lab.registry import unknown
from lab.trainers import EpochRecord, Trainer

Diagnostic: TypeAlias = Literal["cosine", "probes", "dead_units", "pairwise_errors", "saturation", "weight_norms"]
DIAGNOSTICS: tuple[str, ...] = get_args(Diagnostic)
ROWS = 1000  # the first of the split: shares are then known to about three points

_BY_NAME: dict[str, Callable[[Trainer, Split, int], dict[str, float]]] = {
    "cosine": cosine,
    "probes": probes,
    "dead_units": dead_units,
    "pairwise_errors": pairwise_errors,
    "saturation": saturation,
    "weight_norms": weight_norms,
}
assert tuple(_BY_NAME) == DIAGNOSTICS


def diagnose(
    trainer: Trainer, split: Split, names: Sequence[str] = DIAGNOSTICS, *, epochs: int | None = None, rows: int = ROWS
) -> dict[str, dict[str, float]]:
    """Figures of each block by name: {"block1": {"cosine": 0.3, ...}}, from the first `rows` rows of `split`.

    epochs  of the training as a whole, for trainers whose updates depend on it; those done if it is None. Raises
    UsageError for an unknown name, and for a split that is empty or does not fit the network.
    """
    for name in names:
        if name not in _BY_NAME:
            raise UsageError(unknown("diagnostic", name, DIAGNOSTICS))
    trainer._check_built()
    trainer._check_split(split)
    if not len(split):
        raise UsageError("there are no rows to diagnose with; give a split that is not empty")
    few = replace(split, x=split.x[:rows], y=split.y[:rows])
    found: dict[str, dict[str, float]] = {block.name: {} for block in trainer.network.blocks}
    with trainer._limited(), trainer.ops.usage.during("diagnostics", "readout", every=True):
        for name in DIAGNOSTICS:
            if name in names:
                for block, value in _BY_NAME[name](trainer, few, epochs or max(1, trainer.progress.epoch)).items():
                    found[block][name] = value
    return found


def note(epoch: EpochRecord, found: dict[str, dict[str, float]]) -> None:
    """Add figures of blocks to an epoch's record."""
    rows = {row["name"]: row for row in epoch.blocks}
    for name, figures in found.items():
        if name in rows:
            rows[name].update(figures)
        elif figures:
            epoch.blocks.append({"name": name, **figures})
