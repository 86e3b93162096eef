"""Answering by each readout: what is measured is what is said, and the page draws it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.bench.__main__ import main
from lab.bench.inference import Plan, answer
from lab.bench.memory import against_backprop
from lab.bench.tables import against_table, inference_table
from lab.trainers import ForwardForwardTrainer


def test_every_readout_answers_by_its_own_way(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int]] = []
    predict = ForwardForwardTrainer.predict_proba

    def recording(self: ForwardForwardTrainer, x: object) -> object:
        asked.append((self.answers_by, self.cost()["passes_per_prediction"]))
        return predict(self, x)  # type: ignore[arg-type]

    monkeypatch.setattr(ForwardForwardTrainer, "predict_proba", recording)
    found = answer(Plan(2, 16, 40, 2, 1, 1, (2, 4), 1, "digits"))
    assert asked == 3 * [("softmax", 1), ("shortlist", 3), ("shortlist", 5), ("goodness", 10)]
    passes = [row["passes_per_prediction"] for row in found["readouts"]]
    assert passes == [1, 1, 3, 5, 10] and all(row["rows_per_second"]["n"] == 2 for row in found["readouts"])
    flops = [row["flops_per_prediction"] for row in found["readouts"]]
    assert flops[1:] == sorted(flops[1:]) and len(inference_table(found).rows) == 5


def test_the_command_leaves_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inference", "--quick", "--threads", "1", "--out", str(tmp_path)]) == 0
    assert "shortlist of 2" in capsys.readouterr().out
    page, found = (tmp_path / "index.md").read_text(), json.loads((tmp_path / "inference.json").read_text())
    assert "Answering, apart from training" in page and (tmp_path / "inference.svg").exists()
    assert f"{100 * found['readouts'][-1]['accuracy']:.2f}" in page
    assert main(["inference", "--rounds", "0"]) == 2


def test_ratios_to_each_form_of_backprop() -> None:
    sizes = {"depth": 2, "width": 3, "batch": 4}
    counted = {
        "backprop": {"activations": 8, "readout": 0, "peak": 100},
        "backprop, lean": {"activations": 2, "readout": 0, "peak": 50},
        "forward-forward": {"activations": 4, "readout": 12, "peak": 75},
    }
    points = [{"variant": name, **sizes, "counted": of} for name, of in counted.items()]
    points.append({"variant": "backprop", **sizes, "depth": 1, "counted": {"activations": 1, "readout": 1, "peak": 1}})
    first, second = against_backprop(points, sizes)
    assert (first["against"], first["activations"], first["answering"], first["peak"]) == ("backprop", 0.5, 2.0, 0.75)
    assert (second["against"], second["activations"], second["answering"]) == ("backprop, lean", 2.0, 8.0)
    assert against_table([first, second]).rows == [["forward-forward", "0.500 (2.00)", "2.00 (8.00)"]]
