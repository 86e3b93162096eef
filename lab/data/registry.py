"""The data sets that have a name, and how to add one.

A data set is one function that returns `Parts`, under the decorator `register`. In a checkout, put it in a file of its
own in `lab/data/sets/` (every module there is imported with `lab.data`); from a program, run the decorator before
`load_dataset`:

    import numpy as np
    from lab.data import Parts, register

    @register("noise", licence="none needed")
    def noise() -> Parts:
        rng = np.random.default_rng(0)
        return Parts(train=(rng.random((100, 4)), rng.integers(0, 2, 100)), source="numpy's generator")

`load_dataset("noise")` then splits, checks and digests it as any other, and `python -m lab.data list` shows it. `Parts`
says what else can be stated. Keywords of the function are options: `load_dataset("noise", rows=50)` passes them on, and
so does `data.rows=50` on the command line. A set that has to be fetched passes `fetch=`, a function that puts verified
files into the cache (`lab.data.fetch` has the pieces).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass

import lab.registry
from lab.data.dataset import Dataset
from lab.data.fetch import Say
from lab.data.parts import Parts
from lab.data.split import split_parts
from lab.errors import UsageError

Loader = Callable[..., Parts]
Fetcher = Callable[[Say], None]


@dataclass(frozen=True)
class Entry:
    """A registered data set: `load` reads it, `fetch` gets it where it has to be got; the rest is for a list of them.

    task, shape (of one sample), rows (train and test): what can be said before it is here; licence: with its holders.
    """

    name: str
    load: Loader
    fetch: Fetcher | None = None
    task: str = ""
    shape: tuple[int, ...] = ()
    rows: tuple[int, int] | None = None
    licence: str = ""


_entries: dict[str, Entry] = {}


def register(
    name: str,
    *,
    fetch: Fetcher | None = None,
    task: str = "",
    shape: tuple[int, ...] = (),
    rows: tuple[int, int] | None = None,
    licence: str = "",
) -> Callable[[Loader], Loader]:
    """Return a decorator that makes a function returning `Parts` the loader of the data set `name`; see `Entry`.

    Raises UsageError where the name is taken or could be read as a path.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", name):
        raise UsageError(f"the data set name {name!r} cannot be used; use up to 64 small letters, digits, _ and -")

    def keep(load: Loader) -> Loader:
        def part(valid: float | None = None, limit: int | None = None) -> Dataset:
            return split_parts(name, load(), valid, limit)

        # The table of named parts tells a second part from the same one imported again by these two.
        part.__module__, part.__qualname__ = load.__module__, load.__qualname__
        lab.registry.register("data", name)(part)
        _entries[name] = Entry(name, load, fetch, task, shape, rows, licence)
        return load

    return keep


def entries() -> dict[str, Entry]:
    """Return all registered data sets by name."""
    return dict(sorted(_entries.items()))


def entry(name: str) -> Entry:
    """Return the data set `name`, or raise UsageError that lists the names and the nearest one."""
    if name in _entries:
        return _entries[name]
    near = difflib.get_close_matches(name.lower().replace("-", "_"), _entries, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise UsageError(
        f"unknown data set {name!r}: {hint}valid: {', '.join(entries())}, or the path of a file "
        "(.npz, or text: .txt, .text, or any name with a / in it)"
    )
