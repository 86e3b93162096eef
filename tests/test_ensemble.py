"""`lab ensemble`: the runs of a sweep over seeds, asked together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lab.app import main as lab
from lab.config import build, parse
from lab.data import load_dataset
from lab.ensemble import main
from lab.errors import DataError, UsageError
from lab.record.store import Store
from lab.run import run
from lab.trainers import Ensemble
from tests.sweep.conftest import raw_config, rows

__all__ = ["rows"]  # a fixture, used by name


def made(tmp_path: Path, **changes: Any) -> str:
    """A run as the store keeps it, made in this process."""
    config = parse(raw_config(tmp_path, imports=[], **{"trainer__name": "backprop", **changes}))
    record = run(config, checkpoint=tmp_path / "first.safetensors")
    folder = Store(config.runs).run(record.run_id)
    folder.write_config(record.run_id, config.as_dict())
    for path in tmp_path.glob("first*.safetensors"):
        path.replace(folder.path / path.name.replace("first", "checkpoint"))
    record.write(folder.record_path)
    return record.run_id


def test_runs_that_differ_by_their_seed_answer_together(
    rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = [made(tmp_path, seed=seed) for seed in (0, 1, 2)]
    alone = made(tmp_path, seed=0, model__width=9)
    forward = [made(tmp_path, seed=seed, trainer__name="forward_forward") for seed in (0, 1)]
    out = tmp_path / "found.json"
    assert lab(["ensemble", str(tmp_path / "runs"), "--out", str(out)]) == 0
    found = {entry["trainer"]: entry for entry in json.loads(out.read_text())}
    assert found["backprop"]["runs"] == ids and found["backprop"]["seeds"] == [0, 1, 2]
    assert found["forward_forward"]["runs"] == forward and alone not in out.read_text()
    data = load_dataset(str(rows))
    trainers = []
    for member, seed in zip(ids, (0, 1, 2), strict=True):
        config = parse(raw_config(tmp_path, imports=[], trainer__name="backprop", seed=seed))
        trainers.append(build(config).load(tmp_path / "runs" / member / "checkpoint.safetensors"))
    test = found["backprop"]["test"]
    assert test == json.loads(json.dumps(Ensemble(trainers).evaluate(data.test)))
    for member, entry in zip(ids, test["members"], strict=True):
        record = json.loads((tmp_path / "runs" / member / "record.json").read_text())
        assert entry["accuracy"] == record["final"]["test"]["accuracy"]
    table = capsys.readouterr().out.splitlines()
    assert table[0].split()[:4] == ["data", "network", "trainer", "members"] and len(table) == 3
    (line,) = [line for line in table if "  backprop  " in line]  # lines come in the order of ids
    assert f"{100 * test['error']:.3g} %" in line

    folders = [str(tmp_path / "runs" / name) for name in ids[:2]]
    assert main([*folders, folders[0], "--out", str(out)]) == 0  # named twice, it counts once
    assert json.loads(out.read_text())[0]["seeds"] == [0, 1]


def test_what_cannot_be_asked(rows: Path, tmp_path: Path) -> None:
    first, second = made(tmp_path, seed=0), made(tmp_path, seed=1, trainer__epochs=2)
    with pytest.raises(UsageError, match=r"no two finished runs in .* differ by their seed alone; make some with"):
        main([str(tmp_path / "runs" / name) for name in (first, second)])
    with pytest.raises(DataError, match="holds no finished run; name a run's folder, or the folder of all runs"):
        main([str(tmp_path / "nowhere")])
    made(tmp_path, seed=1)
    with np.load(rows) as arrays:
        np.savez(rows, x=arrays["x"] + 1, y=arrays["y"])
    with pytest.raises(DataError, match=r"the data of .*rows\.npz changed since run .* was made; run it again"):
        main([str(tmp_path / "runs")])
