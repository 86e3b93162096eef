"""Trainers over several data sets and networks at once, by measures that one odd run or easy task cannot move much.

After Agarwal et al. 2021, "Deep reinforcement learning at the edge of the statistical precipice": the interquartile
mean of all scores with its stratified bootstrap interval, the share of runs within an error (a performance profile),
and the probability that a run of one trainer beats a run of another on the same task, averaged over tasks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lab.report.statistics import LEVEL

RESAMPLES = 2_000
SEED = 20_260_103
Scores = Mapping[str, Sequence[float]]  # of one trainer: task -> the scores of its runs


def interquartile_mean(scores: NDArray[np.float64]) -> float:
    """The mean of the middle half of the values; one that the quarter's edge falls into counts for its part within."""
    ordered, edges = np.sort(scores.ravel()), np.linspace(0, 1, scores.size + 1)
    weights = np.clip(edges[1:], 0.25, 0.75) - np.clip(edges[:-1], 0.25, 0.75)
    return float(ordered @ weights / weights.sum())


def interquartile_interval(scores: Scores, level: float = LEVEL) -> tuple[float, float]:
    """The ends of the percentile bootstrap interval of `interquartile_mean`, runs drawn anew within each task."""
    rng = np.random.default_rng(SEED)
    tasks = [np.asarray(values, dtype=np.float64) for values in scores.values()]
    drawn = np.concatenate([t[rng.integers(0, t.size, (RESAMPLES, t.size))] for t in tasks], axis=1)
    low, high = np.quantile([interquartile_mean(row) for row in drawn], [0.5 - level / 2, 0.5 + level / 2])
    return float(low), float(high)


def improvement(a: Scores, b: Scores) -> float:
    """The probability that a run of `a` has the higher score than one of `b` on a task of both; ties count half."""
    shares = []
    for task in a.keys() & b.keys():
        gaps = np.subtract.outer(np.asarray(a[task]), np.asarray(b[task]))
        shares.append(float((gaps > 0).mean() + (gaps == 0).mean() / 2))
    return float(np.mean(shares)) if shares else float("nan")


def profile(scores: Scores, thresholds: Sequence[float]) -> list[float]:
    """The share of runs whose score is at least each threshold, each task counting alike."""
    return [float(np.mean([np.mean(np.asarray(v) >= t) for v in scores.values()])) for t in thresholds]
