from __future__ import annotations

import io
import socket
import time
from pathlib import Path

import pytest

from lab.data import download as module
from lab.data.download import download, require_answer
from lab.data.progress import Bar
from lab.errors import DataError
from tests.data.conftest import Mirror
from tests.data.helpers import sha256

DATA = bytes(range(256)) * 1000


def test_a_verified_file(mirror: Mirror, tmp_path: Path) -> None:
    mirror.files["/a/b.bin"] = DATA
    require_answer(mirror.url + "a/b.bin")
    path = download(mirror.url + "a/b.bin", tmp_path, digest=sha256(DATA), limit=len(DATA))
    assert path == tmp_path / "b.bin"
    assert path.read_bytes() == DATA
    assert mirror.asked == ["HEAD /a/b.bin", "GET /a/b.bin"]


@pytest.mark.parametrize("received", [DATA[:-1] + b"x", DATA[:-1], b""])
def test_another_file_is_refused_and_not_kept(mirror: Mirror, tmp_path: Path, received: bytes) -> None:
    mirror.files["/b.bin"] = received
    with pytest.raises(DataError, match=rf"b\.bin is not the published file: its SHA-256 is not {sha256(DATA)}"):
        download(mirror.url + "b.bin", tmp_path, digest=sha256(DATA), limit=len(DATA))
    assert list(tmp_path.iterdir()) == []


def test_a_connection_that_ends_early(mirror: Mirror, tmp_path: Path) -> None:
    mirror.files["/b.bin"], mirror.claims["/b.bin"] = DATA[:1000], len(DATA)
    with pytest.raises(DataError, match=r"b\.bin (was not received|is not the published file)"):
        download(mirror.url + "b.bin", tmp_path, digest=sha256(DATA), limit=len(DATA))
    assert list(tmp_path.iterdir()) == []


def test_more_bytes_than_there_can_be_are_not_taken(mirror: Mirror, tmp_path: Path) -> None:
    mirror.files["/b.bin"] = bytes(2**23)
    with pytest.raises(DataError, match=r"b\.bin sends more than the \d+ bytes that it can need"):
        download(mirror.url + "b.bin", tmp_path, digest=sha256(DATA), limit=len(DATA))
    mirror.files["/b.bin"], mirror.claims["/b.bin"] = DATA, 10**12
    with pytest.raises(DataError, match=r"b\.bin sends more than the \d+ bytes that it can need"):
        download(mirror.url + "b.bin", tmp_path, digest=sha256(DATA), limit=len(DATA))
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_there(mirror: Mirror, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"127\.0\.0\.1:\d+ does not offer /b\.bin"):
        require_answer(mirror.url + "b.bin")
    with pytest.raises(DataError, match=r"b\.bin was not received \(HTTP status 404\)"):
        download(mirror.url + "b.bin", tmp_path, digest=sha256(DATA), limit=10)


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/b.bin"
        with pytest.raises(DataError, match=r"cannot be reached \(ConnectionError\)"):
            require_answer(url)
        with pytest.raises(DataError, match=r"was not received \(ConnectionError\)"):
            download(url, tmp_path, digest=sha256(DATA), limit=10)


def test_a_mirror_that_is_silent_is_given_up_soon(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror.files["/b.bin"] = DATA
    mirror.hold.clear()
    monkeypatch.setattr(module, "PROBE", 0.2)
    start = time.monotonic()
    with pytest.raises(DataError, match="does not answer within"):
        require_answer(mirror.url + "b.bin")
    assert time.monotonic() - start < 2


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_bar_is_drawn_on_a_terminal_and_taken_away() -> None:
    stream = Terminal()
    bar = Bar("b.bin", 10_000_000, 8_000_000, stream)
    bar.update(2_000_000)
    assert stream.getvalue().startswith("\rb.bin: [######..................]  25% 2.0 MB of 8.0 MB, 0 s")
    bar.close()
    assert stream.getvalue().endswith(" \r")


def test_the_bar_is_silent_elsewhere() -> None:
    stream = io.StringIO()
    bar = Bar("b.bin", 10, 10, stream)
    bar.update(10)
    bar.close()
    assert stream.getvalue() == ""
    with pytest.raises(DataError, match=r"b\.bin sends more than the 10 bytes"):
        bar.update(1)
