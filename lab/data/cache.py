"""The folder that holds fetched data sets, and how a file gets into it: whole or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from lab.errors import DataError, StorageError

APPLICATION = "ff-lab"


def cache_folder(name: str) -> Path:
    """Return where the data set `name` (or, for "", each one) is kept: under LAB_DATA or in the platform's cache."""
    if root := os.environ.get("LAB_DATA"):
        return Path(root).expanduser().absolute() / name
    import platformdirs  # which pooch builds on; pooch itself takes longer to import

    return platformdirs.user_cache_path(APPLICATION) / name


def read_limited(path: Path, limit: int, remedy: str) -> bytes:
    """Return the bytes of a file of at most `limit`. Raises DataError, ended by `remedy`, where that cannot be."""
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except FileNotFoundError:
        raise DataError(f"{path} is missing; {remedy}") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error}); {remedy}") from error
    if len(data) > limit:
        raise DataError(f"{path} is larger than the {limit} bytes that it can need; {remedy}")
    return data


def write_file(path: Path, data: bytes) -> None:
    """Write `data` so that `path` is never a part of it, even after a kill or a power cut. Raises StorageError."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        if os.name != "nt":  # a folder cannot be opened there
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)  # makes the new name durable
            finally:
                os.close(folder)
    except OSError as error:
        advice = "free some space there, or set LAB_DATA to a folder that can be written"
        raise StorageError(f"{path} cannot be written ({error.strerror or error}); {advice}") from error
