"""One process against several: what is measured, what the model says, and that the page holds both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lab.bench import parallel_model as model
from lab.bench.__main__ import main
from lab.bench.parallel import ways
from lab.bench.tables import machine_lines, prediction_table
from tests.bench.test_results import MACHINE
from tests.bench.tools import work


def test_ways_share_the_threads_that_serial_work_has_alone() -> None:
    found = {way.name: way.work.threads for way in ways(work("backprop", threads=2))}
    assert found == {"serial-1": 1, "serial-2": 2, "data-parallel": 2, "staged-2": 2, "staged-4": 2}
    assert [way.name for way in ways(work("forward_forward", threads=1))] == ["serial-1", "layer-parallel"]


def test_balanced_blocks_scale_and_the_heaviest_share_decides() -> None:
    assert model.layer_parallel([1.0] * 8, 4, 0.0) == pytest.approx(4)
    assert model.layer_parallel([1.0] * 4, 8, 0.0) == pytest.approx(4)  # four of eight devices idle
    assert model.layer_parallel([1.0, 3.0], 2, 0.0) == pytest.approx(4 / 3)
    assert model.layer_parallel([2.0, 2.0], 2, 0.5) == pytest.approx(4 / 2.5)  # the first hands over
    assert model.layer_parallel([2.0, 2.5], 2, 0.5) == pytest.approx(4.5 / 2.5)  # the last does not


def test_a_pipeline_pays_for_its_bubble_and_data_parallel_for_the_exchange() -> None:
    assert model.staged(8.0, [1.0] * 4, 4, 4, 0.0) == pytest.approx(4 * 4 / 7)
    assert model.staged(8.0, [1.0] * 4, 1, 4, 9.0) == pytest.approx(1)
    assert model.staged(8.0, [1.0] * 4, 2, 10**6, 1.0) == pytest.approx(8 / 5, rel=1e-4)
    assert model.data_parallel(8.0, 4, 0.0) == pytest.approx(4)
    assert model.data_parallel(8.0, 2, 1.0) == pytest.approx(8 / 5)


def test_deeper_networks_have_inner_blocks_like_the_measured_ones() -> None:
    places = {"block1": 1.0, "block2": 4.0, "block3": 5.0, "block4": 6.0, "head": 0.9}
    assert model.layer_costs(places, 4) == pytest.approx([1, 4, 5, 6.9])
    assert model.layer_costs(places, 7) == pytest.approx([1, 5, 5, 5, 5, 5, 5 + 1.8])


def test_others_on_the_machine_are_told() -> None:
    result: dict[str, Any] = {"kind": "parallel", "started": "then", "finished": "now", "versions": {"lab": "1"}}
    quiet = machine_lines({**result, "machine": {**MACHINE, "others": 0.02, "anew": 0, "load_average": [9.0, 0, 0]}})
    busy = machine_lines({**result, "machine": {**MACHINE, "others": 0.7, "anew": 3}})
    assert quiet[1].endswith("other processes kept at most 0.02 of 2 cores busy.")
    assert "0.70 of 2 cores busy (3 disturbed turns were made anew); the times say little" in busy[1]


def test_it_is_measured_and_saved(tmp_path: Path) -> None:
    assert main(["parallel", "--quick", "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "parallel.json").read_text())
    assert [[s["status"] for s in case["subjects"]] for case in found["cases"]] == [["ok"] * 5, ["ok"] * 3]
    assert {p["devices"] for p in found["predictions"]} == {2} and found["copy_bytes_per_second"] > 0
    layer = next(p for p in found["predictions"] if p["method"] == "layer-parallel" and p["depth"] == 4)
    assert 1 < layer["speed_up"] <= 2
    assert {p.name for p in tmp_path.iterdir()} == {"parallel.json", "parallel.svg", "parallel.png", "index.md"}
    page = (tmp_path / "index.md").read_text()
    rows = {row[0]: row for row in prediction_table(found).rows}
    assert all(row[0] in page for row in rows.values()) and "Aktemur" in page
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    assert main(["report", "--out", str(tmp_path)]) == 0
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before
