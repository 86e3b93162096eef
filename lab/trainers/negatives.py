"""Negative labels: which wrong label each image is shown with."""

from __future__ import annotations

from typing import Literal

from lab.backend import Array, Backend

Negatives = Literal["hard", "uniform", "fixed"]


def hard(ops: Backend, probabilities: Array, target: Array, uniforms: Array) -> Array:
    """Wrong labels (N,) drawn from the network's own beliefs (N, K), the true class masked (Hinton 2022)."""
    return ops.other_by_share(probabilities, target, uniforms)


def uniform(ops: Backend, n_classes: int, target: Array, uniforms: Array) -> Array:
    """Wrong labels (N,), all equally likely."""
    return ops.other_evenly(n_classes, target, uniforms)
