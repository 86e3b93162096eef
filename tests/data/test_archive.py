from __future__ import annotations

import tarfile
import tracemalloc
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.data import archive
from lab.data.archive import deb_members, tgz_members, zip_members
from lab.errors import DataError
from tests.data.helpers import deb_bytes, tar_bytes, zip_bytes

READERS = {"tgz": tgz_members, "deb": deb_members, "zip": zip_members}
FILES = {"usr/a.bin": b"a" * 70_000, "usr/b.bin": b"", "usr/c.bin": b"other"}


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("prefix", ["", "./"])
def test_wanted_members_of_a_tgz(tmp_path: Path, prefix: str) -> None:
    path = write(tmp_path / "a.tgz", tar_bytes({prefix + name: data for name, data in FILES.items()}, "w:gz"))
    found = list(tgz_members(path, {"usr/b.bin": 0, "usr/a.bin": 70_000}))
    assert found == [("usr/a.bin", FILES["usr/a.bin"]), ("usr/b.bin", b"")]


@pytest.mark.parametrize("packed", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_wanted_members_of_a_zip(tmp_path: Path, packed: int) -> None:
    path = write(tmp_path / "a.whl", zip_bytes(FILES, packed))
    assert list(zip_members(path, {"usr/b.bin": 0, "usr/a.bin": 70_000})) == list(FILES.items())[:2]


def test_members_of_a_zip_that_are_refused(tmp_path: Path) -> None:
    long = zip_bytes({"usr/a.bin": b"123456"})
    entry = long.index(b"PK\1\2")
    lying, locked = bytearray(long), bytearray(long)
    lying[entry + 24] = 5  # the size when unpacked
    locked[entry + 8] |= 1
    for data, message in (
        (zip_bytes({"other": b""}), r"a\.whl does not hold usr/a\.bin"),
        (zip_bytes([("usr/a.bin", b"1"), ("usr/a.bin", b"1")]), r"a\.whl holds usr/a\.bin twice"),
        (long, r"a\.whl: usr/a\.bin is no plain file of at most 5 bytes"),
        (bytes(lying), r"a\.whl is damaged \(Bad CRC-32"),
        (zip_bytes({"usr/a.bin": b"1"}, zipfile.ZIP_BZIP2), "encrypted or packed unusually"),
        (bytes(locked), "encrypted or packed unusually"),
        (b"no archive", r"a\.whl is damaged \(File is not a zip file\)"),
    ):
        with pytest.raises(DataError, match=message):
            list(zip_members(write(tmp_path / "a.whl", data), {"usr/a.bin": 5}))


@pytest.mark.parametrize(("suffix", "mode"), [(".xz", "w:xz"), (".gz", "w:gz")])
def test_wanted_files_of_a_deb(tmp_path: Path, suffix: str, mode: str) -> None:
    data = tar_bytes({f"./{name}": data for name, data in FILES.items()}, mode)
    for body in (data, data + b"\0" * (1 - len(data) % 2)):
        path = write(tmp_path / "a.deb", deb_bytes(body, suffix))
        assert dict(deb_members(path, dict.fromkeys(FILES, 70_000))) == FILES


def test_files_of_a_deb_packed_by_zstd(tmp_path: Path) -> None:
    path = write(tmp_path / "a.deb", deb_bytes(b"", ".zst"))
    try:
        from compression import zstd  # type: ignore[import-not-found]
    except ImportError:
        with pytest.raises(DataError, match=r"packed as \.zst, which Python reads from 3\.14 on; install the package"):
            list(deb_members(path, {"usr/a.bin": 1}))
    else:
        write(path, deb_bytes(zstd.compress(tar_bytes(FILES, "w")), ".zst"))
        assert dict(deb_members(path, dict.fromkeys(FILES, 70_000))) == FILES


def special(name: str, kind: bytes, target: str = "") -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info, b""


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([("other", b"")], r"a\.tgz does not hold usr/a\.bin"),
        ([("../usr/a.bin", b"")], "does not hold"),
        ([("/usr/a.bin", b"")], "does not hold"),
        ([("usr/a.bin", b"1"), ("usr/a.bin", b"1")], r"a\.tgz holds usr/a\.bin twice"),
        ([("usr/a.bin", b"123456")], r"a\.tgz: usr/a\.bin is no plain file of at most 5 bytes"),
        ([special("usr/a.bin", tarfile.SYMTYPE, "/etc/passwd")], "is no plain file"),
        ([special("usr/a.bin", tarfile.LNKTYPE, "usr/b.bin")], "is no plain file"),
        ([special("usr/a.bin", tarfile.CHRTYPE)], "is no plain file"),
        ([special("usr/a.bin", tarfile.DIRTYPE)], "is no plain file"),
        ([special("usr/a.bin", tarfile.GNUTYPE_SPARSE)], "is no plain file|is damaged"),
    ],
)
def test_members_that_are_refused(tmp_path: Path, members: list[Any], message: str, tally: Counter[str]) -> None:
    path = write(tmp_path / "a.tgz", tar_bytes(members, "w:gz"))
    with pytest.raises(DataError, match=message):
        list(tgz_members(path, {"usr/a.bin": 5}))
    tally["hostile archives refused"] += 1


