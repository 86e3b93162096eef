"""Every diagnostic that is asked for, one after the other: figures of each block."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from lab.data import Split
from lab.diagnose.activity import dead_units, histograms, pairwise_errors, saturation, weight_norms
from lab.diagnose.gradients import cosine
from lab.diagnose.names import DIAGNOSTICS
from lab.diagnose.probes import probes
from lab.errors import UsageError
from lab.registry import unknown
from lab.trainers import Trainer

_BY_NAME: Mapping[str, Callable[[Trainer, Split, int], Mapping[str, Any]]] = {
    "cosine": cosine,
    "probes": probes,
    "dead_units": dead_units,
    "pairwise_errors": pairwise_errors,
    "saturation": saturation,
    "weight_norms": weight_norms,
    "histograms": histograms,
}
assert tuple(_BY_NAME) == DIAGNOSTICS


def figures(trainer: Trainer, split: Split, names: Sequence[str], epochs: int, rows: int) -> dict[str, dict[str, Any]]:
    """As `lab.diagnose.diagnose`."""
    for name in names:
        if name not in _BY_NAME:
            raise UsageError(unknown("diagnostic", name, DIAGNOSTICS))
    trainer._check_built()
    trainer._check_split(split)
    if not len(split):
        raise UsageError("there are no rows to diagnose with; give a split that is not empty")
    few = replace(split, x=split.x[:rows], y=split.y[:rows])
    found: dict[str, dict[str, Any]] = {block.name: {} for block in trainer.network.blocks}
    trainer = copy.copy(trainer)  # with buffers of its own, so that nothing is counted as the trainer's
    with trainer._limited():
        for name in DIAGNOSTICS:
            if name in names:
                for block, value in _BY_NAME[name](trainer, few, epochs).items():
                    found[block][name] = value
    return found
