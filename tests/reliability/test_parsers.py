"""Parsers given anything: one sentence or a value, no code run, no memory beyond what the file could hold."""

from __future__ import annotations

import json
import struct
import sys
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.errors import DataError, UsageError
from lab.guard.files import check_text
from lab.record.checkpoint import FORMAT, read_checkpoint, write_checkpoint
from lab.record.record import RunRecord
from lab.report.read import Unreadable, read_record
from lab.sweep.plan import read_plan
from tests.tally import LONG

EXAMPLES = 3000 if LONG else 120
ANYTHING = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
MARK = "a-pickle-was-loaded"
_RUNS_CODE = ("exec", "import", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "ctypes.dlopen", "pickle")
_seen: list[str] | None = None


def _hook(event: str, arguments: Any) -> None:
    if _seen is not None and event.startswith(_RUNS_CODE):
        _seen.append(event)


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


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
sizes = st.lists(st.integers(-1, 2**70) | values, max_size=4)
entries = st.fixed_dictionaries(
    {"dtype": st.sampled_from(["F32", "F64", "BOOL", "O", ""]) | values, "shape": sizes, "data_offsets": sizes}
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Each parser has read a file once: what it imports the first time is no attack."""
    write_checkpoint(tmp_path / "first", {"w": np.zeros(2)}, {})
    read_checkpoint(tmp_path / "first")
    (tmp_path / "sweep.json").write_text("{}")
    with pytest.raises(DataError):
        read_plan(tmp_path)
    return tmp_path / "file"


def reads(path: Path, contents: bytes) -> None:
    path.write_bytes(contents)
    with no_code():
        try:
            read_checkpoint(path)
        except DataError as error:
            assert "\n" not in str(error)  # noqa: PT017 - that it raises nothing else is the test


@ANYTHING
@given(contents=st.binary(max_size=300))
def test_any_bytes_for_a_checkpoint(path: Path, contents: bytes) -> None:
    reads(path, contents)


@ANYTHING
@given(
    table=st.dictionaries(st.text(max_size=8), entries | values, max_size=4), body=st.binary(max_size=64), extra=values
)
def test_any_header_for_a_checkpoint(path: Path, table: dict[str, Any], body: bytes, extra: Any) -> None:
    """Right up to its table of tensors, with a digest of the right length."""
    metadata = {"format": FORMAT, "sha256": "0" * 64, "header": json.dumps(extra)}
    text = json.dumps({"__metadata__": metadata, **table}).encode()
    reads(path, struct.pack("<Q", len(text)) + text + body)


@ANYTHING
@given(
    found=values | st.fixed_dictionaries({"schema": st.just(1), "status": values, "run_id": values, "config": values})
)
def test_anything_for_a_record(path: Path, found: Any) -> None:
    path.write_text(json.dumps(found))
    with no_code():
        for read, error in ((RunRecord.read, DataError), (read_record, Unreadable)):
            try:
                read(path)
            except error as caught:
                assert str(caught)  # noqa: PT017


@ANYTHING
@given(text=st.text(alphabet="[]{}:,-&*a!x \n'\"|>?%@#0", max_size=60))
def test_anything_for_a_config_file(text: str) -> None:
    try:
        check_text(text.encode(), "f")
    except UsageError as caught:
        assert str(caught)  # noqa: PT017


@ANYTHING
@given(found=values | st.fixed_dictionaries({"schema": st.just(1), "name": values, "runs": values}))
def test_anything_for_a_plan(path: Path, found: Any) -> None:
    (path.parent / "sweep.json").write_text(json.dumps(found))
    with no_code():
        try:
            read_plan(path.parent)
        except DataError as caught:
            assert "ask for the sweep again" in str(caught) or "damaged" in str(caught)  # noqa: PT017


class Bomb:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> Any:
        return __import__("os").system, (f"touch {MARK}",)


def test_attacks_on_checkpoints(path: Path, tally: Counter[str]) -> None:
    import pickle

    def table(**tensors: Any) -> bytes:
        metadata = {"format": FORMAT, "sha256": "0" * 64, "header": "{}"}
        return json.dumps({"__metadata__": metadata, **tensors}).encode()

    def forged(text: bytes, body: bytes = b"", length: int | None = None) -> bytes:
        return struct.pack("<Q", len(text) if length is None else length) + text + body

    entry = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    twice = table(w=entry)[:-1] + b', "w": ' + json.dumps(entry).encode() + b"}"
    pickled = pickle.dumps(Bomb())
    polyglot = forged(table(), pickled)
    attacks = {
        "a pickle": pickled,
        "a pickle behind a header": polyglot,
        "a zip": b"PK\x03\x04" + b"\0" * 64,
        "a header of 2^63 bytes": forged(b"{}", length=2**63),
        "a header of 2^64 - 1 bytes": forged(b"{}", length=2**64 - 1),
        "a header longer than the file": forged(b"{}", length=1 << 20),
        "tensors that overlap": forged(table(a=entry, b=entry), b"0000"),
        "a tensor outside": forged(table(a={**entry, "data_offsets": [2**40, 2**40 + 4]}), b"0000"),
        "offsets that run backwards": forged(table(a={**entry, "data_offsets": [4, 0]}), b"0000"),
        "a shape that overflows": forged(table(a={**entry, "shape": [2**33, 2**33]}), b"0000"),
        "a shape of 2^40": forged(table(a={**entry, "shape": [2**40], "data_offsets": [0, 2**42]})),
        "a hundred dimensions": forged(table(a={**entry, "shape": [1] * 100}), b"0000"),
        "a key twice": forged(twice, b"0000"),
        "a deep header": forged(b"[" * 500_000),
        "a deep object": forged(b'{"a":' * 100_000),
        "a long number": forged(b'{"a": ' + b"9" * 100_000 + b"}"),
    }
    for name, contents in attacks.items():
        path.write_bytes(contents)
        tracemalloc.start()
        with no_code(), pytest.raises(DataError, match="damaged"):
            read_checkpoint(path)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 2 * len(contents) + (64 << 20), name
        tally["attacks tried"] += 1
    assert not Path(MARK).exists()
    tally["attacks that ran code"] = int(Path(MARK).exists())
