"""Crew: forked worker processes that a training is shared out to.

Forked, so that they start with everything the trainer has, a user's own parts included, at no cost in memory: pages
are copied only where they are written. What must be seen by all lies in shared memory. A worker ends when its work
returns, and at the latest when its rings end, which they do with whoever holds the other side; so none outlives the
process that made it, however that one ended.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.context import ForkContext, ForkProcess
from types import TracebackType
from typing import Self

from lab.errors import Diverged, LabError, UsageError
from lab.parallel.ring import Disconnected, Ring, close_others

_PATIENCE = 10.0  # seconds for a worker to end by itself once its rings are closed


class WorkerFailed(RuntimeError):
    """A worker process died or its code failed; the sentence says which, and how."""


@dataclass
class Job:
    """What one worker does: `work()` in a process of its own, reading and writing these rings alone."""

    name: str
    work: Callable[[], None]
    reads: Sequence[Ring] = ()
    writes: Sequence[Ring] = ()
    process: ForkProcess | None = field(default=None, repr=False)
    report: int = -1  # the read end of the pipe by which a failure is told


class Crew:
    """Starts the jobs' processes; used as a context, so that they are ended however it is left.

    reads, writes  the rings of the process that makes the crew
    """

    def __init__(self, jobs: Sequence[Job], reads: Sequence[Ring] = (), writes: Sequence[Ring] = ()) -> None:
        self.jobs, self._reads, self._writes = list(jobs), list(reads), list(writes)

    def __enter__(self) -> Self:
        context = forking()
        sys.stdout.flush()
        sys.stderr.flush()
        try:
            with _held_back(signal.SIGINT):
                for job in self.jobs:
                    job.report, told = os.pipe()
                    job.process = context.Process(target=_live, args=(job, told), name=job.name, daemon=True)
                    job.process.start()
                    os.close(told)
        except BaseException:
            self.close()
            raise
        for ring in self._reads:
            ring.take("reader")
        for ring in self._writes:
            ring.take("writer")
        for ring in {*_rings(self.jobs)} - {*self._reads, *self._writes}:
            ring.close()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the rings and wait for every worker's end; one that does not come to it is killed."""
        for ring in {*self._reads, *self._writes, *_rings(self.jobs)}:
            ring.close()
        for job in self.jobs:
            if job.process is not None:
                with suppress(KeyboardInterrupt):  # a second Ctrl-C must not leave processes behind
                    job.process.join(_PATIENCE)
                if job.process.is_alive():
                    job.process.kill()
                    job.process.join()
            if job.report >= 0:
                os.close(job.report)
                job.report = -1

    def failure(self) -> Exception:
        """Why a ring has ended: what the worker that failed first in the order of training has to say.

        Ends the crew. The lab's own errors come back as themselves; all else is a WorkerFailed.
        """
        for ring in {*self._reads, *self._writes}:
            ring.close()
        found: list[tuple[float, int, Exception]] = []
        for i, job in enumerate(self.jobs):
            assert job.process is not None
            job.process.join(_PATIENCE)
            if job.process.is_alive():
                job.process.kill()
                job.process.join()
                found.append((float("inf"), i, WorkerFailed(f"{job.name} did not answer for {_PATIENCE:g} s")))
            elif said := _drained(job.report):
                found.append(_error(i, job.name, json.loads(said)))
            elif job.process.exitcode:
                found.append((float("inf"), i, WorkerFailed(_obituary(job.name, job.process.exitcode))))
        self.close()
        return min(found, key=lambda f: f[:2])[2] if found else WorkerFailed("a worker ended before its time")


def forking() -> ForkContext:
    """The way to start workers. Raises UsageError where a process cannot be forked."""
    if "fork" not in multiprocessing.get_all_start_methods():
        raise UsageError(f"workers need a system that can fork processes, which {sys.platform} cannot; use workers=1")
    return multiprocessing.get_context("fork")


@contextmanager
def _held_back(number: signal.Signals) -> Iterator[None]:
    """The signal waits meanwhile: a child must not get it before it has said what it does with it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _rings(jobs: Iterable[Job]) -> Iterable[Ring]:
    return (ring for job in jobs for ring in (*job.reads, *job.writes))


def _live(job: Job, told: int) -> None:
    """A worker's life: only its own pipes, deaf to Ctrl-C (its parent is not), one report if it fails."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    close_others([*job.reads, *job.writes])
    for ring in job.reads:
        ring.take("reader")
    for ring in job.writes:
        ring.take("writer")
    try:
        job.work()
    except Disconnected:
        pass  # whoever ended it says why
    except Exception as error:
        if not isinstance(error, LabError | MemoryError):
            traceback.print_exc()
        facts: dict[str, object] = {"kind": type(error).__name__, "text": str(error)}
        if isinstance(error, Diverged):
            facts |= {"step": error.step, "block": error.block, "value": error.value}
        os.write(told, json.dumps(facts).encode()[:60000])
    finally:
        for ring in (*job.reads, *job.writes):
            ring.close()
        os.close(told)


def _drained(end: int) -> bytes:
    found = b""
    while part := os.read(end, 65536):
        found += part
    return found


def _error(i: int, name: str, facts: dict[str, object]) -> tuple[float, int, Exception]:
    """(step, worker, error) from a report."""
    text = str(facts["text"])
    if facts["kind"] == "Diverged":
        step, value = int(str(facts["step"])), float(str(facts["value"]))
        return step, i, Diverged(step, str(facts["block"]), value)
    if facts["kind"] == "MemoryError":
        return float("inf"), i, MemoryError(f"{name}: {text}" if text else name)
    for kind in LabError.__subclasses__():
        if kind.__name__ == facts["kind"]:
            return float("inf"), i, kind(text)
    return float("inf"), i, WorkerFailed(f"{name} failed: {facts['kind']}: {text}")


def _obituary(name: str, code: int) -> str:
    if code == -signal.SIGKILL:
        return f"{name} was killed by SIGKILL, most often for want of memory; use fewer workers or a smaller batch"
    if code < 0:
        return f"{name} was ended by {signal.Signals(-code).name}; training cannot go on without it"
    return f"{name} ended with status {code}; training cannot go on without it"
