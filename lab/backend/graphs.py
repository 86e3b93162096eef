"""Work that is given to the GPU once and repeated from there: CUDA graphs, which spare launching each kernel.

A graph repeats the same kernels on the same addresses with the same numbers. So what changes from one time to the next
has to lie on the device, and what the work allocates is its own for as long as it may be repeated: a pool of memory
that nothing else gets anything from.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_LONGEST = 200  # letters of a reason


class Repeated:
    """Runs `work` as it is the first time, records it the second, and repeats the record from then on.

    The first run compiles and allocates what the record needs. Where the work cannot be recorded (it reads a value on
    the host, or calls a library that refuses), it goes on to be run as it is; `tell(reason)` is told, a line, "" where
    it can.
    Nothing is computed while recording, so a failed attempt leaves no trace.

    stream  the one that all work of the backend goes to, which must not be the default stream
    """

    def __init__(self, work: Callable[[], None], stream: Any, tell: Callable[[str], None]) -> None:
        import cupy

        self._work, self._stream, self._tell = work, stream, tell
        self._pool = cupy.cuda.MemoryPool()
        self._within = cupy.cuda.using_allocator
        self._graph: Any = None
        self._ran = self._refused = False

    def __call__(self) -> None:
        if self._graph is None and self._ran and not self._refused:
            self._record()
        if self._graph is not None:
            self._graph.launch(self._stream)
            return
        with self._within(self._pool.malloc):
            self._work()
        self._ran = True

    def _record(self) -> None:
        """Set the graph, or `_refused`."""
        reason = ""
        graph = None
        self._stream.begin_capture()
        try:
            with self._within(self._pool.malloc):
                self._work()
        except Exception as error:  # of any library on the way; what is wrong with the work itself shows when it runs
            reason = _line(error)
        finally:
            try:
                graph = self._stream.end_capture()
            except Exception as error:  # what was recorded cannot be repeated
                reason = reason or _line(error)
        self._refused = bool(reason)
        self._graph = None if reason else graph
        self._tell(reason)


def _line(error: Exception) -> str:
    """What an error is and says first, short enough for a record."""
    said = f"{type(error).__name__}: {error}".strip()
    return said.splitlines()[0][:_LONGEST]
