"""The rule about label leakage: rows of one split that stand in another one as well."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from itertools import combinations
from typing import TYPE_CHECKING, Any

from lab.audit.evidence import Evidence, Finding, failed, passed, unknown
from lab.errors import LabError
from lab.report.text import counted, listed

if TYPE_CHECKING:
    from lab.data import Dataset, Split

LARGEST = 2**30  # bytes of rows that are looked at


def leaked_rows(evidence: Evidence) -> Finding:
    """A test row that was trained on is answered from memory. Needs the data set, which is looked for by its digest."""
    used = evidence.used
    counts: dict[str, int] = {}
    bad: list[str] = []
    silent: list[str] = []
    for (data, digest), group in used.groupby(["dataset", "digest"]):
        key = tuple(group.iloc[0][["data", "network", "series"]])
        shared = _shared(str(digest), _options(evidence.records.settings.get(key, {})))
        if shared is None:
            silent.append(str(data))
        for pair, n in (shared or {}).items():
            if n:
                counts[f"{counted(n, 'row')} of {data} in both {pair}"] = n
                bad += list(group["run_id"])
    if bad:
        return failed(f"There is {listed(list(counts))}.", bad)
    if silent or used.empty:
        where = listed(sorted(set(silent))) or "the data"
        return unknown(f"{where} is not here with the digest that the records name, so its rows were not looked at.")
    return passed("No row stands in two of the splits.")


def _options(flat: Mapping[str, str]) -> tuple[tuple[str, Any], ...]:
    import json

    return tuple((k.removeprefix("data."), json.loads(v)) for k, v in sorted(flat.items()) if k.startswith("data."))


@lru_cache(maxsize=16)
def _shared(digest: str, options: tuple[tuple[str, Any], ...]) -> Mapping[str, int] | None:
    """How many rows each two splits share; None where the data set is not at hand.

    Only sets with a name are loaded: a record from elsewhere must not open a file of its choice here.
    """
    from lab.data import load_dataset
    from lab.data.registry import entries

    given = dict(options)
    name = given.pop("name", "")
    if not digest or name not in entries():
        return None
    try:
        data = load_dataset(name, **given)
    except (LabError, TypeError, ValueError, OSError):
        return None
    if data.digest != digest or sum(s.x.nbytes for s in (data.train, data.valid, data.test)) > LARGEST:
        return None
    return shared_rows(data)


def shared_rows(data: Dataset) -> Mapping[str, int]:
    """How many distinct rows each two splits of a data set share, by a digest of the row's bytes."""
    rows = {name: _digests(getattr(data, name)) for name in ("train", "valid", "test")}
    return {f"{a} and {b}": len(rows[a] & rows[b]) for a, b in combinations(rows, 2)}


def _digests(split: Split) -> set[bytes]:
    return {hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in split.x}
