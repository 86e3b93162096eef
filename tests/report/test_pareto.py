"""The figure of what is paid for accuracy: its front, its costs where times may not be compared, and its links."""

from __future__ import annotations

import itertools
import re
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from lab.report import load_records, make_report, svg
from lab.report.anchors import mean_anchor, run_anchor
from lab.report.figure import Figure
from lab.report.figures import make_figures
from lab.report.points_panel import stairs
from lab.report.style import SERIES
from tests.report import records
from tests.report.compared import make_comparison
from tests.report.conftest import Made
from tests.report.page import Page
from tests.report.records import make_record, write

NAME = f"{{{svg.SVG}}}"


def pareto(runs: Path, doubt: str = "") -> Figure:
    (figure,) = [f for f in make_figures(load_records(runs), doubt) if f.key == "pareto"]
    return figure


def marks(panel: ET.Element) -> dict[str, str]:
    """By tooltip, what each linked mark is filled with."""
    return {
        a.find(f"{NAME}title").text or "": a.find(f"{NAME}use").get("fill", "none")  # type: ignore[union-attr]
        for a in panel.iter(f"{NAME}a")
    }


def test_stairs_join_a_front_from_its_cheapest_point_to_its_best() -> None:
    assert stairs([(4, 1), (1, 3), (2, 2)], 9, 7) == [(1, 7), (1, 3), (2, 3), (2, 2), (4, 2), (4, 1), (9, 1)]
    assert stairs([(1, 3), (1, 3)], 2, 5) == [(1, 5), (1, 3), (1, 3), (1, 3), (2, 3)]
    assert stairs([], 9, 7) == []


def test_means_on_the_front_are_filled_and_the_others_hollow(whole: Made) -> None:
    time, memory = pareto(whole.runs).panels
    filled = {said.split(":")[0]: fill for said, fill in marks(time.element).items() if ", mean of 3" in said}
    assert len(filled) == 4
    blue = SERIES[0][1]
    assert [fill for said, fill in filled.items() if said.startswith("backprop")] == [blue, blue]
    assert {fill for said, fill in filled.items() if said.startswith("forward")} == {"none"}
    cheap = [fill for said, fill in marks(memory.element).items() if said.startswith("forward-forward, mlp 8x500")]
    assert cheap[0] == SERIES[1][1], "forward-forward pays less memory for what it reaches"
    assert "On the front: backprop, mlp 3x500 and backprop, mlp 8x500." in time.alt


def test_each_run_and_mean_says_what_it_is_and_leads_to_its_row(whole: Made) -> None:
    frame = load_records(whole.runs).runs
    runs = {run_anchor(run_id) for run_id in frame["run_id"]}
    means = {
        mean_anchor("MNIST", network, series) for network, series in zip(frame["network"], frame["series"], strict=True)
    }
    for panel in pareto(whole.runs).panels:
        assert {a.get("href", "")[1:] for a in panel.element.iter(f"{NAME}a")} == runs | means
    first = frame.iloc[0]
    said = f"backprop, mlp 3x500 on MNIST, seed 0: test error {100 * first['test_error']:.2f} %, "
    assert any(title.startswith(said) and title.endswith(" s") for title in marks(pareto(whole.runs).panels[0].element))
    rows = {a.get("id") for a in Page(whole.html).of("tr")}
    assert runs | means <= rows


def test_a_figures_own_file_leads_to_the_page(whole: Made) -> None:
    text = (whole.out / "figures" / "pareto.svg").read_text()
    assert set(re.findall(r'<a href="([^#"]*)#', text)) == {"../index.html"}


def test_operations_stand_for_times_that_may_not_be_compared(whole: Made) -> None:
    figure = pareto(whole.runs, "Times may not be compared: a reason.")
    assert "operations of training" in figure.panels[0].alt and "training time" not in figure.alt
    assert figure.notes[0].startswith("Times may not be compared: a reason. Operations of matrix products")
    assert pareto(whole.runs).notes == ()


