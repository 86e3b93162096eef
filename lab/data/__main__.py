"""`python -m lab.data`: which data sets there are, and getting those that are not here yet."""

from __future__ import annotations

import argparse
import sys
import time

from lab.data.cache import cache_folder
from lab.data.load import load_dataset
from lab.data.registry import Entry, entries, entry
from lab.errors import DataError, LabError

COLUMNS = ("name", "task", "shape", "train + test rows", "digest", "where", "licence")


def main(argv: list[str] | None = None) -> int:
    """Run the command `argv` (default: the process's arguments) and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m lab.data", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    listing = commands.add_parser("list", help="every data set: what it holds, where it is, its digest and licence")
    listing.add_argument("--full", action="store_true", help="print digests in full")
    fetching = commands.add_parser("fetch", help="get data sets into the cache (LAB_DATA, else the platform's folder)")
    fetching.add_argument("names", nargs="+", metavar="NAME")
    try:
        options = parser.parse_args(argv)
    except SystemExit as end:  # argparse has said why
        return int(end.code or 0)
    try:
        if options.command == "list":
            _list(options.full)
        else:
            wanted = [entry(name) for name in options.names]
            for found in wanted:
                _fetch(found)
    except LabError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("error: interrupted; nothing half-written is left, run the same command again", file=sys.stderr)
        return 130
    return 0


def _list(full: bool) -> None:
    lines: list[tuple[str, ...]] = [COLUMNS]
    notes: list[str] = []
    for found in entries().values():
        try:
            lines.append(_row(found, full))
        except DataError as error:
            known = found.task, _shape(found.shape), _rows(found.rows)
            lines.append((found.name, *known, "-", "see below", found.licence))
            notes.append(f"{error}.")
    notes.append(f"What is fetched is kept in {cache_folder('')} (set LAB_DATA to choose another folder).")
    print(_table(lines), "", *notes, sep="\n")


def _row(found: Entry, full: bool) -> tuple[str, ...]:
    """Return the line of one data set, which is read and checked for it. Raises DataError."""
    data = load_dataset(found.name)
    rows = len(data.train) + len(data.valid), len(data.test)
    digest = data.digest if full else data.digest[:12]
    return found.name, data.task, _shape(data.shape), _rows(rows), digest, data.source, found.licence


def _fetch(found: Entry) -> None:
    if found.fetch is None:
        data = load_dataset(found.name)
        _say(f"{found.name}: nothing to fetch ({data.source})")
        return
    try:
        data = load_dataset(found.name)
    except DataError:
        start = time.monotonic()
        found.fetch(_say)
        data = load_dataset(found.name)
        _say(f"{found.name}: {data!r}, digest {data.digest}, {time.monotonic() - start:.1f} s")
    else:
        _say(f"{found.name}: here already ({data.source})")


def _say(line: str) -> None:
    print(line, flush=True)


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(str(length) for length in shape) or "?"


def _rows(rows: tuple[int, int] | None) -> str:
    return f"{rows[0]:,} + {rows[1]:,}" if rows else "?"


def _table(lines: list[tuple[str, ...]]) -> str:
    widths = [max(len(line[i]) for line in lines) for i in range(len(COLUMNS))]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in lines)


if __name__ == "__main__":
    sys.exit(main())
