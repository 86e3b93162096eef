"""Crews: what goes wrong in a worker is told, and no worker outlives its crew, however that ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import pytest

from lab.errors import Diverged, UsageError
from lab.parallel import Crew, Disconnected, Ring, WorkerFailed
from lab.parallel.crew import Job


def chain(*works: Callable[[int, Ring, Ring], None]) -> tuple[list[Job], list[Ring]]:
    """Jobs in a row, each with the ring before it and the one behind it."""
    rings = [Ring({"a": ((1,), "i8")}) for _ in range(len(works) + 1)]
    jobs = [
        Job(f"worker {i + 1}", lambda i=i, work=work: work(i, rings[i], rings[i + 1]), [rings[i]], [rings[i + 1]])
        for i, work in enumerate(works)
    ]
    return jobs, rings


def add_one(i: int, before: Ring, behind: Ring) -> None:
    while True:
        message, arrays = before.receive()
        behind.send({**message, f"pid{i}": os.getpid()}, {"a": arrays["a"] + 1})
        before.release()


def test_work_goes_through_all_and_ends_with_the_crew() -> None:
    jobs, rings = chain(add_one, add_one, add_one)
    with Crew(jobs, reads=[rings[-1]], writes=[rings[0]]):
        for value in range(20):
            rings[0].send({}, {"a": np.array([value])})
            message, arrays = rings[-1].receive()
            assert int(arrays["a"][0]) == value + 3
            rings[-1].release()
        assert len({message[f"pid{i}"] for i in range(3)} | {os.getpid()}) == 4
    assert [job.process.exitcode for job in jobs if job.process] == [0, 0, 0]


def failing(error: BaseException) -> Callable[[int, Ring, Ring], None]:
    def work(i: int, before: Ring, behind: Ring) -> None:
        before.receive()
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (Diverged(7, "block3", float("nan")), Diverged, "loss of block3 became nan at step 7"),
        (UsageError("width=0 is none"), UsageError, "^width=0 is none$"),
        (MemoryError("no 8 GiB"), MemoryError, "worker 2: no 8 GiB"),
        (KeyError("sigma"), WorkerFailed, "worker 2 failed: KeyError: 'sigma'"),
    ],
)
def test_an_error_comes_back_as_what_it_was(error: Exception, kind: type[Exception], words: str) -> None:
    jobs, rings = chain(add_one, failing(error), add_one)
    with Crew(jobs, reads=[rings[-1]], writes=[rings[0]]) as crew:
        rings[0].send({}, {"a": np.zeros(1, int)})
        with pytest.raises(Disconnected):
            rings[-1].receive()
        failure = crew.failure()
    assert type(failure) is kind and re.search(words, str(failure))
    if isinstance(failure, Diverged):
        assert (failure.step, failure.block) == (7, "block3")
    assert not any(job.process.is_alive() for job in jobs if job.process)


def test_the_earliest_step_that_diverged_is_told() -> None:
    jobs, rings = chain(add_one, add_one)
    jobs[0].work = lambda: failing(Diverged(9, "block1", 1.0))(0, rings[0], rings[1])
    jobs[1].work = lambda: failing(Diverged(8, "block2", 1.0))(1, rings[0], rings[2])
    jobs[1].reads = [rings[0]]  # both read the first ring, so that both fail
    with Crew(jobs, reads=[rings[-1]], writes=[rings[0]]) as crew:
        rings[0].send({}, {})
        rings[0].send({}, {})
        failure = crew.failure()
    assert isinstance(failure, Diverged) and failure.step == 8


def endless(rings: list[Ring]) -> None:
    while True:
        rings[0].send({}, {"a": np.zeros(1, int)})
        rings[-1].receive()
        rings[-1].release()


@pytest.mark.parametrize("dead", [0, 1, 2])
def test_a_killed_worker_is_named(dead: int) -> None:
    jobs, rings = chain(add_one, add_one, add_one)
    with Crew(jobs, reads=[rings[-1]], writes=[rings[0]]) as crew:
        process = jobs[dead].process
        assert process is not None and process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        with pytest.raises(Disconnected):
            endless(rings)
        failure = crew.failure()
    assert f"worker {dead + 1} was killed by SIGKILL" in str(failure)
    assert not any(job.process.is_alive() for job in jobs if job.process)


PARENT = """
import signal, sys, time, numpy as np
from tests.parallel.test_crew import add_one, chain
from lab.parallel import Crew
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs inherit that it is ignored
jobs, rings = chain(add_one, add_one)
with Crew(jobs, reads=[rings[-1]], writes=[rings[0]]):
    print(*(job.process.pid for job in jobs), flush=True)
    try:
        time.sleep(60)
    finally:
        print("left", flush=True)
"""


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc to see whether a process lives")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_no_worker_outlives_its_parent(how: signal.Signals) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              start_new_session=True)  # fmt: skip
    assert parent.stdout is not None
    pids = [int(word) for word in parent.stdout.readline().split()]
    assert len(pids) == 2 and all(alive(pid) for pid in pids)
    if how == signal.SIGINT:
        os.killpg(parent.pid, how)  # as a terminal does: the workers get it too
    else:
        parent.kill()
    _, errors = parent.communicate(timeout=30)
    until = time.monotonic() + 20
    while any(alive(pid) for pid in pids):
        assert time.monotonic() < until, f"workers {pids} live on after {how.name}"
        time.sleep(0.02)
    if how == signal.SIGINT:
        assert errors.count("KeyboardInterrupt") == 1, "only the parent hears Ctrl-C"
