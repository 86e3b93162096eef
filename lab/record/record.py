"""RunRecord: what is known about one run when it has ended, as one JSON object (schema 1)."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

from lab.errors import DataError, OtherVersion
from lab.record import storage
from lab.registry import is_path

SCHEMA = 1
Status = Literal["ok", "diverged", "out_of_memory", "failed", "timeout"]
EXIT_CODES: dict[str, int] = {"ok": 0, "diverged": 65, "out_of_memory": 71, "failed": 1, "timeout": 75}
# A run that ended so is not made again when asked for: it would end the same way.
SETTLED = ("ok", "diverged")


@dataclass
class RunRecord:
    """All of a run. Everything outside `measured` is equal to the last bit for equal config, seed and machine.

    family, data, network, history, final, cost and memory stay empty where the run ended before they were known.
    Sizes are bytes, times seconds, accuracies fractions.
    """

    run_id: str
    config: dict[str, Any]
    status: Status = "failed"
    reason: str | None = None
    family: str = ""
    code_version: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    network: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    final: dict[str, Any] = field(default_factory=dict)
    cost: dict[str, Any] = field(default_factory=dict)
    memory: dict[str, Any] = field(default_factory=dict)
    measured: dict[str, Any] = field(default_factory=dict)
    schema: int = SCHEMA

    @property
    def exit_code(self) -> int:
        """What a single run's command ends with."""
        return EXIT_CODES[self.status]

    def as_dict(self) -> dict[str, Any]:
        """The JSON object; a number that is not finite becomes null, which every JSON reader understands."""
        found: dict[str, Any] = _finite({f.name: getattr(self, f.name) for f in fields(self)})
        return {"schema": found.pop("schema"), **found}

    def stands(self, code: str | None = None) -> bool:
        """Whether the run need not be made again: it ended as it would end again, by the version `code` where given."""
        return self.status in SETTLED and code in (None, self.code_version)

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write it to `path` atomically: the file's existence says that the run has ended."""
        found = self.as_dict()
        storage.write_json_atomic(path, {**found, "sha256": digest(found)})

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> RunRecord:
        """The record in a file. Raises DataError where it is damaged, OtherVersion where its schema is another one."""
        found = storage.read_json(path)
        remedy = "use the version of the program that wrote it, or move its folder away and run again"
        if not isinstance(found, dict) or type(found.get("schema")) is not int:
            raise DataError(f"{path} is no run record; {remedy}")
        if found["schema"] != SCHEMA:
            raise OtherVersion(f"{path} has schema {found['schema']}, this version reads {SCHEMA}; {remedy}")
        if altered(found):
            raise DataError(f"{path} is damaged: its SHA-256 does not match; {remedy}")
        known = {f.name: f.type for f in fields(cls)}
        for name, value in found.items():
            if name in known and not isinstance(value, _TYPES[str(known[name]).split("[")[0]]):
                raise DataError(f"{path} is damaged: {name} is a {type(value).__name__}; {remedy}")
        if "run_id" not in found or "config" not in found or found.get("status") not in get_args(Status):
            raise DataError(f"{path} is damaged: its status is {found.get('status')!r}; {remedy}")
        return cls(**{name: value for name, value in found.items() if name in known})


def digest(found: Mapping[str, Any]) -> str:
    """SHA-256 over the values of a record, however they are laid out, but for the digest itself."""
    counted = {key: value for key, value in found.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(counted, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def altered(found: Mapping[str, Any]) -> bool:
    """Whether a record is not as it was written. Those of releases before digests name a version without a +."""
    if "sha256" not in found:
        return "+" in str(found.get("code_version"))
    return bool(found["sha256"] != digest(found))


_TYPES: dict[str, Any] = {
    "str": str,
    "str | None": (str, type(None)),
    "int": int,
    "dict": dict,
    "list": list,
    "Status": str,
}


def run_id(config: Mapping[str, Any], data_digest: str) -> str:
    """The name of a run: 16 hex digits of SHA-256 over what affects its result, the data's digest and the schema.

    A data set that was named by its path counts by its contents alone, so the file may be moved.
    """
    counted = {key: value for key, value in config.items() if key != "data"}
    data = dict(config["data"])
    if is_path(str(data.get("name"))):
        data["name"] = "a file"
    text = json.dumps(
        {"schema": SCHEMA, "config": {**counted, "data": data}, "digest": data_digest}, sort_keys=True, allow_nan=False
    )
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
