"""Which arrays of a pool are alive, by name: the pool says how many bytes there are, this says of what."""

from __future__ import annotations

import weakref
from typing import Any

from lab.backend import Array, NumpyBackend


class Alive:
    """Follows every array that `ops` hands out until its last reference goes.

    A buffer goes back to the pool at that very moment, so that the names alive and the bytes counted agree.
    """

    def __init__(self, ops: NumpyBackend) -> None:
        self._ops, self._empty = ops, ops.pool.empty
        self._arrays: dict[int, tuple[weakref.ref[Any], str]] = {}  # by address: array and name

    def start(self) -> None:
        """Follow the arrays handed out from now on."""
        self._ops.pool.empty = self._follow  # type: ignore[method-assign] # until `stop`

    def stop(self) -> None:
        """Leave the pool as it was."""
        del self._ops.pool.empty  # the instance's own attribute: the method comes to light again

    def call(self, array: Any, name: str) -> str:
        """Name the buffer behind `array`, unless it has a name already, and return the name that it has."""
        address = _address(array)
        if address not in self._arrays:
            return name
        reference, given = self._arrays[address]
        if not given:
            self._arrays[address] = reference, name
        return given or name

    def rename(self, array: Any, name: str) -> None:
        """Give the buffer behind `array` a new name: its contents are others now."""
        if (address := _address(array)) in self._arrays:
            self._arrays[address] = self._arrays[address][0], name

    def names(self) -> tuple[str, ...]:
        """The named arrays alive, in the order in which they were made."""
        return tuple(name for _, name in self._arrays.values() if name)

    def _follow(self, *args: Any, **options: Any) -> Array:
        array = self._empty(*args, **options)
        address = _address(array)
        self._arrays.pop(address, None)
        self._arrays[address] = weakref.ref(array, lambda _: self._arrays.pop(address, None)), ""
        return array


def _address(array: Any) -> int:
    interface = getattr(array, "__array_interface__", None)
    return int(interface["data"][0]) if interface else 0
