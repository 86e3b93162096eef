"""Which worker takes which blocks: consecutive runs of them, the heaviest as light as can be."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from lab.errors import UsageError


def partition(costs: Sequence[float], workers: int) -> list[range]:
    """Cut len(costs) units into `workers` consecutive runs, none empty, so that the largest sum of costs is least.

    Among the best cuts the one whose runs before it are lightest, from the end on: dynamic programming over
    best[k][j], the least possible largest sum of the first j units in k runs. Raises UsageError for more workers than
    units.
    """
    n = len(costs)
    if not 1 <= workers <= n:
        raise UsageError(f"{n} blocks cannot be shared out to {workers} workers; use 1 to {n}")
    sums = [0.0, *accumulate(costs)]
    best = [[0.0, *[float("inf")] * n]]
    cuts: list[list[int]] = []
    for _ in range(workers):
        row, cut = [float("inf")] * (n + 1), [0] * (n + 1)
        for j in range(1, n + 1):
            row[j], cut[j] = min((max(best[-1][i], sums[j] - sums[i]), i) for i in range(j))
        best.append(row)
        cuts.append(cut)
    runs: list[range] = []
    stop = n
    for cut in reversed(cuts):
        runs.insert(0, range(cut[stop], stop))
        stop = cut[stop]
    return runs
