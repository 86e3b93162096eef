"""Diagnostics: what a number of an epoch does not say of the blocks, measured on validation rows between epochs.

    from lab.diagnose import diagnose
    for epoch in trainer.fit(data.train, data.valid, epochs=5):
        print(diagnose(trainer, data.valid, ["cosine", "dead_units"]))

    cosine           between the gradient that the trainer hands its optimizer for a block, and the true one: see
                     `gradients`
    probes           accuracy of a linear probe on what the block passes on: see `probes`
    dead_units       share of units that give 0 for every row: see `activity`
    pairwise_errors  share of images whose evidence is no more than that with a wrong label, or of a hybrid
    saturation       share of rows, positive and negative ones, whose p is below 0.01 or above 0.99
    histograms       how much goodness positive and negative rows have, counted in bins: see `activity`
    weight_norms     Frobenius norm of the block's weights, biases and scales left out

Each works on a copy of the trainer, so that training goes on as if it had not been there, and its memory is its own.
What a trainer has no answer to, such as pairwise errors without labels in the rows, is left out for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lab.diagnose.names import DIAGNOSTICS, Diagnostic

if TYPE_CHECKING:
    from lab.data import Split
    from lab.trainers import EpochRecord, Trainer

__all__ = ["DIAGNOSTICS", "Diagnostic", "diagnose", "note"]


def diagnose(
    trainer: Trainer, split: Split, names: Sequence[str] = DIAGNOSTICS, *, epochs: int | None = None, rows: int = 1000
) -> dict[str, dict[str, Any]]:
    """Figures of each block by name: {"block1": {"cosine": 0.3, ...}}, from the first `rows` rows of `split`.

    epochs  of the training as a whole, for trainers whose updates depend on it; those done if it is None. Raises
    UsageError for an unknown name, and for a split that is empty or does not fit the network.
    """
    from lab.diagnose.diagnosis import figures

    return figures(trainer, split, names, epochs or max(1, trainer.progress.epoch), rows)


def note(epoch: EpochRecord, found: dict[str, dict[str, Any]]) -> None:
    """Add figures of blocks to an epoch's record."""
    rows = {row["name"]: row for row in epoch.blocks}
    for name, more in found.items():
        if name in rows:
            rows[name].update(more)
        elif more:
            epoch.blocks.append({"name": name, **more})
