"""Ring: a bounded queue of arrays between two processes, over memory that both see.

Arrays are copied once, into a slot; a slot's message (a small dict) goes through a pipe, and so does the word that a
slot is free again. Who waits sleeps in the kernel. A pipe ends with the last process that holds its other end, so that
the death of either side is seen by the other at once, without timeouts.
"""

from __future__ import annotations

import json
import os
import select
import weakref
from collections.abc import Iterable, Mapping
from contextlib import suppress
from itertools import accumulate
from math import prod
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from lab.parallel.shared import aligned, shared_bytes

Field: TypeAlias = tuple[tuple[int, ...], npt.DTypeLike]
_LENGTH = 4  # bytes that say how long a message is
_open: weakref.WeakSet[Ring] = weakref.WeakSet()


class Disconnected(Exception):
    """The other side has closed the ring, or is dead."""


class Ring:
    """`slots` records of the named `fields`, each an array of up to the given shape, the first axis being rows.

    Made before the processes are forked; then one side says `take("writer")`, the other `take("reader")`, and whoever
    has no part in it `close()`. The writer `send`s, and waits while all slots are full, so that the slowest sets the
    pace. The reader `receive`s, and `release`s a slot when its arrays are no longer needed.
    """

    def __init__(self, fields: Mapping[str, Field], slots: int = 2) -> None:
        shapes = {name: (tuple(shape), np.dtype(dtype)) for name, (shape, dtype) in fields.items()}
        sizes = [aligned(prod(shape) * dtype.itemsize) for shape, dtype in shapes.values()]
        starts = [0, *accumulate(sizes)]
        self.nbytes = slots * starts[-1]
        memory = shared_bytes(self.nbytes)
        self._slots = [
            {
                name: memory[at + start : at + start + prod(shape) * dtype.itemsize].view(dtype).reshape(shape)
                for start, (name, (shape, dtype)) in zip(starts, shapes.items(), strict=False)
            }
            for at in range(0, slots * starts[-1], starts[-1] or 1)
        ] or [{} for _ in range(slots)]
        self._sent = self._received = self._released = 0
        self._free = slots
        self._messages, self._words = os.pipe(), os.pipe()  # (read end, write end): messages one way, words back
        self._ends = {*self._messages, *self._words}
        _open.add(self)

    def take(self, side: Literal["writer", "reader"]) -> None:
        """Keep only this side's ends of the pipes."""
        mine = (self._messages[1], self._words[0]) if side == "writer" else (self._messages[0], self._words[1])
        for end in self._ends - {*mine}:
            self._close(end)

    def send(self, message: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]] | None = None) -> None:
        """Hand over a message and arrays, each with at most its field's rows; waits for a free slot.

        Raises Disconnected where nobody will read it.
        """
        if not self._free:
            self._hear(wait=True)
        slot, rows = self._slots[self._sent % len(self._slots)], {}
        for name, array in (arrays or {}).items():
            rows[name] = len(array)
            slot[name][: len(array)] = array
        text = json.dumps({"rows": rows, **message}).encode()
        try:
            _write(self._messages[1], len(text).to_bytes(_LENGTH, "little") + text)
        except OSError:
            raise Disconnected("nobody reads this ring any more") from None
        self._sent += 1
        self._free -= 1

    def has_room(self) -> bool:
        """Whether `send` would not have to wait."""
        if not self._free:
            self._hear(wait=False)
        return self._free > 0

    def receive(self) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
        """The next message and its arrays, which are the slot itself: good until it is released.

        Raises Disconnected where none will come.
        """
        text = _read(self._messages[0], int.from_bytes(_read(self._messages[0], _LENGTH), "little"))
        message: dict[str, Any] = json.loads(text)
        slot = self._slots[self._received % len(self._slots)]
        self._received += 1
        return message, {name: slot[name][:n] for name, n in message.pop("rows").items()}

    def release(self) -> None:
        """The slot that was received first, of those not released yet, may be written again."""
        assert self._released < self._received, "no slot is held"
        self._released += 1
        with suppress(OSError):  # a writer that is gone needs no slot
            os.write(self._words[1], b".")

    def close(self) -> None:
        """Let go of the pipes; the other side sees it."""
        for end in tuple(self._ends):
            self._close(end)
        _open.discard(self)

    def _hear(self, wait: bool) -> None:
        """Count the slots that were released."""
        if not wait and not select.select([self._words[0]], [], [], 0)[0]:
            return
        words = os.read(self._words[0], len(self._slots))
        if not words:
            raise Disconnected("nobody reads this ring any more")
        self._free += len(words)

    def _close(self, end: int) -> None:
        self._ends.discard(end)
        with suppress(OSError):
            os.close(end)

    def __del__(self) -> None:
        if hasattr(self, "_ends"):
            self.close()


def close_others(mine: Iterable[Ring]) -> None:
    """Close every open ring of this process but `mine`: in a forked child, which inherits them all."""
    kept = {id(ring) for ring in mine}
    for ring in list(_open):
        if id(ring) not in kept:
            ring.close()


def _read(end: int, count: int) -> bytes:
    found = b""
    while len(found) < count:
        part = os.read(end, count - len(found))
        if not part:
            raise Disconnected("nobody writes to this ring any more")
        found += part
    return found


def _write(end: int, data: bytes) -> None:
    while data:
        data = data[os.write(end, data) :]
