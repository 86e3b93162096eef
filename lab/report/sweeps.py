"""Which runs belong to a sweep: reads the files under runs/sweeps/<name>/ that name run ids."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from lab.errors import UsageError
from lab.report.read import LARGEST, deeper, walk, words

_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,127}")


def sweep_runs(roots: list[Path], name: str) -> list[dict[str, Any]]:
    """Returns what the sweep expects: a list of {"run_id": ..., "config": {...} where the file has it}.

    Read are *.json and *.jsonl (ids, objects with a "run_id", lists of either, or an object with a list under "runs" or
    "run_ids") and *.txt (one id a line). Raises UsageError for a name that is no sweep, with those that are.
    """
    known = {f.name: f for root in roots for f in _sweeps(root)}
    alike = [k for k in known if k.rpartition("-")[0] == name]
    if name not in known and len(alike) == 1:  # without the digits that make a sweep's folder unique
        name = alike[0]
    if name not in known:
        names = ", ".join(sorted(known)) or "none is there"
        raise UsageError(f"there is no sweep {name!r} under {', '.join(map(str, roots))}; known sweeps: {names}")
    expected: dict[str, dict[str, Any]] = {}
    for file in sorted(known[name].iterdir()):
        if not file.is_file() or file.stat().st_size > LARGEST:
            continue
        for entry in _entries(file):
            old = expected.setdefault(entry["run_id"], entry)
            if "config" in entry and "config" not in old:
                expected[entry["run_id"]] = entry
    if not expected:
        raise UsageError(f"the sweep {name!r} names no run; was it stopped before its plan was written?")
    return list(expected.values())


def planned_runs(roots: list[Path]) -> list[dict[str, Any]] | None:
    """What all sweeps under the roots expect, in the form of `sweep_runs`; None where there is no sweep."""
    found: dict[str, dict[str, Any]] = {}
    known = {folder.name for root in roots for folder in _sweeps(root)}
    for name in sorted(known):
        try:
            found |= {entry["run_id"]: entry for entry in sweep_runs(roots, name)}
        except UsageError:  # its plan was never written
            continue
    return list(found.values()) if known else None


def _sweeps(root: Path) -> list[Path]:
    folder = root / "sweeps"
    return sorted(f for f in folder.iterdir() if f.is_dir()) if folder.is_dir() else []


def _entries(file: Path) -> list[dict[str, Any]]:
    text = file.read_bytes().decode("utf-8", "replace")
    if file.suffix == ".txt":
        return _named([line.strip() for line in text.splitlines()])
    if file.suffix == ".json":
        return _named(_parsed(text))
    if file.suffix == ".jsonl":
        return _named([_parsed(line) for line in text.splitlines()])
    return []


def _parsed(text: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return None if deeper(value) else value


def _named(value: Any, levels: int = 4) -> list[dict[str, Any]]:
    """Finds run ids in the forms above; anything that does not look like an id is passed over."""
    if isinstance(value, str):
        return [{"run_id": value}] if _ID.fullmatch(value) else []
    if isinstance(value, list) and levels:
        return [entry for v in value for entry in _named(v, levels - 1)]
    if isinstance(value, dict) and levels:
        run_id = words(value.get("run_id"))
        if _ID.fullmatch(run_id):
            config = walk(value, "config")
            return [{"run_id": run_id, **({"config": config} if isinstance(config, dict) else {})}]
        return _named(value.get("runs"), levels - 1) + _named(value.get("run_ids"), levels - 1)
    return []
