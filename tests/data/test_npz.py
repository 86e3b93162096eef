from __future__ import annotations

import io
import os
import struct
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lab.data import load_dataset
from lab.data.npz import read_npz
from lab.errors import DataError, UsageError

X = np.arange(60, dtype=np.float32).reshape(20, 3)
Y = np.arange(20) % 2


def npy(header: str, data: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    text = header.encode() + b"\n"
    return b"\x93NUMPY" + version + struct.pack("<H", len(text)) + text + data


def zipped(path: Path, members: list[tuple[str, bytes]], packed: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", packed) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return path


def saved(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_x_and_y(tmp_path: Path, save: Any) -> None:
    save(tmp_path / "mine.npz", x=np.asfortranarray(X), y=Y)
    data = load_dataset(tmp_path / "mine.npz")
    assert (data.task, data.n_classes, data.shape, data.source) == ("classification", 2, (3,), "the file mine.npz")
    assert data.name == str(tmp_path / "mine.npz")
    for part in (data.train, data.valid, data.test):
        rows = (part.x[:, 0] / 3).astype(int)
        assert np.array_equal(part.x, X[rows])
        assert np.array_equal(part.y, Y[rows])


def test_all_parts_and_other_names(tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    np.savez(path, x_train=X, y_train=Y * 0.5, x_valid=X[:2], y_valid=Y[:2] * 0.5, x_test=X[2:5], y_test=Y[2:5] * 0.5)
    data = load_dataset(str(path))
    assert (data.task, len(data.train), len(data.valid)) == ("regression", 20, 2)
    assert np.array_equal(data.test.x, X[2:5])


def test_the_packing_does_not_change_the_digest(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=X, y=Y)
    np.savez_compressed(tmp_path / "b.npz", x=np.asfortranarray(X), y=Y.astype(np.int32))
    assert load_dataset(tmp_path / "a.npz").digest == load_dataset(tmp_path / "b.npz").digest


def test_no_rows_and_no_dimensions(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros((0, 3)), y=np.zeros(0, int))
    with pytest.raises(DataError, match="0 training rows are too few"):
        load_dataset(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", x=np.float64(1), y=np.int64(1))
    with pytest.raises(DataError, match=r"x has shape \(\); give it one row a sample"):
        load_dataset(tmp_path / "b.npz")


@pytest.mark.parametrize("where", ["x", "y"])
def test_not_finite(tmp_path: Path, where: str) -> None:
    arrays = {"x": X.copy(), "y": Y.astype(float)}
    arrays[where][7] = np.nan
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError, match=rf"a\.npz \(train\): {where} is nan in row 7; remove"):
        load_dataset(tmp_path / "a.npz")


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    trap = tmp_path / "sprung"
    path = zipped(tmp_path / "a.npz", [("x.npy", saved(np.array([[Trap(trap)]] * 5, object))), ("y.npy", saved(Y))])
    with pytest.raises(DataError, match="x holds Python objects, which are never unpickled; store plain numbers"):
        read_npz(path)
    assert not trap.exists()
    np.load(path, allow_pickle=True)["x"]
    assert trap.exists()  # so the trap was a real one


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array(["a", "b"]), "x has dtype <U1, which is not numbers"),
        (np.zeros(2, [("a", int)]), "x has dtype .* which is not numbers"),
        (np.zeros(2, "M8[s]"), "x has dtype datetime64.* which is not numbers"),
        (np.zeros(2, complex), "x has dtype complex128"),
    ],
)
def test_arrays_that_are_no_numbers(tmp_path: Path, array: np.ndarray, message: str) -> None:
    np.savez(tmp_path / "a.npz", x=array, y=Y)
    with pytest.raises(DataError, match=rf"a\.npz: {message}"):
        read_npz(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["x"], "holds x without y; store both"),
        (["x", "y", "y_test"], "holds y_test without x_test"),
        (["x_test", "y_test"], "holds no x and y; write them with np.savez"),
        (["x", "y", "x_train", "y_train"], "holds both x, y and x_train, y_train"),
        (["x", "y", "x_vaild"], "holds 'x_vaild.npy'; only arrays named x, y, x_train"),
    ],
)
def test_wrong_names(tmp_path: Path, names: list[str], message: str) -> None:
    np.savez(tmp_path / "a.npz", **dict.fromkeys(names, Y))
    with pytest.raises(DataError, match=rf"a\.npz {message}"):
        read_npz(tmp_path / "a.npz")


