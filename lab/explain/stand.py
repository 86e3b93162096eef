"""Standing between a trainer and its parts: what may be watched, what stands in its place, what a cache holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from lab.backend import Array
from lab.backend.labelled import LabelledRows
from lab.registry import names, part
from lab.trainers import Trainer


class Stand:
    """Stands where an objective or optimizer stood, and is it in all but the one call that is watched."""

    def __init__(self, own: Any, **calls: Callable[..., Any]) -> None:
        self._own, self._calls = own, calls

    def __call__(self, *args: Any, **options: Any) -> Any:
        return self._calls["call"](*args, **options)

    def __getattr__(self, name: str) -> Any:
        return self._calls.get(name) or getattr(self._own, name)


def parts(trainer: Trainer) -> Iterator[tuple[Any, str, Any]]:
    """(owner, attribute, value) of every objective and optimizer that the trainer, or its readout, works with."""
    kinds = tuple({type(trainer.optimizer)} | {k for g in ("objective", "optimizer") for n in names(g)
                                               if isinstance(k := part(g, n), type)})  # fmt: skip
    owners = [trainer, *(v for v in vars(trainer).values() if type(v).__module__.startswith("lab.trainers."))]
    for owner in owners:
        if getattr(type(owner), "__dataclass_params__", None) is None:
            yield from ((owner, name, v) for name, v in list(vars(owner).items()) if isinstance(v, kinds))


def copy(array: Any) -> Array:
    return np.array(array)  # in memory of numpy's own, which nobody counts


def kept_in(cache: Any, **arrays: Any) -> tuple[str, ...]:
    """Which of the arrays are in the cache; "..." for what is in it beside them."""
    held = list(_leaves(cache))
    found = {id(array): letter for letter, array in reversed(arrays.items()) if any(array is h for h in held)}
    more = any(all(h is not array for array in arrays.values()) for h in held)
    return (*found.values(), *(["more"] if more else []))


def _leaves(cache: Any) -> Iterator[Any]:
    if isinstance(cache, list | tuple):
        for inner in cache:
            yield from _leaves(inner)
    elif isinstance(cache, dict):
        yield from _leaves(list(cache.values()))
    elif isinstance(cache, np.ndarray | LabelledRows):
        yield cache
