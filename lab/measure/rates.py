"""What follows from an epoch's figures: rates, and how long training took to reach a target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any


def rates(epochs: Sequence[Mapping[str, Any]], flops_per_sample: float | None) -> dict[str, float | None]:
    """Medians over epochs, each with "step" (updates so far), "train_seconds" and "samples_per_second".

    flops_per_second is that of the operations that `cost` counts, those of matrix products and convolutions.
    """
    samples = [epoch["samples_per_second"] for epoch in epochs]
    steps, before = [], 0
    for epoch in epochs:
        if epoch["train_seconds"] > 0:
            steps.append((epoch["step"] - before) / epoch["train_seconds"])
        before = epoch["step"]
    rate = median(samples) if samples else None
    return {
        "samples_per_second": rate,
        "steps_per_second": median(steps) if steps else None,
        "flops_per_second": rate * flops_per_sample if rate is not None and flops_per_sample else None,
    }


def to_target(target: float | None, epochs: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Epochs and seconds of training after which the validation rows first came to `target`; None if they never did.

    The figure is accuracy for classes and R\u00b2 for numbers, looked at after each epoch; evaluation is no training.
    None without a target, or where nothing was validated.
    """
    figures = [next((epoch["valid"][name] for name in ("accuracy", "r2") if name in epoch["valid"]), None)
               for epoch in epochs]  # fmt: skip
    if target is None or all(figure is None for figure in figures):
        return None
    seconds = 0.0
    for epoch, figure in zip(epochs, figures, strict=True):
        seconds += epoch["train_seconds"]
        if figure is not None and figure >= target:
            return {"target": target, "epochs": epoch["epoch"], "seconds": seconds}
    return {"target": target, "epochs": None, "seconds": None}
