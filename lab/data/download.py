"""Getting one file of known SHA-256 from a public mirror, and finding out within seconds that none answers."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lab.data.progress import Bar
from lab.errors import DataError, StorageError

CONNECT, READ = 4.0, 20.0  # seconds to wait for a connection, and for more of an answer
PIECE = 2**16  # bytes received at a time
PROBE = 8.0  # seconds in all for a mirror to say that it has the file; also ends a name server's silence


def download(url: str, folder: Path, *, digest: str | None, limit: int) -> Path:
    """Return the path in `folder` of the file at `url`, at most `limit` bytes, checked against its SHA-256.

    digest: None where none is published; whoever asks then has to check what came.

    Raises DataError where nothing answers, the answer is refused, cut off or too large, or the digest is another.
    """
    import pooch
    import requests

    pooch.get_logger().setLevel("WARNING")
    name = urlsplit(url).path.rpartition("/")[2]
    bar = Bar(name, limit + PIECE)  # pooch counts the last piece as a full one
    options: dict[str, Any] = {
        "progressbar": bar,
        "chunk_size": PIECE,
        "timeout": (CONNECT, READ),
        "headers": {"Accept-Encoding": "identity"},  # else a server's own packing could be undone on the way
    }
    getter = pooch.HTTPDownloader(**options)
    try:
        known = None if digest is None else f"sha256:{digest}"
        return Path(pooch.retrieve(url, known_hash=known, fname=name, path=folder, downloader=getter))
    except requests.RequestException as error:  # before OSError, which it is
        raise DataError(f"{url} was not received ({_why(error)})") from None
    except ValueError:
        raise DataError(f"{url} is not the published file: its SHA-256 is not {digest}") from None
    except OSError as error:
        raise StorageError(f"{folder} cannot take {name} ({error.strerror or error}); free some space there") from error
    finally:
        bar.close()


def require_answer(url: str) -> None:
    """Raise DataError unless the server of `url` says within seconds that it has the file."""
    import pooch

    host = urlsplit(url).netloc
    answer: list[bool | str] = []

    def ask() -> None:
        try:
            answer.append(bool(pooch.HTTPDownloader(timeout=CONNECT)(url, "", None, check_only=True)))
        except Exception as error:  # of whatever kind: in a thread of its own it would be lost
            answer.append(_why(error))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PROBE)
    if not answer:
        raise DataError(f"{host} does not answer within {PROBE:.0f} s")
    if answer[0] is False:
        raise DataError(f"{host} does not offer {urlsplit(url).path}")
    if answer[0] is not True:
        raise DataError(f"{host} cannot be reached ({answer[0]})")


def _why(error: Exception) -> str:
    """Return a reason of a few words; requests' own texts run over several lines."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    return f"HTTP status {status}" if status else type(error).__name__
