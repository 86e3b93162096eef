"""load_dataset: from a name or the path of a file to train, valid and test rows."""

from __future__ import annotations

import os
from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import Any

from lab.data.dataset import Dataset
from lab.data.npz import read_npz
from lab.data.registry import Loader, entry
from lab.data.split import split_parts
from lab.data.text import read_text
from lab.registry import is_path
from lab.schema import Option, fill, options

TEXTS = (".txt", ".text")  # a file with another ending is text where an option of texts is given


def load_dataset(
    name_or_path: str | os.PathLike[str],
    *,
    valid: float | None = None,
    limit: int | None = None,
    train: int | None = None,
    **own: Any,
) -> Dataset:
    """Return the data set of that name (see `python -m lab.data list`), or of that file: an .npz file or a text.

    valid: how many training rows (whole number) or which share of them (fraction) to keep for validation; 0 for none;
        left out: 5,000 of the image sets, 20 % of the others (10 % of a text), or the file's own valid part.
        `lab.data.split` has the rule.
    limit: keep only the first rows of each part (for smoke runs).
    train: keep only the first rows of the training part, and all of the others (for accuracy against rows).
    own: the data set's own options: of a text `window` and `stride` (see `lab.data.text`).

    Raises UsageError for an unknown name or option, or a `valid`, `limit` or `train` that cannot be met, DataError for
    a file that is missing, altered, or holds what cannot be trained on.
    """
    load, schema = reader(name_or_path, own)
    return split_parts(os.fspath(name_or_path), load(**fill(own, schema, "data")), valid, limit, train)


def reader(name_or_path: str | os.PathLike[str], given: Collection[str] = ()) -> tuple[Loader, dict[str, Option]]:
    """Return what reads the data set, where options of the names `given` are, and the options that it has."""
    name = os.fspath(name_or_path)
    if not isinstance(name_or_path, os.PathLike) and not is_path(name):
        load = entry(name).load
        return load, options(load)
    if name.lower().endswith(TEXTS) or {"window", "stride"} & set(given):
        return partial(read_text, Path(name)), options(read_text, leave_out=("path", "remedy"))
    return partial(read_npz, Path(name)), {}
