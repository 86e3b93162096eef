"""Checkpoints: what is read is what was written, or a DataError; never anything in between."""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from safetensors.numpy import load_file

from lab.errors import DataError
from lab.record.checkpoint import FORMAT, read_checkpoint, write_checkpoint

SMALL = {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "m": np.array([True, False, True]), "step": np.array(7)}


def test_round_trip_and_any_safetensors_tool_opens_it(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    arrays = {**SMALL, "strided": np.arange(10.0)[::2].T, "empty": np.zeros((0, 3)), "big": np.arange(3, dtype=">f8")}
    write_checkpoint(path, arrays, {"step": 3, "text": 'ü " \\', "list": [1, {"a": None}]})
    read, header = read_checkpoint(path)
    assert header == {"step": 3, "text": 'ü " \\', "list": [1, {"a": None}]}
    others = load_file(path)
    assert set(read) == set(arrays) == set(others)
    for name, array in arrays.items():
        np.testing.assert_array_equal(read[name], array)
        np.testing.assert_array_equal(others[name], array)
        assert read[name].shape == array.shape and read[name].flags.writeable


@settings(max_examples=50, deadline=None)
@given(
    arrays=st.dictionaries(
        st.text(max_size=8).filter(lambda name: name != "__metadata__"),
        npst.arrays(
            st.sampled_from([np.float32, np.float64, np.int64, np.uint8, np.bool_]),
            npst.array_shapes(min_dims=0, min_side=0),
        ),
        max_size=4,
    )
)
def test_round_trip_of_anything(tmp_path_factory: pytest.TempPathFactory, arrays: dict[str, Any]) -> None:
    path = tmp_path_factory.mktemp("c") / "a"
    write_checkpoint(path, arrays, {})
    read, _ = read_checkpoint(path)
    assert sorted(read) == sorted(arrays)
    for name, array in arrays.items():
        assert read[name].dtype == array.dtype and read[name].tobytes() == array.tobytes()


def test_every_truncation_and_every_bit_flip_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_checkpoint(path, SMALL, {"step": 3})
    whole = path.read_bytes()
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        with pytest.raises(DataError):
            read_checkpoint(path)
    for place in range(len(whole)):
        for bit in range(8):
            flipped = bytearray(whole)
            flipped[place] ^= 1 << bit
            path.write_bytes(flipped)
            with pytest.raises(DataError, match="damaged"):
                read_checkpoint(path)
    for more in (b"\0", whole):
        path.write_bytes(whole + more)
        with pytest.raises(DataError, match="damaged"):
            read_checkpoint(path)


def forged(table: dict[str, Any], body: bytes = b"", length: int | None = None) -> bytes:
    metadata = {"format": FORMAT, "sha256": "0" * 64, "header": "{}"}
    text = json.dumps({"__metadata__": metadata, **table}).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + body


@pytest.mark.parametrize(
    "contents",
    [
        b"",
        b"\x80\x04N.",
        forged({}, length=2**63),
        forged({}, length=2**64 - 1),
        forged({"w": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}),
        forged({"w": {"dtype": "F32", "shape": [2**62, 4], "data_offsets": [0, 0]}}),
        forged({"w": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}, b"0000"),
        forged({"w": {"dtype": "O", "shape": [1], "data_offsets": [0, 8]}}, b"00000000"),
        forged({"w": {"dtype": ["F32"], "shape": [1], "data_offsets": [0, 4]}}, b"0000"),
        forged({"w": {"dtype": "F32", "shape": [True], "data_offsets": [0, 4]}}, b"0000"),
        forged({"w": []}),
        forged({n: {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]} for n in "ab"}, b"0000"),  # overlapping
        forged({"a": {"dtype": "U8", "shape": [2], "data_offsets": [2, 4]}}, b"0000"),  # a hole
        struct.pack("<Q", 200_000) + b"[" * 200_000,
    ],
)
def test_attacks_end_in_one_sentence(tmp_path: Path, contents: bytes) -> None:
    path = tmp_path / "a"
    path.write_bytes(contents)
    with pytest.raises(DataError, match="damaged") as caught:
        read_checkpoint(path)
    assert "\n" not in str(caught.value)


def test_what_cannot_be_saved_is_refused_and_the_old_one_stays(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_checkpoint(path, SMALL, {})
    with pytest.raises(DataError, match="object"):
        write_checkpoint(path, {"o": np.array([None])}, {})
    with pytest.raises(DataError, match="header"):
        write_checkpoint(path, {}, {"x": float("inf")})
    assert set(read_checkpoint(path)[0]) == set(SMALL)
    with pytest.raises(DataError, match="does not exist"):
        read_checkpoint(tmp_path / "none")
