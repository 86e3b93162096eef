"""What a step of PyTorch holds: bytes saved for the backward pass, and bytes that its allocator hands out.

saved      every tensor that autograd packs for a backward pass, from its packing until the graph lets go of it;
           storages that several nodes save count once; parameters do not count, being there anyway
transient  the most that the allocator had handed out at one moment of a step above what was alive before it: outputs,
           gradients and temporaries together
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any


class Saved:
    """Counts what autograd saves, by kind; idle, and free of cost, unless `counting`."""

    def __init__(self, torch: Any) -> None:
        self._torch = torch
        self.counting = False
        self._exempt: set[int] = set()
        self._nodes: Counter[int] = Counter()
        self.live: Counter[str] = Counter()
        self.peak: dict[str, int] = {"activations": 0, "readout": 0}

    def count(self, parameters: Iterable[Any]) -> None:
        """Count from now on; `parameters` are not counted."""
        self.counting = True
        self._exempt = {tensor.untyped_storage().data_ptr() for tensor in parameters}

    @contextmanager
    def during(self, kind: str) -> Iterator[None]:
        """What is saved inside counts as `kind`."""
        if not self.counting:
            yield
            return
        with self._torch.autograd.graph.saved_tensors_hooks(lambda t: _Held(self, t, kind), lambda held: held.tensor):
            yield

    def add(self, place: int, kind: str, nbytes: int) -> bool:
        """One more node holds the storage at `place`; whether it is one that counts."""
        if place in self._exempt:
            return False
        self._nodes[place] += 1
        if self._nodes[place] == 1:
            self.live[kind] += nbytes
            self.peak[kind] = max(self.peak[kind], self.live[kind])
        return True

    def remove(self, place: int, kind: str, nbytes: int) -> None:
        """One node fewer holds it."""
        self._nodes[place] -= 1
        if not self._nodes[place]:
            self.live[kind] -= nbytes


class _Held:
    """What a graph node holds in a tensor's place; it goes when the node lets go."""

    def __init__(self, account: Saved, tensor: Any, kind: str) -> None:
        storage = tensor.untyped_storage()
        self.tensor, self._account = tensor, account
        self._what = (storage.data_ptr(), kind, int(storage.nbytes()))
        self._counts = account.add(*self._what)

    def __del__(self) -> None:
        if self._counts:
            self._account.remove(*self._what)


def transient(torch: Any, step: Callable[[], None]) -> int:
    """Bytes that a step's allocations reached above what was alive before it, by PyTorch's own profiler."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profiler:
        step()
    # The list of operators that `events()` gives leaves out what was allocated inside one of them.
    events = [e for e in profiler.profiler.kineto_results.events() if e.name() == "[memory]"]
    alive = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        alive += int(event.nbytes())
        peak = max(peak, alive)
    return peak
