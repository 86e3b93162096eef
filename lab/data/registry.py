"""The data sets that have a name, and how to add one.

A data set is one function that returns `Parts`, under the decorator `register`. In a checkout, put it in a file of its own in
`lab/data/sets/` (every module there is imported when a name is first looked up); from a program, run the decorator before
`load_dataset`:

    import numpy as np
    from lab.data import Parts, register

    @register("noise", about="random rows", licence="none needed")
    def noise() -> Parts:
        rng = np.random.default_rng(0)
        return Parts(train=(rng.random((100, 4)), rng.integers(0, 2, 100)), source="numpy's generator")

`load_dataset("noise")` then splits, checks and digests it as any other, and `python -m lab.data list` shows it. `Parts` says
what else can be stated. A set that has to be fetched passes `fetch=`, a function that puts verified files into the cache.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
import re
from collections.abc import Callable
from dataclasses import dataclass

from lab.data.parts import Parts
from lab.errors import UsageError

Loader = Callable[[], Parts]
Say = Callable[[str], None]  # takes a line for the user


@dataclass(frozen=True)
class Entry:
    """One registered data set: `load` reads it, `fetch` (None where nothing has to be fetched) gets it, given a reporter."""

    name: str
    load: Loader
    about: str = ""
    licence: str = ""
    fetch: Callable[[Say], None] | None = None


_entries: dict[str, Entry] = {}


def register(
    name: str, *, about: str = "", licence: str = "", fetch: Callable[[Say], None] | None = None
) -> Callable[[Loader], Loader]:
    """Return a decorator that makes a function returning `Parts` the loader of the data set `name`.

    Raises UsageError where the name is taken or could be read as a path.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", name):
        raise UsageError(f"the data set name {name!r} cannot be used; use up to 64 small letters, digits, _ and -")

    def keep(load: Loader) -> Loader:
        if name in _entries and _entries[name].load.__qualname__ != load.__qualname__:
            raise UsageError(f"a data set named {name!r} is registered already; choose another name")
        _entries[name] = Entry(name, load, about, licence, fetch)
        return load

    return keep


def entries() -> dict[str, Entry]:
    """Return all registered data sets by name, those of `lab.data.sets` included."""
    from lab.data import sets

    for module in sorted(module.name for module in pkgutil.iter_modules(sets.__path__)):
        importlib.import_module(f"{sets.__name__}.{module}")
    return dict(sorted(_entries.items()))


def entry(name: str) -> Entry:
    """Return the data set `name`, or raise UsageError that lists the names and the nearest one."""
    known = entries()
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name.lower().replace("-", "_"), known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}? " if near else ""
    raise UsageError(f"no data set is named {name!r}; {hint}use one of {', '.join(known)}, or the path of an .npz file")
