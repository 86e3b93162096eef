"""Figures: readable, escaped, told apart, and a sentence where there is nothing to draw."""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
import pytest
from PIL import Image

from lab.report import svg
from lab.report.anchors import mean_anchor
from lab.report.figure import MOST_MARKS, Figure, Look, few
from lab.report.figures import KEYS, OPTIONAL, make_figures
from lab.report.figures_of_rows import accuracy
from lab.report.lines_panel import lines_panel, log_ticks
from lab.report.load import load_records
from lab.report.numbers import plain
from lab.report.panel import Panel, fit, round_ticks, text_width
from lab.report.rows_panel import Row, rows_panel
from lab.report.style import COLOURS, SMALL, WIDTH, series_style, styled
from tests.report import records
from tests.report.conftest import Made
from tests.report.records import make_record, write

NAME = f"{{{svg.SVG}}}"


def boxes(panel: Panel) -> list[tuple[str, float, float, float, float]]:
    """Text, left, top, right and bottom of each text of a panel, in the font that it was measured with."""
    found = []
    for element in panel.element.iter(f"{NAME}text"):
        size = float(element.get("font-size", "0"))
        text, weight = element.text or "", element.get("font-weight", "normal")
        width = text_width(text, size, "bold" if weight in ("bold", "700") else "normal")
        x, y = float(element.get("x", "nan")), float(element.get("y", "nan"))
        left = {"middle": x - width / 2, "end": x - width}.get(element.get("text-anchor", "start"), x)
        found.append((text, left, y - 0.75 * size, left + width, y + 0.2 * size))
    return found


def assert_readable(figure: Figure) -> None:
    for panel in [*figure.panels, *([figure.legend] if figure.legend else [])]:
        width, height = svg.size(panel.element)
        assert width == WIDTH
        found = boxes(panel)
        assert found
        for text, left, top, right, bottom in found:
            assert left >= -0.5 and right <= width + 0.5 and top >= -0.5 and bottom <= height + 0.5, text
        for (a, *p), (b, *q) in itertools.combinations(found, 2):
            apart = p[2] <= q[0] or q[2] <= p[0] or p[3] <= q[1] or q[3] <= p[1]
            assert apart, f"{a!r} and {b!r} overlap in {figure.key}"


def drawn(runs: Path) -> dict[str, Figure]:
    return {f.key: f for f in make_figures(load_records(runs))}


def many(runs: Path) -> None:
    for family, rate, seed in itertools.product(
        ("backprop", "forward_forward", "feedback_alignment"), (0.01, 0.003, 0.00001), (0, 1)
    ):
        record = make_record(family, seed=seed, epochs=40)
        record["config"]["optimizer"]["learning_rate"] = rate
        record["network"]["label"] = "a network whose name goes on and on, since somebody wrote all its options into it"
        if rate == 0.003:
            record["measured"]["samples_per_second"] *= 1e4
            for epoch in record["measured"]["epochs"]:
                epoch["train_seconds"] *= 1e5
        write(runs, record, f"{family}-{rate}-{seed}")


def single(runs: Path) -> None:
    write(runs, make_record())


def regression(runs: Path) -> None:
    for family in records.TRAINERS:
        write(runs, make_record(family, data="diabetes", task="regression"))


def tiny(runs: Path) -> None:
    """Errors of zero, times and sizes far below one."""
    for family, seed in itertools.product(records.TRAINERS, (0, 1)):
        record = make_record(family, seed=seed)
        record["final"]["test"] |= {"accuracy": 1.0, "error": 0.0}
        record["memory"] = dict.fromkeys(("weights", "activations", "peak"), 1)
        record["measured"]["seconds"] = dict.fromkeys(record["measured"]["seconds"], 1e-09)
        write(runs, record)


@pytest.mark.parametrize("fill", [many, single, regression, tiny])
def test_no_text_overlaps_or_is_cut(tmp_path: Path, fill: Any) -> None:
    fill(tmp_path)
    figures = drawn(tmp_path)
    assert set(figures) - set(OPTIONAL) == set(KEYS)
    for figure in figures.values():
        if not figure.missing:
            assert_readable(figure)


