"""Fashion-MNIST: 28 x 28 grey images of ten kinds of clothing (H. Xiao, K. Rasul, R. Vollgraf, arXiv 1708.07747)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from lab.data.archive import deb_members
from lab.data.cache import cache_folder, read_limited
from lab.data.download import download, require_answer
from lab.data.fetch import Say, Way, fetch_files
from lab.data.idx import packed_limit, parse_idx
from lab.data.packages import apt_download
from lab.data.parts import Parts
from lab.data.registry import register
from lab.errors import DataError

NAME = "fashion_mnist"
CLASSES = ("T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
PACKAGE = "dataset-fashion-mnist"  # Debian's
INSTALLED = Path("/usr/share/datasets/fashion-mnist")  # where it puts the files
MIRRORS = [
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
]
VALID = 5000  # rows that are kept for validation where nothing else is asked for
REMEDY = f"run: python -m lab.data fetch {NAME}"


@dataclass(frozen=True)
class File:
    """A published file: SHA-256 of the mirrors' .gz and of the contents, which other .gz files share."""

    shape: tuple[int, ...]
    packed: str
    contents: str

    def parse(self, data: bytes, what: str) -> NDArray[np.uint8]:
        top = 9 if len(self.shape) == 1 else 255
        return parse_idx(data, self.shape, contents=self.contents, top=top, what=what, remedy=REMEDY)


FILES = {
    "train-images-idx3-ubyte.gz": File(
        (60000, 28, 28),
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    ),
    "train-labels-idx1-ubyte.gz": File(
        (60000,),
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    ),
    "t10k-images-idx3-ubyte.gz": File(
        (10000, 28, 28),
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    ),
    "t10k-labels-idx1-ubyte.gz": File(
        (10000,),
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
}


def fetch(say: Say) -> None:
    """Put the four files into the cache, from a mirror or else from Debian's package."""
    ways = [Way(f"the mirror {urlsplit(base).netloc}", partial(_mirror, base)) for base in MIRRORS]
    ways.append(Way(f"apt-get download {PACKAGE}", _debian))
    fetch_files(NAME, FILES, ways, cache_folder(NAME), say)


def _mirror(base: str, folder: Path) -> Iterator[tuple[str, bytes]]:
    require_answer(base + next(iter(FILES)))
    for name, file in FILES.items():
        limit = packed_limit(file.shape)
        path = download(base + name, folder, digest=file.packed, limit=limit)
        data = read_limited(path, limit, REMEDY)
        file.parse(data, name)
        yield name, data


def _debian(folder: Path) -> Iterator[tuple[str, bytes]]:
    limits = {name: packed_limit(file.shape) for name, file in FILES.items()}
    path = apt_download(PACKAGE, folder, sum(limits.values()))
    inside = str(INSTALLED.relative_to("/"))
    for member, data in deb_members(path, {f"{inside}/{name}": limit for name, limit in limits.items()}):
        name = member.rpartition("/")[2]
        FILES[name].parse(data, name)
        yield name, data


@register(
    NAME,
    fetch=fetch,
    task="classification",
    shape=(1, 28, 28),
    rows=(60000, 10000),
    licence="MIT (Zalando SE)",
)
def fashion_mnist() -> Parts:
    """Return 60,000 and 10,000 images (1, 28, 28) of ten kinds of clothing, from the cache or an installed package."""
    folders = [cache_folder(NAME), INSTALLED]
    folder = next((f for f in folders if any((f / name).exists() for name in FILES)), None)
    if folder is None:
        raise DataError(f"{NAME} is not here (not in {folders[0]}, not in {folders[1]}); {REMEDY}")

    def values(name: str) -> NDArray[np.uint8]:
        path, file = folder / name, FILES[name]
        return file.parse(read_limited(path, packed_limit(file.shape), REMEDY), str(path))

    return Parts(
        train=(values("train-images-idx3-ubyte.gz")[:, None], values("train-labels-idx1-ubyte.gz")),
        test=(values("t10k-images-idx3-ubyte.gz")[:, None], values("t10k-labels-idx1-ubyte.gz")),
        n_classes=10,
        classes=CLASSES,
        default_valid=VALID,
        digest=hashlib.sha256("".join(file.contents for file in FILES.values()).encode()).hexdigest(),
        source="Fashion-MNIST, fetched, SHA-256 as published",
    )
