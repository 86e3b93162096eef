"""The table of these tests: counts of the long mode alone, times of both."""

from __future__ import annotations

import json
from pathlib import Path

from tools.reliability import main


def test_the_long_mode_is_counted_and_the_short_one_timed(tmp_path: Path) -> None:
    results = tmp_path / "results"
    (results / "short").mkdir(parents=True)
    found = {"test": "kills", "version": "1", "long": True, "seconds": 100.0, "kills": 1500}
    (results / "kills[0].json").write_text(json.dumps(found))
    (results / "kills[1].json").write_text(json.dumps({**found, "seconds": 20.0}))
    (results / "short" / "kills.json").write_text(json.dumps({**found, "long": False, "seconds": 7.0, "kills": 5}))
    assert main([str(results), str(tmp_path / "out")]) == 0
    text = (tmp_path / "out" / "index.md").read_text()
    assert "120 seconds for the long mode and 7 seconds for the short mode" in text
    assert "| kills | all | 3,000 kills | 120.0 |" in text and "| kills | 3,000 |" in text and "sample |" not in text


def test_results_of_two_versions_and_of_none_are_refused(tmp_path: Path) -> None:
    assert main([str(tmp_path), str(tmp_path / "out")]) == 2
    for version in ("1", "2"):
        found = {"test": "kills", "version": version, "long": True, "seconds": 1.0}
        (tmp_path / f"{version}.json").write_text(json.dumps(found))
    assert main([str(tmp_path), str(tmp_path / "out")]) == 2 and not (tmp_path / "out").exists()


def test_what_is_left_over_stands_first(tmp_path: Path) -> None:
    found = {"version": "1", "long": True, "seconds": 1.0}
    (tmp_path / "a.json").write_text(
        json.dumps({**found, "test": "faults", "faults injected": 9, "runs that ended equal": 7})
    )
    (tmp_path / "b.json").write_text(json.dumps({**found, "test": "kills", "kills": 3, "runs that ended equal": 4}))
    (tmp_path / "c.json").write_text(
        json.dumps(
            {**found, "test": "damage", "corruptions tried": 5, "corruptions detected": 4, "inputs that ran code": 1}
        )
    )
    assert main([str(tmp_path), str(tmp_path / "out")]) == 0
    text = (tmp_path / "out" / "index.md").read_text()
    assert text.index("has to be none") < text.index("| faults |")
    for what, count in (("after a fault", 2), ("not detected", 1), ("ran code", 1), ("wrote a file", 0)):
        assert f"{what} | {count} |" in text