def test_a_loaded_machine_is_such_a_reason(tmp_path: Path) -> None:
    for family in records.TRAINERS:
        record = make_record(family, epochs=2)
        record["measured"]["others_cores"] = 1.7
        write(tmp_path / "runs", record)
    page = make_report(tmp_path / "runs", tmp_path / "out").read_text()
    lead = page[page.index('class="lead"') : page.index("<nav")]
    assert "Times may not be compared: 2 runs of 2 shared the machine" in lead and "training time" not in lead


def test_so_is_a_protocol_without_times(tmp_path: Path) -> None:
    figure = pareto(make_comparison(tmp_path))
    assert "claims no times" in figure.notes[0] and "operations of training" in figure.alt


def test_the_costs_of_three_data_sets_stand_below_each_other(tmp_path: Path) -> None:
    for data, family in itertools.product(("mnist", "cifar10", "digits"), records.TRAINERS):
        write(tmp_path / "runs", make_record(family, data=data, epochs=2))
    figure = pareto(tmp_path / "runs")
    heads = [panel.alt.split(".")[0] for panel in figure.by_rows]
    assert (figure.stacked, figure.columns) == (True, 3)
    assert [head.split(" against ")[1] for head in heads] == ["training time"] * 3 + ["activation memory"] * 3
    assert [head.split(",")[0] for head in heads[:3]] == [head.split(",")[0] for head in heads[3:]]
    assert 'class="panels stacks rows2"' in make_report(tmp_path / "runs", tmp_path / "out").read_text()


def test_energy_is_a_cost_where_it_was_measured(tmp_path: Path) -> None:
    for family in records.TRAINERS:
        record = make_record(family, epochs=2)
        record["measured"]["energy_joules"] = 120.0
        write(tmp_path, record)
    assert [p.alt.split(" against ")[1].split(".")[0] for p in pareto(tmp_path).panels] == [
        "training time", "activation memory", "energy of training",
    ]  # fmt: skip
    assert [p.alt.split(" against ")[1].split(".")[0] for p in pareto(tmp_path, "A reason.").panels] == [
        "operations of training", "activation memory",
    ], "energy is measured beside what else the machine did"  # fmt: skip


def test_what_lacks_a_cost_is_named_and_one_alone_is_no_figure(tmp_path: Path) -> None:
    for family, network in (("backprop", "mlp 3x500"), ("forward_forward", "mlp 3x500"), ("backprop", "mlp 8x500")):
        record = make_record(family, network, epochs=2)
        if network == "mlp 8x500":
            record["memory"] = {}
        write(tmp_path / "runs", record)
    figure = pareto(tmp_path / "runs")
    assert "backprop, mlp 8x500 on MNIST" in figure.notes[0] and "mlp 8x500" not in figure.panels[1].alt
    write(tmp_path / "one", make_record())
    assert "pareto" not in {f.key for f in make_figures(load_records(tmp_path / "one"))}


def test_panels_of_one_data_set_share_their_scale_of_error(whole: Made, tmp_path: Path) -> None:
    def heights(panel: ET.Element) -> dict[str, str]:
        titled = [(a.find(f"{NAME}title"), a.find(f"{NAME}use")) for a in panel.iter(f"{NAME}a")]
        return {
            (t.text or "").split("%")[0]: use.get("y", "") for t, use in titled if t is not None and use is not None
        }

    time, memory = pareto(whole.runs).panels
    assert heights(time.element) == heights(memory.element)
    shutil.copytree(whole.runs, tmp_path / "runs")
    for seed in (0, 1):  # far worse, and in one panel alone
        record = make_record("feedback_alignment", seed=seed)
        record["final"]["test"] |= {"accuracy": 0.5, "error": 0.5}
        record["memory"] = {}
        write(tmp_path / "runs", record)
    time, memory = (heights(panel.element) for panel in pareto(tmp_path / "runs").panels)
    assert len(time) > len(memory) and memory.items() <= time.items()


@pytest.mark.parametrize("odd", ["a b", "\u202e", "x#y?", "../..", "\u00e4"])
def test_any_run_id_makes_an_id(odd: str) -> None:
    assert re.fullmatch(r"run-[A-Za-z0-9._-]+", run_anchor(odd))
    assert run_anchor("a_20_b") != run_anchor("a b")
