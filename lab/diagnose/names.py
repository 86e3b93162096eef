"""What can be diagnosed, by name."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

Diagnostic: TypeAlias = Literal[
    "cosine", "probes", "dead_units", "pairwise_errors", "saturation", "weight_norms", "histograms"
]
DIAGNOSTICS: tuple[str, ...] = get_args(Diagnostic)
