"""`lab ensemble FOLDER ...`: runs that differ by their seed alone, asked together.

Runs are grouped by all of their config but the seed. Of each group the final weights are loaded, their probabilities
(or predicted numbers) averaged, and the test rows answered. So a sweep over seeds is an ensemble as it is:

    lab -m seed=0,1,2,3,4 trainer=backprop,forward_forward
    lab ensemble runs
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.config import RunConfig, build, parse
from lab.data import Dataset, load_dataset
from lab.errors import DataError, UsageError
from lab.record import storage
from lab.record.record import RunRecord
from lab.record.store import RunFolder, Store
from lab.trainers.ensemble import Ensemble

COLUMNS = ("data", "network", "trainer", "members", "figure", "each alone", "together")


@dataclass(frozen=True)
class Member:
    """One run that ended well, and whose final weights are here."""

    folder: RunFolder
    record: RunRecord
    raw: dict[str, Any]


def main(argv: list[str]) -> int:
    """Do what the arguments ask. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="lab ensemble", description="Runs of several seeds, asked together.")
    parser.add_argument("folders", nargs="+", type=Path, help="run folders, or a folder of them such as runs")
    parser.add_argument("--out", type=Path, help="write all figures to this file as JSON")
    parser.add_argument("--imports", default="", help="modules of your own that the runs need: my_parts,others")
    chosen = parser.parse_args(argv)
    imports = [module for module in chosen.imports.split(",") if module]
    groups = [group for group in grouped(members(chosen.folders)) if len(group) > 1]
    if not groups:
        raise UsageError(
            f"no two finished runs in {', '.join(map(str, chosen.folders))} differ by their seed alone; "
            "make some with lab -m seed=0,1,2"
        )
    found = [asked_together(group, imports) for group in groups]
    print(_table([COLUMNS, *(_row(entry) for entry in found)]))
    if chosen.out is not None:
        storage.write_json_atomic(chosen.out, found)
    return 0


def members(folders: Iterable[Path]) -> list[Member]:
    """The runs in these folders that ended ok and have their weights. Raises DataError where a folder is none."""
    found = []
    for path in folders:
        inside = [Store(path).run(run_id) for run_id in Store(path).ids()]
        for folder in inside or [RunFolder(path)]:
            record = folder.record()
            if record is None and not inside:
                raise DataError(f"{path} holds no finished run; name a run's folder, or the folder of all runs")
            if record is not None and record.status == "ok" and folder.checkpoint.exists():
                found.append(Member(folder, record, folder.read_config()[1]))
    return found


def grouped(found: Iterable[Member]) -> list[list[Member]]:
    """Members whose configs and data are equal but for the seed, by seed; a run named twice counts once."""
    groups: dict[str, dict[str, Member]] = {}
    for member in found:
        facts = {key: value for key, value in member.record.config.items() if key != "seed"}
        key = json.dumps([facts, member.record.data.get("digest")], sort_keys=True)
        groups.setdefault(key, {})[member.record.run_id] = member
    return [sorted(group.values(), key=lambda member: int(member.record.config["seed"])) for group in groups.values()]


def asked_together(group: list[Member], imports: Iterable[str] = ()) -> dict[str, Any]:
    """What a group's ensemble and its members answer on the test rows."""
    configs = [parse({**member.raw, "imports": list(imports)}) for member in group]
    data = _data(configs[0], group[0].record)
    trainers = [build(config).load(m.folder.checkpoint) for config, m in zip(configs, group, strict=True)]
    return {
        "data": data.name,
        "network": group[0].record.network.get("label", ""),
        "trainer": configs[0].trainer["name"],
        "runs": [member.record.run_id for member in group],
        "seeds": [config.seed for config in configs],
        "test": Ensemble(trainers).evaluate(data.test),
    }


def _data(config: RunConfig, record: RunRecord) -> Dataset:
    data = load_dataset(config.data["name"], **config.data_options)
    if data.digest != record.data.get("digest"):
        raise DataError(f"the data of {config.data['name']} changed since run {record.run_id} was made; run it again")
    return data


def _row(entry: dict[str, Any]) -> tuple[str, ...]:
    test = entry["test"]
    name, scale, unit = ("error", 100, " %") if "error" in test else ("rmse", 1, "")
    alone = [member[name] * scale for member in test["members"]]
    middle = f"{statistics.fmean(alone):.3g}{unit} ({min(alone):.3g} to {max(alone):.3g})"
    together = f"{test[name] * scale:.3g}{unit}"
    return (
        Path(entry["data"]).stem,
        entry["network"],
        entry["trainer"],
        str(len(alone)),
        f"test {name}",
        middle,
        together,
    )


def _table(lines: list[tuple[str, ...]]) -> str:
    widths = [max(len(line[i]) for line in lines) for i in range(len(COLUMNS))]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in lines)
