from __future__ import annotations

import gzip
import tracemalloc
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lab.data.idx import parse_idx, read_idx
from lab.errors import DataError
from tests.data.helpers import idx_bytes, idx_gz, sha256

IMAGES = np.arange(60, dtype=np.uint8).reshape(5, 3, 4)


def parse(data: bytes, shape: tuple[int, ...] = IMAGES.shape, contents: str = "", top: int = 255) -> np.ndarray:
    return parse_idx(data, shape, contents=contents, top=top, what="some.gz", remedy="get it again")


@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=1, max_dims=4, min_side=0)))
def test_what_was_written_is_read(values: np.ndarray) -> None:
    assert np.array_equal(parse(idx_gz(values), values.shape), values)


def test_values_are_read_only() -> None:
    with pytest.raises(ValueError, match="read-only"):
        parse(idx_gz(IMAGES))[0] = 1


def test_every_truncation_of_an_idx_file_is_refused(tally: Counter[str]) -> None:
    for length in range(len(idx_gz(IMAGES))):
        with pytest.raises(DataError, match=r"some\.gz is cut off after .*; get it again"):
            parse(idx_gz(IMAGES)[:length])
        tally["damaged data files refused"] += 1


def test_every_flipped_bit_of_an_idx_file_is_refused_or_without_effect(tally: Counter[str]) -> None:
    """Without a digest; some bits of a .gz header (time, system) mean nothing, and then the values must be right."""
    for bit in range(8 * len(idx_gz(IMAGES))):
        data = bytearray(idx_gz(IMAGES))
        data[bit // 8] ^= 1 << bit % 8
        try:
            values = parse(bytes(data))
        except DataError:
            tally["damaged data files refused"] += 1
            continue
        assert np.array_equal(values, IMAGES)
        tally["damaged data files whose values are right"] += 1


@given(st.binary(max_size=200))
def test_noise_is_refused(data: bytes) -> None:
    for packed in (data, gzip.compress(data)):
        with pytest.raises(DataError, match=r"^some\.gz .*; get it again$"):
            parse(packed)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (gzip.compress(b"", mtime=0), "holds 0 bytes and not 76"),
        (gzip.compress(idx_bytes(IMAGES)[:9], mtime=0), "holds 9 bytes and not 76"),
        (gzip.compress(b"\0\0\x0d\x03" + idx_bytes(IMAGES)[4:], mtime=0), "starts with 00000d03 and not 00000803"),
        (idx_gz(IMAGES.reshape(5, 12)), "starts with 00000802 and not 00000803"),
        (idx_gz(IMAGES, (5, 4, 3)), r"its dimensions are \(5, 4, 3\) and not \(5, 3, 4\)"),
        (idx_gz(IMAGES, (2**32 - 1, 2**32 - 1, 2**32 - 1)), r"its dimensions are \(4294967295, "),
        (gzip.compress(idx_bytes(IMAGES) + b"x", mtime=0), "holds 77 or more bytes and not 76"),
        (gzip.compress(idx_bytes(IMAGES)[:-1], mtime=0), "holds 75 bytes and not 76"),
        (idx_gz(IMAGES) + b"more", "has 4 bytes after its end"),
        (idx_gz(IMAGES) + idx_gz(IMAGES), "bytes after its end"),
        (idx_bytes(IMAGES), r"is no sound \.gz file"),
    ],
)
def test_wrong_forms(data: bytes, message: str) -> None:
    with pytest.raises(DataError, match=rf"^some\.gz .*{message}.*; get it again$"):
        parse(data)


def test_label_out_of_range() -> None:
    labels = np.array([1, 9, 10, 2], np.uint8)
    with pytest.raises(DataError, match=r"some\.gz holds the label 10 in row 2 and not 0 to 9"):
        parse(idx_gz(labels), (4,), top=9)
    assert parse(idx_gz(labels), (4,), top=10)[2] == 10


def test_a_bomb_takes_no_memory() -> None:
    bomb = gzip.compress(idx_bytes(IMAGES) + bytes(50_000_000))
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="holds 77 or more bytes"):
            parse(bomb)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_digests_of_the_file_and_of_its_contents(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(data := idx_gz(IMAGES))
    packed, contents = sha256(data), sha256(idx_bytes(IMAGES))
    assert np.array_equal(read_idx(path, IMAGES.shape, packed=packed, contents=contents, remedy=""), IMAGES)
    with pytest.raises(DataError, match=rf"a\.gz is altered: its SHA-256 is {packed} and not {contents}; fetch"):
        read_idx(path, IMAGES.shape, packed=contents, remedy="fetch it")
    with pytest.raises(DataError, match=rf"a\.gz is altered: its contents have SHA-256 {contents} and not {packed}"):
        read_idx(path, IMAGES.shape, contents=packed, remedy="fetch it")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.gz is missing; fetch it"):
        read_idx(tmp_path / "a.gz", (1,), remedy="fetch it")
    with pytest.raises(DataError, match=r"cannot be read \(Is a directory\); fetch it"):
        read_idx(tmp_path, (1,), remedy="fetch it")
    (tmp_path / "large.gz").write_bytes(bytes(3000))
    with pytest.raises(DataError, match=r"large\.gz is larger than the 1033 bytes that it can need; fetch it"):
        read_idx(tmp_path / "large.gz", (1,), remedy="fetch it")


def test_data_that_cannot_be_shrunk_fits_the_limit(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 256, (300, 1000), dtype=np.uint8)
    (tmp_path / "noise.gz").write_bytes(gzip.compress(idx_bytes(values), 0))
    assert np.array_equal(read_idx(tmp_path / "noise.gz", values.shape, remedy=""), values)
