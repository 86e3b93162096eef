"""A YAML file before it is parsed: inside its folder, of a sane size, and no bomb of aliases."""

from __future__ import annotations

import os
import re

import yaml

from lab.errors import UsageError

LARGEST = 1 << 20  # bytes
DEEPEST = 40
MOST = 20_000  # values, with what aliases repeat counted as often as it is repeated

_PLAIN = re.compile(r"!|tag:yaml\.org,2002:(str|int|float|bool|null|seq|map)")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def check_file(folder: str, name: str) -> None:
    """Raise UsageError for a file that must not be read; one that is missing is left to whoever reads it."""
    home = os.path.realpath(folder)
    path = os.path.realpath(os.path.join(home, name))
    if os.path.commonpath([home, path]) != home:
        raise UsageError(f"the config {name} lies outside its folder {folder}; copy it there, or name its own folder")
    if not os.path.isfile(path):
        return
    if (size := os.path.getsize(path)) > LARGEST:
        raise UsageError(f"{path} has {size:,} bytes, and a config has {LARGEST:,} at most")
    with open(path, "rb") as file:
        check_text(file.read(LARGEST), path)


def check_text(text: bytes, path: str) -> None:
    """Raise UsageError for what is no YAML, too deep, too much, or asks for Python objects by a tag."""
    sizes: dict[str, int] = {}  # values under each anchor
    open_: list[
        tuple[str | None, int]
    ] = []  # the anchor of each list or object that is not closed, and the count there
    count = 0
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            if (tag := getattr(event, "tag", None)) is not None and not _PLAIN.fullmatch(tag):
                raise UsageError(f"{path} holds the tag {tag}; a config has plain values only")
            if isinstance(event, yaml.AliasEvent):
                if event.anchor not in sizes:
                    raise UsageError(f"{path}: *{event.anchor} stands for what it is part of")
                count += sizes[event.anchor]
            elif isinstance(event, yaml.ScalarEvent):
                count += 1
                if event.anchor is not None:
                    sizes[event.anchor] = 1
            elif isinstance(event, yaml.CollectionStartEvent):
                open_.append((event.anchor, count))
                count += 1
            elif isinstance(event, yaml.CollectionEndEvent):
                anchor, before = open_.pop()
                if anchor is not None:
                    sizes[anchor] = count - before
            if len(open_) > DEEPEST:
                raise UsageError(f"{path} is nested more than {DEEPEST} levels deep")
            if count > MOST:
                raise UsageError(f"{path} holds more than {MOST:,} values, its aliases written out")
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is no YAML: {' '.join(str(error).split())[:300]}") from None
