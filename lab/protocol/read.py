"""A protocol from its file: a name under conf/protocol, or a path of one's own. Every wrong key is one sentence."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from lab.errors import UsageError
from lab.guard.files import check_file
from lab.protocol.protocol import Final, Protocol, Side, Task, Tuning
from lab.registry import unknown
from lab.schema import fill, options


def named_protocols(folder: Path) -> list[str]:
    """The names of the protocols in a folder of configs."""
    return sorted(path.stem for path in (folder / "protocol").glob("*.yaml"))


def read_protocol(name: str, folder: Path) -> Protocol:
    """The protocol of that name in `folder`/protocol, or in the file of that path.

    Raises UsageError where there is none, and where it is no YAML or breaks its own rules.
    """
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        if name not in (known := named_protocols(folder)):
            raise UsageError(f"{unknown('protocol', name, known)}; or name a .yaml file")
        path = folder / "protocol" / f"{name}.yaml"
    try:
        check_file(os.fspath(path.parent), path.name)
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{str(path)!r} cannot be read as a protocol ({error}); name a .yaml file") from None
    return parse_protocol(yaml.safe_load(text), str(path))


def parse_protocol(raw: Any, where: str = "protocol") -> Protocol:
    """The protocol in plain values, as a file holds them or `asdict` gives them. Raises UsageError."""
    whole = _section(Protocol, raw, where, nested=("data", "sides", "baselines", "tuning", "runs"))
    whole["tuning"] = Tuning(**_section(Tuning, whole["tuning"], f"{where}: tuning"))
    whole["runs"] = Final(**_section(Final, whole["runs"], f"{where}: runs"))
    for key, kind in (("data", Task), ("sides", Side), ("baselines", Side)):
        given = whole[key] or []
        if not isinstance(given, list | tuple):
            raise UsageError(f"{where}: {key} is no list; write each one under a dash")
        whole[key] = tuple(kind(**_section(kind, item, f"{where}: {key}")) for item in given)
    return Protocol(**whole)


def plain(protocol: Protocol) -> dict[str, Any]:
    """The protocol as plain values, which `parse_protocol` takes back."""
    return asdict(protocol)


def _section(kind: Callable[..., Any], raw: Any, where: str, nested: tuple[str, ...] = ()) -> dict[str, Any]:
    if not isinstance(raw, Mapping):
        raise UsageError(f"{where} holds no KEY: VALUE; see conf/protocol for one that does")
    schema = options(kind)
    values = {str(key): value for key, value in raw.items()}
    filled = fill({k: v for k, v in values.items() if k not in nested}, _without(schema, nested), where)
    for key in nested:
        if key not in values and key != "baselines":
            raise UsageError(f"{where}: {key} is missing; see conf/protocol for a protocol that is whole")
        filled[key] = values.get(key)
    return filled


def _without(schema: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: option for key, option in schema.items() if key not in keys}
