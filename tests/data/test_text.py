"""A text as windows of characters: rows, codes, and parts that share nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.backend import Backend
from lab.data import Dataset, Split, load_dataset
from lab.data.batches import Batches, read_rows
from lab.data.split import split_parts
from lab.data.text import decode, reduced, text_parts
from lab.errors import DataError, UsageError

TEXT = "the fox and the grapes, and the goose\n" * 20


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "fables.txt"
    path.write_text(TEXT)
    return path


def windows(data: Dataset, split: Split) -> list[str]:
    """Each row as text, the character to predict at its end."""
    return ["".join(data.classes[code] for code in [*row, y]) for row, y in zip(split.x, split.y, strict=True)]


def test_rows_are_windows_and_what_follows(file: Path) -> None:
    data = load_dataset(file, window=5)
    assert data.classes == tuple(sorted(set(TEXT)))
    assert (data.shape, data.n_classes, data.train.x.dtype) == ((5, len(data.classes)), len(data.classes), np.uint8)
    assert windows(data, data.train)[:3] == ["the fo", "he fox", "e fox "]
    assert windows(data, data.test)[-1] == TEXT[-6:]
    assert data.train.x.nbytes == len(data.train) * 5  # one byte a character, one-hot only in a batch


@given(st.integers(1, 20), st.integers(1, 12), st.integers(160, 256), st.sampled_from([None, 0, 1, 0.1]))
@settings(deadline=None, max_examples=50)
def test_no_character_is_in_two_parts(window: int, stride: int, length: int, valid: float | None) -> None:
    """Each character of this text tells its place."""
    text = "".join(map(chr, range(256)))
    data = split_parts("toy", text_parts(text[:length], window, stride, "toy"), valid)
    begins = {name: [int(row[0]) for row in getattr(data, name).x] for name in ("train", "valid", "test")}
    places = {name: {b + i for b in found for i in range(window + 1)} for name, found in begins.items()}
    train, held, test = places["train"], places["valid"], places["test"]
    assert not train & held | train & test | held & test
    assert max(train) < min(held | test)
    assert max(test) >= length - stride
    assert min(test) - max(train | held) <= stride  # no more is left out than has to be


def test_the_split_is_in_the_digest(file: Path) -> None:
    same, other = load_dataset(file, window=5), load_dataset(file, window=5, stride=2)
    assert same.digest == load_dataset(str(file), window=5).digest != other.digest
    assert len(other.train) == pytest.approx(len(same.train) / 2, abs=3)
    assert len(load_dataset(file, limit=7).train) == 7


def test_codes_become_one_hot_rows_in_a_batch(ops: Backend) -> None:
    codes = np.array([[0, 1], [2, 2], [1, 0]], np.uint8)
    x, index = ops.resident(codes), ops.xp.asarray([2, 1])
    rows = ops.to_host(read_rows(ops, x, index, 1.0, 3))
    assert rows.tolist() == [[[0, 1, 0], [1, 0, 0]], [[0, 0, 1], [0, 0, 1]]]
    batches = Batches(ops, x, ops.xp.asarray([0, 1, 2]), ops.xp.asarray([1, 2, 0]), 2, 1.0, 3)
    again, target, _ = batches[0]
    assert ops.to_host(again).tolist() == rows[::-1].tolist()
    assert ops.to_host(target).tolist() == [1, 2]


def test_lines_end_alike_and_marks_of_order_are_no_characters() -> None:
    assert decode("\ufeffa\r\nb\rc\n".encode(), "a.txt") == "a\nb\nc\n"


def test_another_ending_where_an_option_says_that_it_is_text(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text(TEXT)
    assert load_dataset(tmp_path / "notes.md", window=5).n_classes == len(set(TEXT))
    with pytest.raises(DataError, match=r"notes\.md is no \.npz file"):
        load_dataset(tmp_path / "notes.md")


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (b"\xff\xfe", {}, r"x\.txt is no UTF-8 text \(.* in byte 0\); save it as UTF-8"),
        (b"abcabc", {}, r"x\.txt has 6 characters, too few for windows of 10; use a smaller window or more text"),
        (b"a" * 99, {}, "holds 1 different characters, and 2 to 256 can be told apart; replace the rare ones"),
        ("".join(map(chr, range(256, 600))).encode(), {}, "holds 344 different characters"),
        (b"ab" * 99, {"window": 0}, "window=0 stride=1 cut no text into rows; use whole numbers from 1"),
        (b"ab" * 99, {"stride": -1}, "window=10 stride=-1"),
        (b"ab" * 99, {"window": "ten"}, "data.window='ten' does not fit; give a whole number"),
        (b"ab" * 99, {"windows": 3}, "unknown option 'data.windows': did you mean 'data.window'"),
        (b"ab" * 20, {"window": 18}, r"test=0\.2 leaves no row of .* to train on: of its 22 rows 18 beside"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: bytes, options: dict[str, int], message: str) -> None:
    (tmp_path / "x.txt").write_bytes(text)
    with pytest.raises((DataError, UsageError), match=message):
        load_dataset(tmp_path / "x.txt", **options)


def test_a_missing_file_and_a_set_without_options(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no\.txt is missing; correct the path"):
        load_dataset(tmp_path / "no.txt")
    with pytest.raises(UsageError, match=r"unknown option 'data\.window'"):
        load_dataset("mnist", window=3)


def test_a_split_of_text_is_checked() -> None:
    codes, labels = np.zeros((4, 3), np.uint8), np.zeros(4, np.int64)
    for x, y, scale, alphabet, message in (
        (codes, labels, 1 / 255, 5, "an alphabet of 5 does not go with uint8 x 0.00392157"),
        (codes.astype(np.float32), labels, 1.0, 5, "does not go with float32"),
        (codes, labels, 1.0, 257, "an alphabet of 257"),
        (codes + np.uint8(5), labels, 1.0, 5, "the code 5 is not 0 to 4"),
        (codes, labels + 5, 1.0, 5, "the code 5 is not 0 to 4"),
    ):
        with pytest.raises(DataError, match=message):
            Split(x, y, scale, "text", alphabet)


def test_a_text_is_brought_to_a_few_symbols(tmp_path: Path) -> None:
    assert reduced('The Fox -- "a GOOSE",\n it; X', "abcdefghijklmnopqrstuvwxyz ,;X") == "the fox a goose , it; X"
    path = tmp_path / "book.txt"
    path.write_text("The Fox, the goose! " * 20)
    data = load_dataset(path, window=5, symbols="efghostx ,")
    assert set(data.classes) == set("thefoxgs ,")
    with pytest.raises(UsageError, match="no space"):
        load_dataset(path, symbols="abc")
