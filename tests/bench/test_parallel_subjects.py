"""Backpropagation on several processes makes the updates of one process, up to the order of summation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lab.bench.data_parallel import DataParallel
from lab.bench.ours import LayerParallel, Ours
from lab.bench.staged_backprop import StagedBackprop
from lab.bench.timed import BlockTimes
from lab.errors import UsageError
from tests.bench.tools import steps, work

FORMS: dict[str, Any] = {
    "data-parallel, 2": lambda w: DataParallel(w),
    "data-parallel, 4": lambda w: DataParallel(w, processes=4),
    "2 stages, 2 micro-batches": lambda w: StagedBackprop(w, micro_batches=2),
    "2 stages, 5 micro-batches": lambda w: StagedBackprop(w, micro_batches=5),
    "3 stages, 4 micro-batches": lambda w: StagedBackprop(w, processes=3, micro_batches=4),
}


@pytest.mark.parametrize("name", FORMS)
def test_weights_are_those_of_one_process(name: str) -> None:
    wanted = work("backprop", dtype="float64", depth=3, batch_size=60 if "3 stages" in name else 20, rows=180)
    here, there = Ours(wanted), FORMS[name](wanted)
    before = {key: p.copy() for key, p in here.trainer.network.parameters().items()}
    count = 12  # into the next epoch
    steps(here, count)
    steps(there, count)
    own = here.trainer.network.parameters()
    for key, p in there.trainer.network.parameters().items():
        np.testing.assert_allclose(p, own[key], rtol=1e-8, atol=1e-10, err_msg=key)
        assert np.abs(own[key] - before[key]).max() > 1e-4, "it was trained"


def test_what_does_not_come_out_even_is_refused() -> None:
    for make, words in (
        (lambda: DataParallel(work("backprop"), processes=3), "batch of 20 is not shared out evenly to 3"),
        (lambda: StagedBackprop(work("backprop"), micro_batches=3), "no 3 equal micro-batches"),
    ):
        with pytest.raises(UsageError, match=words):
            make()


def test_layer_parallel_counts_all_of_its_processes() -> None:
    subject = LayerParallel(work("forward_forward"))
    steps(subject, 12)
    assert len(subject.memory()["kinds"]["processes"]) == 3
    assert len(subject.facts()["network"]["workers"]) == 2


def test_block_times_are_told_for_every_place() -> None:
    subject = BlockTimes(work("forward_forward"))
    steps(subject, 5)
    places = subject.facts()["places"]
    assert set(places) == {"block1", "block2", "block3", "head"} and min(places.values()) > 0
    reference = Ours(work("forward_forward"))
    steps(reference, 5)
    for name, array in reference.trainer.state().items():
        np.testing.assert_array_equal(array, subject.trainer.state()[name])
