"""Diagnostics: what a number of an epoch does not say of the blocks, measured on validation rows between epochs.

    from lab.diagnose import diagnose
    for epoch in trainer.fit(data.train, data.valid, epochs=5):
        print(diagnose(trainer, data.valid, ["cosine", "dead_units"]))

    cosine           between the gradient that the trainer hands its optimizer for a block, and the true one: see
                     `gradients`
    probes           accuracy of a linear probe on what the block passes on: see `probes`
    dead_units       share of units that give 0 for every row: see `activity`
    pairwise_errors  share of images whose evidence with a wrong label is no less than with their own
    saturation       share of rows, with their own label or a wrong one, whose p is below 0.01 or above 0.99
    weight_norms     Frobenius norm of the block's weights, biases and scales left out

Each works on a copy of the trainer or on forward passes alone, so that training goes on as if it had not been there.
What a trainer has no answer to, such as pairwise errors without labels in the rows, is left out for it.
"""

from __future__ import annotations

from lab.diagnose.diagnosis import DIAGNOSTICS, Diagnostic, diagnose, note

__all__ = ["DIAGNOSTICS", "Diagnostic", "diagnose", "note"]
