"""Every parser of files from others, given millions of bytes that are nearly right.

`mutate` is a seeded mutator; `fuzz_guided` looks for new paths through our code as well. What an input may lead to is a
value or one of the parser's own errors, in one sentence; anything else ends the search, and so does code that is run.
"""

from __future__ import annotations

import gzip
import io
import json
import random
import struct
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from lab.audit.table import read_table
from lab.data.archive import deb_members, tgz_members, zip_members
from lab.data.idx import parse_idx
from lab.data.npz import read_npz
from lab.data.text import decode, text_parts
from lab.data.ts import parse_ts
from lab.errors import DataError, UsageError
from lab.guard.files import check_text
from lab.record.answers import unpacked
from lab.record.checkpoint import read_checkpoint, write_checkpoint
from lab.record.record import RunRecord
from lab.record.store import RunFolder
from lab.report.load import records_of
from lab.report.read import Unreadable, read_record
from lab.report.sweeps import sweep_runs
from lab.sweep.plan import Plan, Planned, read_lines, read_plan

Read = Callable[[bytes], object]
ERRORS = (DataError, UsageError, Unreadable)
LONGEST = 4096  # bytes of an input
_RUNS_CODE = ("exec", "import", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "ctypes.dlopen", "pickle")
_seen: list[str] | None = None


def _hook(event: str, arguments: Any) -> None:
    # A .deb whose name says .zst asks for the standard library's own module, which this Python may lack.
    if _seen is not None and event.startswith(_RUNS_CODE) and not str(arguments[0]).startswith("compression"):
        _seen.append(f"{event} {str(arguments)[:200]}")


sys.addaudithook(_hook)


@contextmanager
def no_code() -> Iterator[None]:
    """Nothing inside may import, compile or start anything."""
    global _seen
    _seen = []
    try:
        yield
    finally:
        seen, _seen = _seen, None
    assert not seen, seen


def _record(**more: Any) -> dict[str, Any]:
    record = RunRecord("0" * 16, {"seed": 0, "trainer": {"name": "backprop"}, "data": {"name": "mnist"}}, status="ok")
    record.data = {"name": "mnist", "task": "classification", "n_test": 8, "digest": "d"}
    record.history = [{"epoch": 1, "step": 7, "train_loss": 0.5, "valid": {"accuracy": 0.9}}]
    record.final = {"test": {"accuracy": 0.9, "blocks": [{"name": "block1", "accuracy": 0.8}]}, "right": "/w=="}
    record.measured = {"finished": "2026", "environment": {"threads": 1, "load_average": [0.1]}}
    return {**record.as_dict(), **more}


def _file(folder: Path, name: str, read: Callable[[Path], object]) -> Read:
    path = folder / name

    def given(data: bytes) -> object:
        path.write_bytes(data)
        return read(path)

    return given


def checkpoint(folder: Path) -> tuple[list[bytes], Read]:
    write_checkpoint(folder / "seed", {"w": np.zeros(3, np.float32), "n": np.ones((2, 2))}, {"progress": {"step": 3}})
    return [(folder / "seed").read_bytes()], _file(folder, "input", read_checkpoint)


def record(folder: Path) -> tuple[list[bytes], Read]:
    RunRecord("0" * 16, {"seed": 0}, status="ok").write(folder / "seed")
    return [(folder / "seed").read_bytes()], _file(folder, "input", RunRecord.read)


def report(folder: Path) -> tuple[list[bytes], Read]:
    """A record whose digest is left out, as very old ones have none: so that what is behind the digest is reached."""
    return [json.dumps(_record(code_version="0.1.0")).encode()], _file(folder, "record.json", _reported)


def _reported(path: Path) -> object:
    return records_of({"0" * 16: read_record(path)})


def config(folder: Path) -> tuple[list[bytes], Read]:
    store = RunFolder(folder)
    store.write_config("0" * 16, {"seed": 0, "data": {"name": "mnist"}})
    return [store.config_path.read_bytes()], _file(folder, "config.json", lambda path: store.read_config())


def plan(folder: Path) -> tuple[list[bytes], Read]:
    home = folder / "runs" / "sweeps" / "a-1"
    made = Plan("a", folder / "runs", (Planned("0" * 16, {"seed": 0}, {"name": "a"}, ("seed=0",)),), home)
    made.write()

    def read(path: Path) -> object:
        with suppress(UsageError):
            sweep_runs([folder / "runs"], "a-1")
        return read_plan(path.parent)

    return [(home / "sweep.json").read_bytes()], _file(home, "sweep.json", read)


def lines(folder: Path) -> tuple[list[bytes], Read]:
    seed = b'{"schema": 1, "count": 2, "shared": ["seed=0"]}'
    return [seed], _file(folder, "lines.json", lambda path: read_lines(path.parent))


def yaml(folder: Path) -> tuple[list[bytes], Read]:
    seed = b"defaults: [config, _self_]\na: &a {b: [1, 2.5, 'x']}\nc: *a\nd: !!str |\n  text\n"
    return [seed, b"a: &a [*a]", b"!!python/object/apply:os.system [x]"], lambda data: check_text(data, "f")


def idx(folder: Path) -> tuple[list[bytes], Read]:
    plain = b"\0\0\x08\x02" + struct.pack(">2I", 2, 3) + bytes(range(6))
    return [gzip.compress(plain, mtime=0)], lambda data: parse_idx(data, (2, 3), what="f", remedy="fetch it again")


