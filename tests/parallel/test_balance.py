from __future__ import annotations

from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.errors import UsageError
from lab.parallel import partition


@given(st.lists(st.integers(0, 20), min_size=1, max_size=8), st.data())
def test_no_other_cut_has_a_lighter_heaviest_run(costs: list[int], data: st.DataObject) -> None:
    workers = data.draw(st.integers(1, len(costs)))
    runs = partition(costs, workers)
    assert [i for run in runs for i in run] == list(range(len(costs)))
    assert len(runs) == workers and all(len(run) for run in runs)
    heaviest = max(sum(costs[i] for i in run) for run in runs)
    for cuts in combinations(range(1, len(costs)), workers - 1):
        bounds = [0, *cuts, len(costs)]
        assert heaviest <= max(sum(costs[a:b]) for a, b in pairwise(bounds))


def test_more_workers_than_blocks_are_refused() -> None:
    with pytest.raises(UsageError, match="3 blocks cannot be shared out to 4 workers; use 1 to 3"):
        partition([1, 1, 1], 4)