def test_archives_write_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tally: Counter[str]) -> None:
    members = [("../escaped", b"x"), ("/tmp/escaped", b"x"), special("link", tarfile.SYMTYPE, ".."), ("link/x", b"x")]
    path = write(tmp_path / "a.tgz", tar_bytes([*members, ("wanted", b"w")], "w:gz"))
    monkeypatch.chdir(tmp_path)
    assert list(tgz_members(path, {"wanted": 1})) == [("wanted", b"w")]
    tally["attacks tried"] += len(members)
    tally["attacks that wrote a file"] += len(list(tmp_path.iterdir())) - 1
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", ["tgz", "deb"])
def test_a_bomb_stops_at_the_budget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, tally: Counter[str]
) -> None:
    monkeypatch.setattr(archive, "BUDGET", 2**20)
    bomb = tar_bytes([("unwanted", bytes(2**24)), ("usr/a.bin", b"1")], "w:gz" if kind == "tgz" else "w:xz")
    path = write(tmp_path / "a", bomb if kind == "tgz" else deb_bytes(bomb))
    reader = tgz_members if kind == "tgz" else deb_members
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=r"a is damaged \(it unpacks to more than 1048576 bytes\)"):
            list(reader(path, {"usr/a.bin": 1}))
        assert tracemalloc.get_traced_memory()[1] < 12_000_000  # 8 of them are xz's own window
    finally:
        tracemalloc.stop()
    tally["hostile archives refused"] += 1


def test_an_xz_stream_that_asks_for_much_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.deb", deb_bytes(tar_bytes(FILES, "w:xz")))
    monkeypatch.setattr(archive, "MEMORY", 2**20)
    with pytest.raises(DataError, match=r"a\.deb is damaged \(Memory usage limit exceeded\)"):
        list(deb_members(path, dict.fromkeys(FILES, 70_000)))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "it is no .deb file"),
        (b"!<arch>\n", "it has no member data.tar"),
        (deb_bytes(b"", ".bz2"), r"its files are packed as '\.bz2'"),
        (deb_bytes(b""), "the file is cut off"),
        (deb_bytes(b"no xz stream"), "format not supported"),
        (deb_bytes(b"").replace(b"`\n", b"??", 1), "a member's header is wrong"),
        (deb_bytes(b"").replace(b"4         `", b"-4        `", 1), "a member's header is wrong"),
        (deb_bytes(b"").replace(b"4         `", b"x         `", 1), "invalid literal"),
    ],
)
def test_debs_that_are_none(tmp_path: Path, data: bytes, message: str, tally: Counter[str]) -> None:
    with pytest.raises(DataError, match=rf"a\.deb is damaged \(.*{message}"):
        list(deb_members(write(tmp_path / "a.deb", data), {"usr/a.bin": 1}))
    tally["hostile archives refused"] += 1


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("archives")
    files = {"usr/a.bin": bytes(range(256)) * 20, "usr/b.bin": b"b"}
    return {
        "tgz": write(folder / "a.tgz", tar_bytes(files, "w:gz")),
        "deb": write(folder / "a.deb", deb_bytes(tar_bytes(files, "w:xz"))),
        "zip": write(folder / "a.zip", zip_bytes(files)),
    }


@given(
    kind=st.sampled_from(sorted(READERS)),
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=3),
    keep=st.floats(0, 1),
)
@settings(deadline=None, max_examples=300)
def test_altered_or_cut_archives_never_end_in_another_error(
    sound: dict[str, Path], kind: str, changes: list[tuple[float, int]], keep: float
) -> None:
    data = bytearray(sound[kind].read_bytes())
    for where, mask in changes:
        data[int(where * len(data))] ^= mask
    path = write(sound[kind].with_name(f"altered.{kind}"), data[: round(keep * len(data))])
    try:
        found = list(READERS[kind](path, {"usr/a.bin": 5120, "usr/b.bin": 1}))
    except DataError as error:
        message = str(error)
    else:
        message = f"altered.{kind}" if sorted(name for name, _ in found) == ["usr/a.bin", "usr/b.bin"] else ""
    assert f"altered.{kind}" in message


def test_a_cut_off_stream_is_no_end(tmp_path: Path) -> None:
    whole = tar_bytes({"usr/a.bin": bytes(range(256)) * 200}, "w:gz")
    with pytest.raises(DataError, match="is damaged"):
        list(tgz_members(write(tmp_path / "a.tgz", whole[: len(whole) // 2]), {"usr/a.bin": 51_200}))
