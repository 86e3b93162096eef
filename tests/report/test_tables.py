"""Tables: what they hold, and their LaTeX, Markdown and CSV."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from lab.report import write
from lab.report.compare import compare
from lab.report.load import load_records
from lab.report.table import Cell, Column, Table
from lab.report.tables import every_run, folded, make_tables, summary
from lab.report.terminal import summary_text
from lab.report.text import short_id
from tests.report.conftest import Made
from tests.report.records import make_record
from tests.report.records import write as write_record


def test_the_summary_has_means_and_half_widths(whole: Made) -> None:
    found = load_records(whole.runs)
    table = summary(found)
    headings = [c.heading for c in table.columns]
    row = dict(zip(headings, (c.text for c in table.rows[0]), strict=True))
    errors = found.runs[(found.runs["series"] == "backprop") & (found.runs["network"] == "mlp 3x500")]["test_error"]
    assert row["test error, %"].startswith(f"{errors.mean() * 100:.2f} \u00b1 ")
    assert (row["seeds"], row["rows per sample"], row["accuracy by softmax head, %"]) == ("3", "1", "\u2013")
    assert {"total time, s", "samples a second", "activations, MiB", "peak memory, MiB"} <= set(headings)
    assert len(table.rows) == 4


def test_all_tables_of_whole_records(whole: Made) -> None:
    found = load_records(whole.runs)
    tables = {t.key: t for t in make_tables(found, compare(found))}
    assert list(tables) == ["summary", "comparisons", "significance", "pareto", "memory", "blocks", "runs"]
    assert all(len(row) == len(t.columns) for t in tables.values() for row in t.rows)
    assert len(tables["comparisons"].rows) == 2 and len(tables["runs"].rows) == 12
    assert [c.heading for c in tables["blocks"].columns][-1] == "block 8, %"


def test_every_run_says_how_it_ended(bad: Made) -> None:
    table = every_run(load_records(bad.runs))
    cells = {row[0].text: row for row in table.rows}
    assert cells["memory"][1].text == "out of memory" and cells["memory"][1].strong
    assert cells["memory"][-1].text == "needed 9 GiB of 8" and cells["memory"][0].run == "memory"


def test_of_very_many_runs_the_doubtful_are_shown(bad: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    records = load_records(bad.runs)
    doubtful = set(records.runs.loc[~records.runs["counted"].astype(bool), "run_id"])
    monkeypatch.setattr("lab.report.tables.MOST_RUNS", len(doubtful) + 1)
    assert len(records.runs) > len(doubtful) + 1
    table = every_run(records)
    assert {row[0].text for row in table.rows[:-1]} == {short_id(run) for run in doubtful}
    assert table.title == f"{len(doubtful) + 1} of {len(records.runs)} runs" and "runs.csv has all" in table.caption


def test_a_column_that_repeats_one_name_moves_to_the_caption() -> None:
    columns = (Column("trainer"), Column("network"), Column("data"), Column("data", True))
    rows = tuple((Cell(t), Cell("mlp"), Cell("MNIST"), Cell("1", 1.0)) for t in ("a", "b"))
    table = folded(Table("k", "t", "Means.", columns, rows))
    assert table.caption == "On MNIST with mlp. Means."
    assert [c.label for c in table.columns] == ["trainer", "data"] and table.rows[0][1].text == "1"


def test_latex_is_escaped_and_balanced() -> None:
    nasty = r"\input{/etc/passwd} 50% & $x_1$ #~^ [x]"
    table = Table("k", "t", nasty, (Column(nasty), Column("n", True)), ((Cell(nasty), Cell("1.5 \u00b1 0.1", 1.5)),))
    tex = write.latex(table)
    assert r"\input" not in tex and r"\textbackslash{}input\{/etc/passwd\} 50\% \& \$x\_1\$" in tex
    body = tex.split("\\midrule\n")[1].split("\\bottomrule")[0]
    assert body.count(" & ") == 1 and body.endswith("\\\\\n") and r"1.5 $\pm$ 0.1" in body
    assert r"\begin{tabular}{lr}" in tex


def test_markdown_has_one_cell_a_column_whatever_is_in_it() -> None:
    table = Table("k", "t", "c", (Column("a|b"), Column("n", True)), ((Cell("x|y\\|<b>", run="r"), Cell("1")),))
    lines = write.markdown(table, {"r": "./runs/r/"}).splitlines()
    assert lines == [r"| a\|b | n |", "| :--- | ---: |", r"| [x\|y\\\|&lt;b&gt;](./runs/r/) | 1 |"]


def test_the_csv_has_every_run_in_full_precision_and_no_formula(tmp_path: Path) -> None:
    record = make_record(seed=1)
    record["config"]["trainer"]["name"] = '=HYPERLINK("http://x")'
    record["status"], record["reason"], record["final"] = "failed", "@SUM(1)", {}
    write_record(tmp_path, record, "+run")
    write_record(tmp_path, make_record(seed=2), "plain")
    rows = list(csv.DictReader(io.StringIO(write.runs_csv(load_records(tmp_path)))))
    bad, good = sorted(rows, key=lambda r: r["run_id"] == "plain")
    assert (bad["run_id"], bad["trainer"], bad["reason"]) == ("'+run", '\'=HYPERLINK("http://x")', "'@SUM(1)")
    assert float(good["test_accuracy"]) == make_record(seed=2)["final"]["test"]["accuracy"]
    assert good["memory_weights"] == str(make_record(seed=2)["memory"]["weights"]) and bad["test_accuracy"] == ""


def test_a_link_is_never_a_scheme() -> None:
    assert write.link("javascript:alert(1)/") == "./javascript%3Aalert%281%29/"
    assert write.link('../../runs/a "b"<c>/') == "../../runs/a%20%22b%22%3Cc%3E/"


def test_the_terminal_table_is_aligned(bad: Made) -> None:
    text = summary_text(load_records(bad.runs).runs)
    lines = text.splitlines()
    table = lines[: next(i for i, line in enumerate(lines) if "runs found" in line)]
    assert len(table) == 4 and len({len(line) for line in table}) == 1
    assert "8 ok, 1 diverged, 1 out of memory" in text
    assert "  memory out of memory: needed 9 GiB of 8" in lines


def test_the_terminal_counts_wide_letters(tmp_path: Path) -> None:
    for label in ("mlp 3x500", "\u795e\u7d4c 3"):
        record = make_record()
        record["network"]["label"] = label
        write_record(tmp_path, record, label)
    text = summary_text(load_records(tmp_path).runs)
    ends = [
        line.index("MNIST") + line.count("\u795e") + line.count("\u7d4c")
        for line in text.splitlines()
        if "MNIST" in line
    ]
    assert len(set(ends)) == 1


def test_no_run_at_all_is_said(tmp_path: Path) -> None:
    assert summary_text(load_records(tmp_path).runs) == "0 runs found"


def test_a_target_that_one_seed_missed_has_no_mean(tmp_path: Path) -> None:
    for seed, seconds in enumerate((10.0, 20.0, None)):
        for trainer in ("backprop", "forward_forward"):
            record = make_record(trainer, seed=seed)
            reached = 12.0 if trainer == "backprop" else seconds
            record["measured"]["to_target"] = {"target": 0.97, "seconds": reached, "epochs": 3 if reached else None}
            write_record(tmp_path, record)
    table = summary(load_records(tmp_path))
    headings = [c.heading for c in table.columns]
    cells = {row[0].text: row[headings.index("training time to target, s")].text for row in table.rows}
    assert cells == {"backprop": "12.0", "forward-forward": "reached by 2 of 3"}


def test_how_sure_a_comparison_is_stands_in_its_row(whole: Made) -> None:
    found = load_records(whole.runs)
    table = {t.key: t for t in make_tables(found, compare(found))}["significance"]
    row = dict(zip((c.heading for c in table.columns), (c.text for c in table.rows[0]), strict=True))
    assert (row["paired seeds"], row["smallest p of so many seeds"]) == ("3", "0.25")
    assert row["p by sign flips"] == "0.25" and row["p after Holm"] == "0.50", "two comparisons were made"
    low, high = (float(end.replace("\u2212", "-")) for end in row["95 % interval over test rows"].split(" to "))
    assert 0.3 < high - low < 1.2, "10,000 rows at some 2 % leave about 0.4 points to each side"


def test_several_data_sets_are_summed_up_and_one_is_not(tmp_path: Path) -> None:
    for data in ("mnist", "fashion_mnist"):
        for family in ("backprop", "forward_forward"):
            for seed in range(2):
                record = make_record(family, seed=seed, data=data)
                if family == "backprop":
                    record["final"]["test"] |= {"accuracy": 0.985, "error": 0.015}
                write_record(tmp_path, record)
    found = load_records(tmp_path)
    (table,) = (t for t in make_tables(found, compare(found)) if t.key == "across")
    first, second = ({c.heading: v.text for c, v in zip(table.columns, row, strict=True)} for row in table.rows)
    assert first["interquartile mean of accuracy, %"] == "98.50" and first["improvement, %"] == "\u2013"
    assert first["error within 2 %, %"] == "100" and second["improvement, %"] == "0"
    assert "2 pairs of network and data set" in table.caption
    alone = load_records(tmp_path, run_ids=[r for r in found.runs["run_id"] if "fashion" not in r])
    assert not [t for t in make_tables(alone, compare(alone)) if t.key == "across"]
