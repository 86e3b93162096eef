"""From times to JSON, tables, figures and a page; nothing in them that the JSON does not hold."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from lab.bench import scaling, speed
from lab.bench.__main__ import main
from lab.bench.memory import VARIANTS, Grid, sweep
from lab.bench.output import render, save
from lab.bench.tables import FAMILY_NAMES, case_sentences, case_table, machine_lines, mib
from lab.bench.work import FAMILIES, subjects
from lab.errors import DataError, StorageError, UsageError
from lab.record import storage
from tests.bench.tools import work

MACHINE = {"cpu": "a processor", "cores": 2, "platform": "an_os", "python": "3.11", "numpy": "2", "blas": "a library",
           "kernels": "numpy", "load_average": 0.1}  # fmt: skip
MEMORY = {"activations": 3 * 2**20, "readout": 2**20, "transient": 5 * 2**20}


def case(family: str = "forward_forward") -> dict[str, Any]:
    """A case as if it had been measured: ours 10 ms, the plain form 15, by hand 12, one that failed."""
    wanted = work(family)
    entries = subjects(wanted, ("lab", "torch-plain", "torch-fused", "torch-compiled", "gemm-numpy"))
    turns = {"lab": [[0.010] * 3, [0.020] * 3], "torch-plain": [[0.015] * 3, [0.030] * 3],
             "torch-fused": [[0.012] * 3, [0.022] * 3], "torch-compiled": [[], []],
             "gemm-numpy": [[0.008] * 3] * 2}  # fmt: skip
    facts: dict[str, Any] = {name: {"memory": MEMORY, "process_peak_bytes": 7 * 2**20} for name in turns}
    facts["lab"] |= {"cost": {"flops_per_step": 8e6}, "environment": MACHINE}
    facts["gemm-numpy"] = {"flops": 4e6, "memory": {}}
    return speed._summed_up(wanted, entries, turns, facts, {"torch-compiled": "no compiler"})


def result(**more: Any) -> dict[str, Any]:
    return {
        "schema": 1, "kind": "speed", "started": "then", "finished": "now", "machine": MACHINE, "cases": [case()],
        "versions": {"lab": "1"}, "plan": {"steps": 3, "warm_up": 1, "rounds": 2, "repeats": 1}, **more,
    }  # fmt: skip


def test_what_follows_from_the_times() -> None:
    found = case()
    by_name = {s["name"]: s for s in found["subjects"]}
    assert by_name["torch-plain"]["ratio"] == {"median": 1.5, "low": 1.5, "high": 1.5, "n": 2}
    assert by_name["torch-fused"]["ratio"]["median"] == pytest.approx((1.2 + 1.1) / 2)
    assert found["best_rival"] == "torch-fused"
    assert found["gemm_flops_per_second"] == {"gemm-numpy": pytest.approx(5e8)}
    assert found["floor_seconds"] == pytest.approx(0.016)  # twice the products that were timed
    assert by_name["lab"]["share_of_floor"] == pytest.approx(0.016 / 0.015)
    assert by_name["lab"]["samples_per_second"] == pytest.approx(20 / 0.015)
    assert by_name["lab"]["ratio"] is None and by_name["gemm-numpy"]["ratio"] is None
    assert (by_name["torch-compiled"]["status"], by_name["torch-compiled"]["reason"]) == ("failed", "no compiler")


def test_tables_and_sentences_say_it() -> None:
    found = case()
    rows = {row[0]: row for row in case_table(found).rows}
    assert rows["this lab"][1] == "15.0 (10.0 to 20.0)"
    assert rows["PyTorch, one backward for all blocks"][3] == "1.50 (1.50 to 1.50)"
    assert rows["this lab"][5:] == ["7.00", "3.00", "1.00", "5.00"]
    assert len(rows) == 4
    said = " ".join(case_sentences(found))
    assert "by hand (the fastest of its forms): 1.15 (1.10 to 1.20) times" in said
    assert "torch.compile, since no compiler" in said
    assert "0.00800 GFLOP" in said and "16.0 ms at the best" in said


def test_without_ours_or_a_floor_the_rest_is_told() -> None:
    wanted = work("backprop")
    entries = subjects(wanted, ("lab", "torch"))
    found = speed._summed_up(wanted, entries, {"lab": [[]], "torch": [[0.1]]}, {"lab": {}, "torch": {}}, {"lab": "why"})
    assert found["floor_seconds"] is None and found["subjects"][1]["ratio"] is None
    assert case_sentences(found) == ["Not measured: this lab, since why."]
    assert len(case_table(found).rows) == 1


def test_a_busy_machine_is_named() -> None:
    assert len(machine_lines(result())) == 1
    busy = machine_lines(result(machine={**MACHINE, "load_average": [1.7, 0, 0]}))
    assert "load 1.70 on 2 cores" in busy[1]


def test_the_order_of_turns_moves_on() -> None:
    entries = subjects(work("backprop"))
    orders = [[e.name for e in speed._moved(entries, turn)] for turn in range(len(entries))]
    assert sorted(order[0] for order in orders) == sorted(e.name for e in entries)
    assert all(sorted(order) == sorted(orders[0]) for order in orders)


def test_sides_are_measured_and_saved(tmp_path: Path) -> None:
    arguments = ["--quick", "--families", "forward_forward", "--subjects", "lab,gemm-numpy", "--threads", "1"]
    assert main([*arguments, "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "speed.json").read_text())
    (only,) = found["cases"]
    assert [s["status"] for s in only["subjects"]] == ["ok", "ok"]
    assert [len(turn) for s in only["subjects"] for turn in s["turns"]] == [3, 3, 3, 3]
    assert only["flops_per_step"] == only["subjects"][1]["facts"]["flops"]
    assert found["machine"]["cpu"] and found["versions"]["lab"]
    assert {p.name for p in tmp_path.iterdir()} == {"speed.json", "speed.svg", "speed.png", "index.md"}
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    assert main(["report", "--out", str(tmp_path)]) == 0
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_how_time_grows_is_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told = {"network": {"parameters": 0}, "cost": {"flops_per_step": 1}, "environment": MACHINE}

    class Made:
        """A side whose step takes 1 ms for each layer and each 100 units."""

        failure = ""

        def __init__(self, entry: Any, wanted: Any) -> None:
            self.network = wanted.network

        def __enter__(self) -> Made:
            return self

        def __exit__(self, *error: object) -> None:
            pass

        def turn(self, steps: int, warm_up: int) -> list[float]:
            return [1e-5 * self.network["depth"] * self.network["width"]] * steps

        def facts(self, memory: bool) -> dict[str, Any]:
            return {**told, "network": {"parameters": self.network["width"] * 7}}

    monkeypatch.setattr(scaling, "Side", Made)
    monkeypatch.setattr(scaling, "_SETTLE", 0)
    found = scaling.grow(scaling.Plan(2, 100, (1, 2, 4), (50, 100), (400, 800), batch=20, steps=2, repeats=2))
    assert len(found["points"]) == 2 * 7
    fits = {(f["family"], f["axis"]): f for f in found["fits"]}
    assert fits.keys() == {(f, a) for f in FAMILIES for a in ("samples", "depth", "parameters")}
    assert all(f["exponent"] == pytest.approx(1) and f["r2"] == pytest.approx(1) for f in fits.values())
    assert fits["backprop", "depth"]["slope"] == pytest.approx(1e-3)
    assert fits["backprop", "samples"]["slope"] == pytest.approx(2e-3 / 20)
    assert fits["backprop", "parameters"]["slope"] == pytest.approx(2e-5 / 7)
    save(found, tmp_path)
    assert "straight line" in (tmp_path / "index.md").read_text()


def test_memory_is_counted_drawn_and_told(tmp_path: Path) -> None:
    found = sweep(Grid((3, 6), (32, 64), (10, 20), [v for v in VARIANTS if v.name in FAMILY_NAMES.values()]))
    assert len(found["points"]) == 16
    by = {(e["variant"], e["axis"], e["kind"]): e["exponent"] for e in found["exponents"]}
    assert by["forward-forward", "depth", "activations"] == pytest.approx(0, abs=0.01)
    assert by["backprop", "depth", "activations"] > 0.3
    save(found, tmp_path)
    page = (tmp_path / "index.md").read_text()
    assert mib(found["points"][-1]["counted"]["activations"]) in page
    assert page.index("backprop") < page.index("by the model") < page.index("forward-forward |")


def test_the_page_holds_both_results_and_valid_figures(tmp_path: Path) -> None:
    save(result(), tmp_path)
    page = (tmp_path / "index.md").read_text()
    assert page.startswith("# Side by side with PyTorch\n")
    assert "![Time of a step](speed.svg)" in page
    assert "FIGURE" not in page
    assert ET.parse(tmp_path / "speed.svg").getroot().get("role") == "img"
    assert (tmp_path / "speed.png").read_bytes()[:4] == b"\x89PNG"


def test_markup_in_a_reason_is_shown_as_text(tmp_path: Path) -> None:
    shown = result()
    shown["cases"][0]["subjects"][3]["reason"] = "<b>*bold*</b> | `code`"
    save(shown, tmp_path)
    page = (tmp_path / "index.md").read_text()
    assert "<b>" not in page and r"\*bold\*" in page


def test_a_result_of_another_kind_or_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no result"):
        render(tmp_path)
    for wrong in (result(schema=2), result(kind="memory"), [1]):
        (tmp_path / "speed.json").write_text(json.dumps(wrong))
        with pytest.raises(DataError, match=r"speed\.json is no speed result"):
            render(tmp_path)


def test_a_full_disk_leaves_the_old_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(result(), tmp_path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}

    class Full(storage.Disk):
        def write(self, descriptor: int, data: Any) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage, "disk", Full())
    with pytest.raises(StorageError, match="No space left"):
        save(result(started="later"), tmp_path)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["sped"], "did you mean 'speed'?"),
        (["--subjects", "torch-fusd"], "did you mean 'torch-fused'?"),
        (["--families", "backpropp"], "did you mean 'backprop'?"),
        (["--threads", "0"], "--threads: '0' is not a whole number of at least 1"),
        (["--steps", "0"], "--steps: '0' is not a whole number of at least 1"),
        (["--warm-up", "-1"], "--warm-up: '-1' is not a whole number"),
        (["--sizes", "4x"], "'4x' is not a list of depth x width such as 4x2000,3x1000"),
        (["--sizes", "4,2"], "'4,2' is not a list of depth x width"),
        (["--data", "mnits"], "did you mean 'mnist'?"),
        (["--rows", "60", "--batch", "100"], "60 rows of mnist make no batch of 100"),
        (["--rwos", "60"], "unrecognized arguments: --rwos 60; `python -m lab.bench speed --help` lists"),
        (["layers", "--steps", "0"], "--steps: '0'"),
        (["scaling", "--repeats", "x"], "--repeats: 'x'"),
        (["inference", "--shortlists", "2,0"], "--shortlists: '0'"),
        (["parallel", "--rounds", "0"], "--rounds: '0'"),
        (["memory", "--depths", "2,-1"], "--depths: '-1'"),
        (["memory", "--quick", "--out", "setup.py/here"], "cannot make the folder setup.py/here"),
    ],
)
def test_a_mistake_is_one_sentence_before_anything_is_measured(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "setup.py").write_text("")
    assert main(arguments) in (2, 66, 74)
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


@pytest.mark.parametrize(("quick", "folder"), [(["--quick"], "build/bench"), ([], "reports/mine/memory")])
def test_a_quick_try_does_not_take_the_place_of_what_was_measured(
    quick: list[str], folder: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    saved: list[Path] = []
    monkeypatch.setattr("lab.bench.output.save", lambda result, folder: saved.append(folder))
    assert main(["memory", "--depths", "2,4", "--widths", "8,9", "--batches", "4,5", *quick]) == 0
    assert saved == [Path(folder)]


def test_a_machine_that_no_side_told_of_is_said_to_be_unknown() -> None:
    shown = result()
    shown["machine"] = {}
    assert machine_lines(shown) == ["The machine was not recorded: this lab's own side could not be measured."]