@pytest.mark.parametrize("name", ["../x.npy", "/x.npy", "x", "x.npy.npy", "x.NPY"])
def test_other_members(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="only arrays named"):
        read_npz(zipped(tmp_path / "a.npz", [(name, saved(Y))]))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_is_there_twice(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds x twice"):
        read_npz(zipped(tmp_path / "a.npz", [("x.npy", saved(X)), ("x.npy", saved(X)), ("y.npy", saved(Y))]))


@pytest.mark.parametrize("packed", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_unusual_packing(tmp_path: Path, packed: int) -> None:
    with pytest.raises(DataError, match="holds x encrypted or packed unusually; write it again"):
        read_npz(zipped(tmp_path / "a.npz", [("x.npy", saved(X))], packed))


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (
            "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000, 784)}",
            r"says it is float64 of shape \(1000",
        ),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (1,)}", "has 16 bytes"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (3,)}", "has 16 bytes"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, -2)}", r"of shape \(-1, -2\)"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (0, 9223372036854775808)}", "has 16 bytes"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': [2]}", "is damaged"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (2.0,)}", "is damaged"),
        ("{'descr': '<q9', 'fortran_order': False, 'shape': (2,)}", "is damaged"),
        ("{'descr': '|V0', 'fortran_order': False, 'shape': (2,)}", "not numbers"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (2,)", "is damaged"),
        ("{'descr': __import__('os').getcwd(), 'fortran_order': False, 'shape': (2,)}", "is damaged"),
        ("(" * 5000, "is damaged"),
        ("[" * 200 + "]" * 200, "is damaged"),
        ("{'descr': '<f8'}" + " " * 20000, "is damaged"),
        ("", "is damaged"),
    ],
)
def test_headers_that_lie(tmp_path: Path, header: str, message: str) -> None:
    path = zipped(tmp_path / "a.npz", [("x.npy", npy(header, bytes(16))), ("y.npy", saved(Y))])
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=rf"a\.npz: x .*{message}"):
            read_npz(path)
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()


def test_an_unknown_version_of_the_format(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.npz", [("x.npy", npy("{}", version=b"\x07\x00")), ("y.npy", saved(Y))])
    with pytest.raises(DataError, match=r"x is damaged \(version \(7, 0\) of the"):
        read_npz(path)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros((2**14, 2**10), np.float64), y=np.zeros(2**14, int))
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=r"would unpack from \d+ to \d+ bytes; if that is right, use np.savez"):
            read_npz(tmp_path / "a.npz")
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_members_that_claim_more_than_the_file(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.npz", [("x.npy", saved(X)), ("y.npy", saved(Y))])
    data = bytearray(path.read_bytes())
    entry = data.index(b"PK\x01\x02")
    data[entry + 20 : entry + 28] = struct.pack("<II", 10**6, 10**6)  # both sizes, in the central directory
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"claims \d+ bytes of arrays in a file of"):
        read_npz(path)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("npz") / "sound.npz"
    np.savez_compressed(path, x=X, y=Y)
    return path


@given(where=st.floats(0, 1, exclude_max=True))
@settings(deadline=None)
def test_every_truncation_is_refused(sound: Path, where: float) -> None:
    data = sound.read_bytes()
    path = sound.with_name("cut.npz")
    path.write_bytes(data[: int(where * len(data))])
    with pytest.raises(DataError, match=r"cut\.npz"):
        read_npz(path)


@given(changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1, max_size=3))
@example(changes=[(0.0, 1)])
@settings(deadline=None, max_examples=400)
def test_altered_bytes_are_refused_or_without_effect(sound: Path, changes: list[tuple[float, int]]) -> None:
    data = bytearray(sound.read_bytes())
    for where, mask in changes:
        data[int(where * len(data))] ^= mask
    path = sound.with_name("altered.npz")
    path.write_bytes(data)
    try:
        x, y = read_npz(path).train
    except DataError:
        return
    assert np.array_equal(x, X)
    assert np.array_equal(y, Y)


def test_paths_that_are_no_npz_files(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_text("no zip")
    (tmp_path / "d.npz").mkdir()
    for path, message in [
        ("none.npz", "none.npz does not exist; correct the path"),
        ("a.npz", r"a\.npz is damaged or no \.npz file"),
        ("d.npz", "cannot be read: Is a directory"),
        ("a.npz/b.npz", "cannot be read: Not a directory"),
        ("rows.csv", r'is no \.npz file; save your data as one with np\.savez\("rows\.npz", x=x, y=y\)'),
    ]:
        with pytest.raises(DataError, match=message):
            load_dataset(tmp_path / path)
    with pytest.raises(DataError, match="does not exist"):
        load_dataset("./none.npz")
    with pytest.raises(UsageError, match="unknown data set 'none'"):
        load_dataset("none")
