"""load_dataset: from a name or the path of a file to train, valid and test rows."""

from __future__ import annotations

import os
from pathlib import Path

from lab.data.dataset import Dataset
from lab.data.npz import read_npz
from lab.data.registry import entry
from lab.data.split import split_parts


def load_dataset(
    name_or_path: str | os.PathLike[str], *, valid: float | None = None, limit: int | None = None
) -> Dataset:
    """Return the data set of that name (see `python -m lab.data list`), or of that .npz file (see `lab.data.npz`).

    valid: how many training rows (whole number) or which share of them (fraction) to keep for validation; 0 for none;
        left out: 5,000 of the image sets, 20 % of the others, or the file's own valid part. `lab.data.split` has the
        rule.
    limit: keep only the first rows of each part (for smoke runs).

    Raises UsageError for an unknown name or a `valid` or `limit` that cannot be met, DataError for a file that is
    missing, altered, or holds what cannot be trained on.
    """
    name = os.fspath(name_or_path)
    is_path = isinstance(name_or_path, os.PathLike) or name.lower().endswith(".npz") or "/" in name or os.sep in name
    parts = read_npz(Path(name)) if is_path else entry(name).load()
    return split_parts(name, parts, valid, limit)
