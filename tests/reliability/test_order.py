"""The same runs several times, in another order and by another number of workers each time: equal to the last bit."""

from __future__ import annotations

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Empty, SimpleQueue

from lab.record.store import RunFolder
from tests.reliability.story import ending
from tests.reliability.test_kills import RUNS, Zygote, planned
from tests.tally import LONG

REPEATS = 5 if LONG else 2


def work_off(waiting: SimpleQueue[RunFolder]) -> None:
    """Make runs until none is waiting, each in a process of its own."""
    zygote = Zygote()
    try:
        while True:
            assert zygote.work(waiting.get_nowait()) == 0
    except Empty:
        pass
    finally:
        zygote.close()


def test_order_and_number_of_workers_change_nothing(tmp_path: Path, rows: Path, tally: Counter[str]) -> None:
    chosen, found = random.Random(2), []
    for repeat in range(REPEATS):
        folders = planned(tmp_path, rows, f"repeat{repeat}")
        waiting: SimpleQueue[RunFolder] = SimpleQueue()
        for folder in chosen.sample(folders, RUNS):
            waiting.put(folder)
        workers = RUNS - repeat % RUNS
        with ThreadPoolExecutor(workers) as threads:
            for done in [threads.submit(work_off, waiting) for _ in range(workers)]:
                done.result()
        found.append([ending(folder) for folder in folders])
    assert len({digest for digest, _ in found[0]}) == RUNS  # they could differ
    for again in found[1:]:
        assert again == found[0]
        tally["runs that ended equal"] += RUNS
