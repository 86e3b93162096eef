"""How work comes to be repeated by a GPU, with a stand-in for its stream and memory."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from lab.backend.graphs import Repeated


class Stream:
    """Notes what is asked of it; `ends` says whether a recording can be ended."""

    def __init__(self, ends: bool = True) -> None:
        self.seen: list[str] = []
        self._ends = ends

    def begin_capture(self) -> None:
        self.seen.append("begin")

    def end_capture(self) -> Any:
        self.seen.append("end")
        if not self._ends:
            raise RuntimeError("invalidated")
        return SimpleNamespace(launch=lambda stream: self.seen.append("launch"))


@pytest.fixture(autouse=True)
def allocators(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The allocators in use, innermost last."""
    stack: list[Any] = []

    @contextmanager
    def using_allocator(allocator: Any) -> Any:
        stack.append(allocator)
        yield
        stack.pop()

    cuda = SimpleNamespace(MemoryPool=lambda: SimpleNamespace(malloc=object()), using_allocator=using_allocator)
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(cuda=cuda))
    return stack


def test_work_runs_then_is_recorded_then_repeated_in_memory_of_its_own(allocators: list[Any]) -> None:
    stream, told, used = Stream(), list[str](), list[Any]()

    def work() -> None:
        stream.seen.append("work")
        used.extend(allocators)

    repeated = Repeated(work, stream, told.append)
    for _ in range(4):
        repeated()
    assert stream.seen == ["work", "begin", "work", "end", "launch", "launch", "launch"]
    assert told == [""]
    assert len(used) == 2 and used[0] is used[1], "the record's addresses come from the pool that the first run filled"
    assert not allocators


@pytest.mark.parametrize("where", ["work", "end"])
def test_work_that_cannot_be_recorded_goes_on_as_it_is(where: str) -> None:
    stream, told = Stream(ends=where == "work"), list[str]()

    def work() -> None:
        recording = stream.seen.count("begin") > stream.seen.count("end")
        if where == "work" and recording:
            raise NotImplementedError("refused\nat length " + "x" * 999)
        stream.seen.append("work")

    repeated = Repeated(work, stream, told.append)
    for _ in range(3):
        repeated()
    assert stream.seen.count("begin") == stream.seen.count("end") == 1
    assert "launch" not in stream.seen
    assert stream.seen[-2:] == ["work", "work"]
    assert told == ["NotImplementedError: refused" if where == "work" else "RuntimeError: invalidated"]