def test_the_end_of_each_curve_leads_to_the_means_that_it_is_of(whole: Made) -> None:
    figures = drawn(whole.runs)
    for key, said in (
        ("curves_epochs", "validation error"),
        ("curves_seconds", "% after the"),
        ("blocks", "last block"),
    ):
        for panel, network in zip(figures[key].panels, ("mlp 3x500", "mlp 8x500"), strict=True):
            ends = {a.get("href", ""): a.findtext(f"{NAME}title") or "" for a in panel.element.iter(f"{NAME}a")}
            marks = [float(mark.get("x", "nan")) for mark in panel.element.iter(f"{NAME}use")]
            linked = [float(m.get("x", "nan")) for a in panel.element.iter(f"{NAME}a") for m in a.iter(f"{NAME}use")]
            assert (
                len(linked) == 2 and linked[-1] == max(marks) and min(linked) > sorted(set(marks))[len(set(marks)) // 2]
            )
            series = ("backprop", "forward-forward")
            assert list(ends) == ["#" + mean_anchor("MNIST", network, name) for name in series], key
            assert all(t.startswith(f"{name}, {network} on MNIST, mean of 3: ") for t, name in
                       zip(ends.values(), series, strict=True)) and all(said in t for t in ends.values())  # fmt: skip


@pytest.fixture(scope="module")
def figures(whole: Made) -> dict[str, Figure]:
    return drawn(whole.runs)


def test_the_whole_report_is_readable_and_has_every_figure(whole: Made, figures: dict[str, Figure]) -> None:
    for key, figure in figures.items():
        assert not figure.missing and figure.caption
        assert_readable(figure)
        root = ET.parse(whole.out / "figures" / f"{key}.svg").getroot()
        assert float(root.get("width", "0")) == pytest.approx(float(root.get("viewBox", "").split()[2]))
        with Image.open(whole.out / "figures" / f"{key}.png") as picture:
            assert picture.width > 800 and len(picture.getcolors(2**20) or []) > 10


def test_a_figure_without_numbers_says_why(tmp_path: Path) -> None:
    record = make_record()
    record["history"], record["memory"], record["measured"] = [], {}, {}
    record["final"]["test"].pop("blocks"), record["final"]["valid"].pop("blocks")
    write(tmp_path, record)
    figures = drawn(tmp_path)
    assert not figures["accuracy"].missing
    assert all(figures[k].missing.startswith("No run recorded") and not figures[k].panels for k in KEYS[1:])


def test_a_network_without_numbers_is_named(tmp_path: Path) -> None:
    for network in records.NETWORKS:
        record = make_record(network=network)
        if network == "mlp 8x500":
            record["history"] = []
        write(tmp_path, record)
    curves = drawn(tmp_path)["curves_epochs"]
    assert len(curves.panels) == 1 and "mlp 8x500 on MNIST" in curves.notes[0]


def test_no_result_at_all_is_one_sentence(tmp_path: Path) -> None:
    write(tmp_path, make_record(status="diverged"))
    (figure,) = make_figures(load_records(tmp_path))
    assert "nothing to draw" in figure.missing


def test_validation_accuracy_of_blocks_stands_in_for_the_test_set(tmp_path: Path) -> None:
    record = make_record()
    del record["final"]["test"]["blocks"]
    write(tmp_path, record)
    assert "validation set" in drawn(tmp_path)["blocks"].caption


def test_formulas_and_markup_in_labels_stay_text(tmp_path: Path) -> None:
    label = r"$\frac{1}{0}$ <script>&amp; \u202e"
    record = make_record()
    record["network"]["label"] = label
    write(tmp_path, record)
    panel = drawn(tmp_path)["accuracy"].panels[0]
    texts = [e.text for e in panel.element.iter(f"{NAME}text")]
    assert any(t and t.startswith(r"$\frac{1}{0}$ <script>&amp;") for t in texts)
    assert "&lt;script&gt;" in svg.inline(panel.element, panel.alt)


def test_panels_carry_no_style_and_their_own_ids(figures: dict[str, Figure]) -> None:
    seen: set[str] = set()
    classes = {f"{kind}-{name}" for kind in "fs" for name, _, _ in COLOURS}
    for panel in [p for f in figures.values() for p in [*f.panels, *([f.legend] if f.legend else [])]]:
        ids = [e.get("id") for e in panel.element.iter() if e.get("id")]
        assert not seen & set(ids) and len(ids) == len(set(ids))
        seen |= set(ids)
        text = svg.inline(panel.element, panel.alt)
        assert "style" not in text and "<metadata" not in text
        used = set(re.findall(r'(?:xlink:href="#|url\(#)([^")]+)', text))
        assert used == set(ids)
        assert {c for e in panel.element.iter() for c in e.get("class", "").split()} - {"panel"} <= classes


def test_every_colour_has_a_light_and_a_dark_value(figures: dict[str, Figure]) -> None:
    known = {light for _, light, _ in COLOURS}
    for figure in figures.values():
        for panel in figure.panels:
            for element in panel.element.iter():
                for kind in ("fill", "stroke"):
                    value = element.get(kind, "none")
                    assert value in known or value == "none", value


def test_series_differ_in_colour_or_marker() -> None:
    assert len({series_style(i) for i in range(40)}) == 40
    assert len({series_style(i)[0] for i in range(8)}) == 8


def test_drawing_leaves_the_callers_settings_alone(whole: Made, figures: dict[str, Figure]) -> None:
    before = mpl.rcParams.copy()
    with mpl.rc_context({"font.size": 40.0, "axes.facecolor": "red", "text.usetex": True}):
        with styled():
            theirs = [svg.inline(p.element, p.alt) for p in accuracy(Look(load_records(whole.runs))).panels]
        assert mpl.rcParams["font.size"] == 40.0
    assert all(mpl.rcParams[k] == before[k] for k in set(before) - {"backend"})  # which is found out when asked for
    assert theirs == [svg.inline(p.element, p.alt) for p in figures["accuracy"].panels]


def test_older_matplotlibs_font_shorthand_is_understood() -> None:
    source = (
        f'<svg xmlns="{svg.SVG}" viewBox="0 0 360 20"><text style="font: bold 11px \'DejaVu Sans\'; text-anchor: '
        'middle; fill: #1f2023" x="1.23456" transform="rotate(-0 1 2)">a</text></svg>'
    )
    (text,) = svg.clean(source.encode(), "p")
    assert text.attrib == {
        "x": "1.23", "font-size": "11", "font-weight": "bold", "text-anchor": "middle", "fill": "#1f2023",
        "class": "f-ink",
    }  # fmt: skip


@pytest.mark.parametrize(("low", "high"), [(1.5, 8.0), (0.9, 90.0), (2.0, 2.6), (0.001, 1000.0)])
def test_a_log_axis_has_a_few_round_ticks(low: float, high: float) -> None:
    ticks = log_ticks(low, high)
    assert 3 <= len(ticks) <= 9 and all(low <= t <= high for t in ticks)


def test_labels_are_cut_to_their_room() -> None:
    cut = fit("forward-forward (learning_rate=0.003)", 100)
    assert text_width(cut) <= 100 and cut.endswith("0.003)")
    assert fit("short", 100) == "short"


@pytest.mark.parametrize("high", [0.03, 7.0, 1234.0, 9_876_543.0])
@pytest.mark.parametrize("width", [60.0, 150.0, 340.0])
def test_ticks_keep_their_distance(high: float, width: float) -> None:
    ticks = round_ticks(0, high, width, 6)
    ends = [(t / high * width, text_width(plain(t), SMALL) / 2) for t in ticks]
    assert ticks and all(b - a >= p + q + 8 for (a, p), (b, q) in itertools.pairwise(ends))
    assert all(a - p >= -6 and a + p <= width + 6 for a, p in ends)


def test_a_long_label_takes_the_room_of_its_value() -> None:
    with styled():
        rows = [
            Row(f"{name} with some option=1", "12,345 \u00b1 678/s, 3 rows each", "12,300/s")
            for name in ("a", "b" * 18)
        ]
        panel = rows_panel("p", "t", "s", {"g": rows}, "", from_zero=True)
    texts = [e.text for e in panel.element.iter(f"{NAME}text")]
    assert "12,345 \u00b1 678/s, 3 rows each" in texts and "12,300/s" in texts
    assert f"{'b' * 18} with some option=1" in texts


def test_each_series_has_its_own_look_and_backprop_the_first(whole: Made) -> None:
    look = Look(load_records(whole.runs))
    assert look.styles == {"backprop": series_style(0), "forward-forward": series_style(1)}
    assert look.mean == "the mean over 3 seeds" and look.label("backprop", 3) == "backprop"


def test_a_mean_on_a_log_scale_is_that_of_the_values(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Any] = []
    monkeypatch.setattr("lab.report.lines_panel.finish", lambda canvas, *_: drawn.extend(canvas.axes))
    rows = pd.DataFrame({"series": "a", "epoch": [1, 1, 2, 2], "shown": [1.0, 100.0, 0.0, 8.0]})
    lines_panel(
        "p", "title", "subtitle", rows, {"a": ("#000000", "o")}, "alt", x="epoch", y="shown", label="epochs",
        limits=(1.0, 100.0), log=True, bars=False, band=lambda values: (values.min(), values.max()),
    )  # fmt: skip
    assert drawn[0].get_yscale() == "log"
    assert drawn[0].lines[0].get_ydata().tolist() == [50.5, 4.0]


def test_marks_of_very_many_seeds_are_few() -> None:
    """The least, the largest and the middle stay; few seeds are all drawn, in their order."""
    rows = pd.DataFrame({"error": [float(i) for i in reversed(range(1001))]})
    drawn = list(few(rows, "error")["error"])
    assert len(drawn) == MOST_MARKS and (drawn[0], drawn[-1]) == (0.0, 1000.0)
    assert abs(drawn[MOST_MARKS // 2] - 500) < 20
    assert list(few(rows.head(2), "error")["error"]) == [1000.0, 999.0]


def test_no_mark_leads_to_a_run_that_has_no_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(3):
        write(tmp_path, make_record(seed=seed, epochs=1))
    found = load_records(tmp_path)
    with styled():
        listed = ET.tostring(accuracy(Look(found)).panels[0].element)
        monkeypatch.setattr("lab.report.figure.MOST_RUNS", 2)
        many = ET.tostring(accuracy(Look(found)).panels[0].element)
    assert b"#run-" in listed and b"#run-" not in many and b"#mean-" in many
