"""Aesop's fables, in V. S. Vernon Jones's translation of 1912: 284 short stories, as text to predict.

Hinton 2022, section 5 and, with details, its first draft, has forward-forward predict the next character of such fables
from the ten before it. The text is Project Gutenberg's number 11339, which is edited now and then: no digest of it is
published. What was fetched is checked for what it has to hold, and a run's record names the contents by their own
digest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from lab.data.cache import cache_folder
from lab.data.download import download, require_answer
from lab.data.fetch import Say, Way, fetch_files
from lab.data.parts import Parts
from lab.data.registry import register
from lab.data.text import decode, read_text
from lab.errors import DataError

NAME, FILE = "aesop", "aesop.txt"
URLS = [
    "https://www.gutenberg.org/cache/epub/11339/pg11339.txt",
    "https://www.gutenberg.org/ebooks/11339.txt.utf-8",
]
LARGEST = 2**20  # bytes; the book has about a third of that
SHORTEST = 150_000  # characters of the fables
FIRST = "THE FOX AND THE GRAPES"
REMEDY = f"run: python -m lab.data fetch {NAME}"


def fetch(say: Say) -> None:
    """Put the fables into the cache, from Project Gutenberg."""
    ways = [Way(f"the mirror {urlsplit(url).netloc}", partial(_book, url)) for url in URLS]
    fetch_files(NAME, [FILE], ways, cache_folder(NAME), say)


def _book(url: str, folder: Path) -> Iterator[tuple[str, bytes]]:
    require_answer(url)
    path = download(url, folder, digest=None, limit=LARGEST)
    yield FILE, fables(decode(path.read_bytes(), url), url).encode()


def fables(book: str, what: str) -> str:
    """The fables alone, without the book's front and end, its pictures' captions and empty lines. Raises DataError."""
    begin, end = (
        re.search(r"^\*\*\* ?START OF.*$", book, re.MULTILINE),
        re.search(r"^\*\*\* ?END OF", book, re.MULTILINE),
    )
    if begin is None or end is None or "Vernon Jones" not in book:
        raise DataError(f"{what} is not the book: it has no marked beginning and end, or is of another translator")
    body = book[begin.end() : end.start()]
    titles = list(re.finditer(rf"^\s*{FIRST}\.?\s*$", body, re.MULTILINE))  # the last one: a list of them may precede
    text = re.sub(r"\[Illustration[^\]]*\]", "", body[titles[-1].start() :] if titles else "")
    lines = [line.strip() for line in text.splitlines()]
    text = "".join(f"{line}\n" for line in lines if line)
    if len(text) < SHORTEST:
        raise DataError(f"{what} is not the book: {len(text)} characters follow on the title {FIRST!r}")
    return text


@register(NAME, fetch=fetch, task="classification", licence="public domain (Project Gutenberg 11339)")
def aesop(window: int = 10, stride: int = 1, symbols: str | None = None) -> Parts:
    """Return the fables as windows of characters and what follows each, from the cache; options as of any text."""
    path = cache_folder(NAME) / FILE
    if not path.exists():
        raise DataError(f"{NAME} is not here (not in {path.parent}); {REMEDY}")
    return read_text(path, window, stride, symbols, remedy=REMEDY)
