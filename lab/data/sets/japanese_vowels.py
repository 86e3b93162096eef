"""JapaneseVowels: nine men say two vowels; who speaks? Twelve cepstrum coefficients over 7 to 29 steps.

M. Kudo, J. Toyama, M. Shimbo, "Multidimensional curve classification using passing-through regions", Pattern
Recognition Letters 20, 1999.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from lab.data.archive import zip_members
from lab.data.cache import cache_folder, read_limited
from lab.data.fetch import Say, Way, fetch_files
from lab.data.packages import pip_download
from lab.data.parts import Parts
from lab.data.registry import register
from lab.data.ts import masked_rows, parse_ts
from lab.errors import DataError

NAME = "japanese_vowels"
PACKAGE = ("aeon", "1.6.0")  # PyPI's: a wheel that carries the two files beside its code, which is not run
INSIDE = "aeon/datasets/data/JapaneseVowels/"
FILES = {
    "JapaneseVowels_TRAIN.ts": "68a430eabd919cc77f40b1f5f3bc0dcafacc1486bca9260785aeb7d262cc78cd",
    "JapaneseVowels_TEST.ts": "b3d41d6a0ca3bcad3afb9ca7d4365382aa51341e2e58bae2a574babdda5b9462",
}
LARGEST, LARGEST_FILE = 2**24, 2**20  # bytes of the wheel, and of a file in it
STEPS, CHANNELS = 29, 12
REMEDY = f"run: python -m lab.data fetch {NAME}"


def fetch(say: Say) -> None:
    """Put the two files into the cache, from PyPI's package."""
    way = Way(f"pip download {'=='.join(PACKAGE)}", _wheel)
    fetch_files(NAME, FILES, [way], cache_folder(NAME), say)


def _wheel(folder: Path) -> Iterator[tuple[str, bytes]]:
    path = pip_download(*PACKAGE, folder, LARGEST)
    for member, data in zip_members(path, {INSIDE + name: LARGEST_FILE for name in FILES}):
        name = member.removeprefix(INSIDE)
        _verify(data, name)
        yield name, data


def _verify(data: bytes, what: str) -> None:
    if (digest := hashlib.sha256(data).hexdigest()) != FILES[Path(what).name]:
        raise DataError(f"{what} is altered: its SHA-256 is {digest} and not {FILES[Path(what).name]}; {REMEDY}")


@register(
    NAME,
    fetch=fetch,
    task="classification",
    shape=(STEPS, 1 + CHANNELS),
    rows=(270, 370),
    licence="CC BY 4.0 (M. Kudo, J. Toyama, M. Shimbo)",
)
def japanese_vowels() -> Parts:
    """Return 270 and 370 sequences (29, 1 + 12) of nine speakers, the first number of a step 1 where it exists."""
    folder = cache_folder(NAME)
    if not any((folder / name).exists() for name in FILES):
        raise DataError(f"{NAME} is not here (not in {folder}); {REMEDY}")
    pairs = []
    for name in FILES:
        data = read_limited(folder / name, LARGEST_FILE, REMEDY)
        _verify(data, str(folder / name))
        rows, labels, classes = parse_ts(data, str(folder / name))
        pairs.append((masked_rows(rows, STEPS), labels))
    return Parts(
        train=pairs[0],
        test=pairs[1],
        n_classes=len(classes),
        classes=tuple(f"speaker {name}" for name in classes),
        digest=hashlib.sha256("".join(FILES.values()).encode()).hexdigest(),
        source="JapaneseVowels, fetched, SHA-256 as in the package",
    )
