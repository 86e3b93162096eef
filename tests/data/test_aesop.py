"""The fables, cut out of a book such as Project Gutenberg serves it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.data import load_dataset
from lab.data.sets import aesop
from lab.errors import DataError
from tests.data.conftest import Mirror

FRONT = """\ufeffThe Project Gutenberg eBook of Some Fables
Translator: V. S. Vernon Jones

*** START OF THE PROJECT GUTENBERG EBOOK SOME FABLES ***

LIST OF FABLES

THE FOX AND THE GRAPES
THE GOOSE

"""
FABLES = """                 THE FOX AND THE GRAPES

A hungry Fox saw some Grapes.

[Illustration: THE FOX
AND THE GRAPES]

They were sour.

THE GOOSE

It was killed.
"""
END = "*** END OF THE PROJECT GUTENBERG EBOOK SOME FABLES ***\nA licence.\n"
KEPT = "THE FOX AND THE GRAPES\nA hungry Fox saw some Grapes.\nThey were sour.\nTHE GOOSE\nIt was killed.\n"


@pytest.fixture(autouse=True)
def book(monkeypatch: pytest.MonkeyPatch, mirror: Mirror, cache: Path) -> None:
    monkeypatch.setattr(aesop, "SHORTEST", 50)
    monkeypatch.setattr(aesop, "URLS", [mirror.url + "nothing.txt", mirror.url + "pg.txt"])


def test_the_fables_are_fetched_and_read(mirror: Mirror, cache: Path) -> None:
    said: list[str] = []
    with pytest.raises(DataError, match=r"aesop is not here \(not in .*\); run: python -m lab\.data fetch aesop"):
        load_dataset("aesop")
    mirror.files["/pg.txt"] = (FRONT + FABLES * 9 + END).replace("\n", "\r\n").encode()
    aesop.fetch(said.append)
    text = (cache / "aesop" / "aesop.txt").read_bytes().decode()
    assert text == KEPT  # from the last of equal titles on: a list of them may stand before the first fable
    assert said[-1].startswith("aesop: from the mirror 127.0.0.1")
    data = load_dataset("aesop", window=4)
    assert (data.shape, "".join(data.classes)) == ((4, len(set(KEPT))), "".join(sorted(set(KEPT))))
    assert len(load_dataset("aesop", window=4, stride=2).train) < len(data.train)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("*** START", "START", "no marked beginning and end, or is of another translator"),
        ("*** END", "END", "no marked beginning and end"),
        ("Vernon Jones", "Townsend", "of another translator"),
        ("THE FOX AND THE GRAPES", "THE FOX", "0 characters follow on the title 'THE FOX AND THE GRAPES'"),
        ("They were sour.", "\udc00", "is no UTF-8 text"),
    ],
)
def test_another_book_is_refused(mirror: Mirror, cache: Path, old: str, new: str, message: str) -> None:
    book = (FRONT + FABLES + END).replace(old, new)
    mirror.files["/pg.txt"] = book.encode("utf-8", "surrogatepass")
    with pytest.raises(DataError, match=message):
        aesop.fetch(lambda line: None)
    assert not cache.exists()
