"""Parts of one piece of work on several threads of this process.

Worth it for work that gives the interpreter away: products, copies, compiled loops. Idle threads of Python's sleep.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

Result = TypeVar("Result")
_here = threading.local()


def inside() -> bool:
    """Whether this thread does a part already, which is not parted again: the threads are all in use."""
    return getattr(_here, "busy", False)


def side_by_side(calls: Sequence[Callable[[], Result]]) -> list[Result]:
    """The results of all calls, the first of which this thread makes itself. An exception of any is raised."""
    pool = _pool(len(calls) - 1, os.getpid())
    waiting = [pool.submit(_marked, call) for call in calls[1:]]
    try:
        found = [_marked(calls[0])]
    finally:
        for part in waiting:  # arrays of the parts are alive until all are done
            part.exception()
    return found + [part.result() for part in waiting]


def _marked(call: Callable[[], Result]) -> Result:
    _here.busy = True
    try:
        return call()
    finally:
        _here.busy = False


@cache
def _pool(workers: int, process: int) -> ThreadPoolExecutor:
    """A pool of its own for each process: a fork does not bring its parent's threads along."""
    return ThreadPoolExecutor(workers, thread_name_prefix="lab-part")