def npz(folder: Path) -> tuple[list[bytes], Read]:
    buffer, packed = io.BytesIO(), io.BytesIO()
    np.savez(buffer, x=np.ones((3, 2), np.float32), y=np.arange(3))
    np.savez_compressed(packed, x=np.ones((3, 2)), y=np.arange(3))
    return [buffer.getvalue(), packed.getvalue()], _file(folder, "input.npz", read_npz)


def ts(folder: Path) -> tuple[list[bytes], Read]:
    return [b"@classlabel true 1 2\n@data\n1,2,3:4,5,6:1\n2.5,1:0,-1e3:2\n"], lambda data: parse_ts(data, "f")


def text(folder: Path) -> tuple[list[bytes], Read]:
    seed = "A fox, a crow.\r\nÄ\u2028".encode()
    return [seed], lambda data: text_parts(decode(data, "f"), 3, 1, "f")


def table(folder: Path) -> tuple[list[bytes], Read]:
    seed = b"trainer,seed,test_accuracy,epochs,status\nbackprop,0,0.9,5,ok\n=cmd(),1,0.8,,\n"
    return [seed], _file(folder, "input.csv", read_table)


def answers(folder: Path) -> tuple[list[bytes], Read]:
    return [b"/w==", b"AAAA"], lambda data: unpacked(data.decode("latin-1"), 8)


def _tar(mode: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        info = tarfile.TarInfo("./a.txt")
        info.size = 5
        archive.addfile(info, io.BytesIO(b"hello"))
    return buffer.getvalue()


def tgz(folder: Path) -> tuple[list[bytes], Read]:
    return [_tar("w:gz")], _file(folder, "input.tgz", lambda path: list(tgz_members(path, {"a.txt": 10})))


def deb(folder: Path) -> tuple[list[bytes], Read]:
    seeds = []
    for suffix, mode in ((".gz", "w:gz"), (".xz", "w:xz")):
        data = _tar(mode)
        header = f"{'data.tar' + suffix:<16}{'0':<12}{'0':<6}{'0':<6}{'100644':<8}{len(data):<10}`\n".encode()
        seeds.append(b"!<arch>\n" + header + data)
    return seeds, _file(folder, "input.deb", lambda path: list(deb_members(path, {"a.txt": 10})))


def zipped(folder: Path) -> tuple[list[bytes], Read]:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", "hello")
    return [buffer.getvalue()], _file(folder, "input.zip", lambda path: list(zip_members(path, {"a.txt": 10})))


PARSERS: dict[str, Callable[[Path], tuple[list[bytes], Read]]] = {
    "checkpoint": checkpoint, "record": record, "report": report, "config": config, "plan": plan, "lines": lines,
    "yaml": yaml, "idx": idx, "npz": npz, "ts": ts, "text": text, "table": table, "answers": answers, "tgz": tgz,
    "deb": deb, "zip": zipped,
}  # fmt: skip


def warmed(name: str, folder: Path) -> tuple[list[bytes], Read]:
    """A parser and its seeds, each of which it has read once: what is imported the first time is no attack."""
    seeds, read = PARSERS[name](folder)
    for data in [*seeds, b"", b"{}", seeds[0][:-1]]:
        try:
            read(data)
        except ERRORS:
            continue
    return seeds, read


def try_one(read: Read, data: bytes) -> bool:
    """Whether the parser took the input; raises AssertionError, or what the parser let through."""
    with no_code():
        try:
            read(data)
        except ERRORS as error:
            assert str(error) and "\n" not in str(error), str(error)  # noqa: PT017 - that it raises nothing else is the test
            return False
    return True


INTERESTING = (
    b"\0",
    b"\xff",
    b"\x7f",
    b"\x80",
    b"{",
    b"}",
    b"[",
    b'"',
    b"-",
    b"9" * 30,
    b"1e999",
    b"NaN",
    b"\n",
    b"\r",
    b"null",
    b"../",
    b"\xed\xa0\x80",
    b"=cmd()",
    b"\xff\xff\xff\xff",
    b"\0\0\0\0\0\0\0\x80",
    b"*a",
    b"&a ",
)


def mutate(seeds: list[bytes], chosen: random.Random) -> bytes:
    """One of the seeds with a few bytes flipped, put in, taken out, repeated or exchanged with another seed's."""
    data = bytearray(chosen.choice(seeds))
    for _ in range(chosen.choice((1, 1, 2, 4, 16))):
        place = chosen.randrange(len(data) + 1)
        size = chosen.choice((1, 1, 2, 4, 8, 64))
        kind = chosen.randrange(7)
        if kind == 0 and place < len(data):
            data[place] ^= 1 << chosen.randrange(8)
        elif kind == 1:
            data[place : place + size] = chosen.randbytes(size)
        elif kind == 2:
            del data[place : place + size]
        elif kind == 3:
            data[place:place] = data[place : place + size] * chosen.choice((1, 2, 30))
        elif kind == 4:
            data[place : place + chosen.choice((0, 1, 4))] = chosen.choice(INTERESTING)
        elif kind == 5:
            other = chosen.choice(seeds)
            start = chosen.randrange(len(other) + 1)
            data[place : place + size] = other[start : start + size]
        else:
            del data[place:]
    return bytes(data[:LONGEST])
