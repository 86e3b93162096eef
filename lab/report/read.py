"""Reads one record.json, trusting nothing in it: what cannot be read comes back as a reason, in words."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from lab.record.record import altered

SCHEMA = 1
LARGEST = 64 * 2**20
DEEPEST = 40
_NESTED = (dict, list)  # what a JSON parser makes, and nothing derived from it
STATUSES = ("ok", "diverged", "out_of_memory", "failed", "timeout")


class Unreadable(Exception):
    """Why a record cannot be used; its text is one sentence without a full stop."""


def read_record(path: Path) -> dict[str, Any]:
    """Returns a record whose schema and status this version knows.

    Raises Unreadable for a file that is too large, cut off, not JSON, nested too deep, or of another schema.
    """
    try:
        if not path.is_file():
            raise Unreadable("record.json is not a file")
        size = path.stat().st_size
        if size > LARGEST:
            raise Unreadable(f"record.json has {size:,} bytes, over the {LARGEST:,} that a report reads")
        record = json.loads(path.read_bytes().decode("utf-8"))
    except OSError as error:
        raise Unreadable(f"record.json cannot be opened ({error.strerror or type(error).__name__})") from None
    except RecursionError:
        raise Unreadable(f"record.json is nested deeper than {DEEPEST} levels") from None
    except UnicodeDecodeError as error:
        raise Unreadable(f"record.json is not text (byte {error.start} is not UTF-8)") from None
    except json.JSONDecodeError as error:
        raise Unreadable(f"record.json is not whole JSON (line {error.lineno}, column {error.colno})") from None
    except ValueError:
        raise Unreadable("record.json holds a number that is too long to read") from None
    if not isinstance(record, dict):
        raise Unreadable("record.json does not hold an object")
    if deeper(record):
        raise Unreadable(f"record.json is nested deeper than {DEEPEST} levels")
    schema = record.get("schema")
    if isinstance(schema, bool) or not isinstance(schema, int):
        raise Unreadable(f"record.json names no schema number; schema {SCHEMA} is read")
    if schema != SCHEMA:
        age = "newer than" if schema > SCHEMA else "not"
        raise Unreadable(f"record.json has schema {schema}, {age} the {SCHEMA} that this version reads")
    if altered(record):
        raise Unreadable("record.json is damaged: its SHA-256 does not match")
    if record.get("status") not in STATUSES:
        raise Unreadable(f"record.json has the status {record.get('status')!r}, not one of {', '.join(STATUSES)}")
    return record


def deeper(value: object, levels: int = DEEPEST) -> bool:
    """Whether lists and objects are nested deeper than so many levels, found without recursion."""
    layer: list[Any] = [value] if type(value) in _NESTED else []
    for _ in range(levels):
        layer = [c for v in layer for c in (v.values() if type(v) is dict else v) if type(c) in _NESTED]
        if not layer:
            return False
    return True


def walk(value: object, *path: str) -> Any:
    """Follows keys into nested objects; None where one is absent or something else stands there."""
    for key in path:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def number(value: object) -> float:
    """Returns a JSON number as float; NaN for anything else, infinities and numbers beyond float included."""
    if type(value) is float:  # as most are
        return value if math.isfinite(value) else math.nan
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return math.nan
    try:
        result = float(value)
    except OverflowError:
        return math.nan
    return result if math.isfinite(result) else math.nan


def items(value: object) -> list[dict[str, Any]]:
    """Returns the objects of a JSON list, and nothing for anything else."""
    return [v for v in value if isinstance(v, dict)] if isinstance(value, list) else []


def words(value: object) -> str:
    """Returns a JSON string, and an empty one for anything else."""
    return value if isinstance(value, str) else ""
