"""A mirror on this machine and package clients that are not the real ones: nothing here asks the network."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

Client = Callable[[str, str], None]  # name of the program, Python code that it runs


class Mirror:
    """Serves `files` (path -> bytes) on loopback; `claims`: false lengths; clear `hold` to keep it from answering."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.claims: dict[str, int] = {}
        self.asked: list[str] = []
        self.hold = threading.Event()
        self.hold.set()
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self._answer(body=False)

            def do_GET(self) -> None:
                self._answer(body=True)

            def _answer(self, body: bool) -> None:
                mirror.asked.append(f"{self.command} {self.path}")
                mirror.hold.wait(20)
                data = mirror.files.get(self.path)
                self.send_response(404 if data is None else 200)
                self.send_header("Content-Length", str(mirror.claims.get(self.path, len(data or b""))))
                self.end_headers()
                if body and data:
                    self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self) -> None:
        self.hold.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Mirror()
    yield server
    server.close()


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    """Make a function that puts a program into the only folder where programs are looked for."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def install(name: str, code: str) -> None:
        program = folder / name
        program.write_text(f"#!{sys.executable}\nimport pathlib, shutil, sys, time\n{code}\n")
        program.chmod(0o755)

    return install


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LAB_DATA", str(tmp_path / "cache"))
    return tmp_path / "cache"
