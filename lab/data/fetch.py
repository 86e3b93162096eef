"""Fetching a data set: its ways are tried in order until one gives all of its files, each of them verified."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.data.cache import write_file
from lab.errors import DataError

Say = Callable[[str], None]  # takes a line for the user


@dataclass(frozen=True)
class Way:
    """One place to get a data set from: given an empty folder to work in, `files` yields name and verified contents."""

    label: str
    files: Callable[[Path], Iterable[tuple[str, bytes]]]


def fetch_files(name: str, names: Collection[str], ways: Sequence[Way], folder: Path, say: Say) -> None:
    """Put the files `names` of the data set `name` into `folder` by the first of `ways` that has them all.

    Each file is written whole or not at all. Raises DataError that says why each way failed, StorageError for a full
    disk.
    """
    reasons: list[str] = []
    for way in ways:
        say(f"{name}: trying {way.label}")
        try:
            missing = set(names)
            for file, contents in _work(way):
                write_file(folder / file, contents)
                missing.discard(file)
            if missing:
                raise DataError(f"{', '.join(sorted(missing))} did not come")
        except DataError as error:
            say(f"{name}: {error}")
            reasons.append(f"{way.label}: {error}")
        else:
            say(f"{name}: from {way.label}, verified, now in {folder}")
            return
    raise DataError(
        f"{name} could not be fetched ({'; '.join(reasons)}); try again with a network, or put {', '.join(names)} "
        f"into {folder} yourself"
    )


def _work(way: Way) -> Iterator[tuple[str, bytes]]:
    with tempfile.TemporaryDirectory(prefix="lab-fetch-") as folder:
        yield from way.files(Path(folder))
