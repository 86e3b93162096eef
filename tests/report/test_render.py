"""The report as a whole: one page without network, for everyone, written whole or not at all."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lab.errors import DataError, StorageError, UsageError
from lab.report import make_report, render
from lab.report.__main__ import main
from lab.report.figures import KEYS
from tests.report.conftest import Made
from tests.report.page import Page
from tests.report.records import make_record, make_runs, write

FILES = {
    "index.html", "report.md", "runs.csv", *(f"figures/{k}.{e}" for k in ("pareto", *KEYS) for e in ("svg", "png")),
    *(f"tables/{t}.tex" for t in ("summary", "comparisons", "significance", "audit", "pareto")),
    *(f"tables/{t}.tex" for t in ("memory", "blocks", "runs")),
    "tables/results_0.tex",
}  # fmt: skip


def files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def page(whole: Made) -> Page:
    return Page(whole.html)


def test_all_files_are_there_and_nothing_else(whole: Made) -> None:
    assert set(files(whole.out)) == FILES
    assert [p.name for p in whole.out.iterdir() if p.name.startswith(".")] == []


def test_the_page_needs_no_network(whole: Made, page: Page) -> None:
    assert not page.of("img") and not page.of("iframe") and not page.of("object")
    for _, attributes in page.elements:
        for name in ("src", "href", "xlink:href", "action", "srcset", "data", "poster"):
            assert not re.match(r"\s*([a-z]+:)?//|javascript:", attributes.get(name, ""), re.IGNORECASE)
    assert [a["href"] for a in page.of("link")] == ["data:,"]
    outside = set(re.findall(r"https?://[^\s\"'<]+", whole.html))
    assert outside == {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"} & outside
    style, script = page.texts["style"][0], page.texts["script"][0]
    assert "@import" not in style and "url(" not in style
    assert not re.search(r"fetch|XMLHttp|import\(|eval|innerHTML|document\.write", script)


def test_the_policy_allows_its_own_style_and_script_only(page: Page) -> None:
    (policy,) = [m["content"] for m in page.of("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'" and "unsafe" not in policy
    for name, source in (("style-src", page.texts["style"][0]), ("script-src", page.texts["script"][0])):
        digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
        assert rules[name] == f"'sha256-{digest}'"
    assert not [a for _, a in page.elements if "style" in a]


def test_the_answer_and_the_figures_come_first(whole: Made, page: Page) -> None:
    assert page.texts["h1"] == ["How do backprop and forward-forward compare on MNIST?"]
    html = whole.html
    order = [html.index(mark) for mark in ("On MNIST with mlp 3x500, ", 'id="figures"', 'id="tables"', 'id="limits"')]
    assert order == sorted(order)
    assert "backprop is 0." in html[order[0] : order[1]] and "12 runs found: 12 ok" in html[order[0] : order[1]]


def test_tables_can_be_sorted_by_keyboard_and_read_aloud(page: Page) -> None:
    tables = len(page.of("table"))
    assert tables == 9
    heads = [a for a in page.of("th") if a.get("scope") == "col"]
    rows = [a for a in page.of("th") if a.get("scope") == "row"]
    assert len(page.of("button")) == len(heads) > 40 and len(rows) == 2 + 4 + 2 + 2 + 4 + 4 + 4 + 12 + 13
    assert all(b == {"type": "button"} for b in page.of("button"))
    scrolls = [a for a in page.of("div") if a.get("class") == "scroll"]
    assert len(scrolls) == tables
    assert all(a["tabindex"] == "0" and a["role"] == "region" and a["aria-label"] for a in scrolls)
    numbers = [a for a in page.of("td") if a.get("class") == "n"]
    assert numbers and all(float(a["data-v"]) == float(a["data-v"]) for a in numbers if "data-v" in a)


def test_a_page_of_two_hundred_runs_is_under_two_megabytes(tmp_path: Path) -> None:
    sets = ("mnist", "fashion_mnist", "cifar10", "digits", "breast_cancer")
    make_runs(tmp_path / "runs", seeds=range(10), data=sets, epochs=20)
    html = make_report(tmp_path / "runs", tmp_path / "out").read_bytes()
    assert html.count(b'<tr id="run-') == 200 and html.count(b"<figure id=") >= 8
    assert len(html) < 2_000_000


def test_every_figure_has_words(page: Page) -> None:
    pictures = page.of("svg")
    assert len(pictures) >= 10 and all(len(p["aria-label"]) > 4 for p in pictures)
    assert {p["role"] for p in pictures} == {"img", "group"}, "an image's links would not be heard"
    assert len(page.of("figure")) == len(page.of("figcaption")) == 9
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    named = {a["aria-labelledby"] for _, a in page.elements if "aria-labelledby" in a}
    jumps = {a["href"][1:] for a in page.of("a") if a["href"].startswith("#")}
    assert named | jumps <= set(ids)
    assert page.of("html") == [{"lang": "en"}] and len(page.of("main")) == len(page.of("header")) == 1


def test_links_lead_to_what_is_there(whole: Made, page: Page) -> None:
    for link in (a["href"] for a in page.of("a") if not a["href"].startswith("#")):
        assert (whole.out / link).exists(), link
    text = (whole.out / "report.md").read_text()
    for link in re.findall(r"(?<!\\)\]\(([^)]+)\)", text):
        assert (whole.out / link).exists(), link


def test_it_is_light_dark_small_and_printable(whole: Made, page: Page) -> None:
    style = page.texts["style"][0]
    assert all(q in style for q in ("prefers-color-scheme: dark", "@media print", "tabular-nums", "position: sticky"))
    assert any(m.get("name") == "viewport" for m in page.of("meta"))
    assert len(whole.html) < 300_000


def test_a_report_over_broken_records_says_so_at_its_top(bad: Made) -> None:
    page = Page(bad.html)
    status = next(a for a in page.of("p") if a.get("class", "").startswith("status"))
    assert status["class"] == "status warn"
    limits = " ".join(page.texts["li"])
    for reason in (
        "block2 became nan",
        "needed 9 GiB of 8",
        "truncated at byte 4096",
        "newer than the 1",
        "not finished",
    ):
        assert reason in limits
    assert "partial" in limits and "Energy was not measured (no counter" in limits


def test_the_audit_stands_at_the_top_in_words_and_colour(whole: Made, page: Page) -> None:
    (top,) = [a for a in page.of("div") if a.get("class", "").startswith("audit")]
    assert top["class"] == "audit fail" and ".audit.fail" in page.texts["style"][0]
    html = whole.html
    said = html.index("Audit failed: 1 rule of 13 found a fault in all 2 comparisons.")
    assert html.index("On MNIST with") < said < html.index('id="figures"')
    assert html.index('id="table-significance"') < html.index('id="table-audit"') < html.index('id="table-memory"')
    assert "Too few seeds. A difference is claimed from 3 paired seeds" in html
    assert "its audit failed (too few seeds)." in html
    assert "**Audit failed: 1 rule of 13" in (whole.out / "report.md").read_text()


def test_nothing_at_all_is_a_report_too(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    html = make_report(tmp_path / "runs", tmp_path / "out").read_text()
    assert "no run folders" in html and "nothing to draw" in html and "no answer yet" in html


def test_the_same_records_give_the_same_bytes(whole: Made, tmp_path: Path) -> None:
    """In another process and folder, with other hashes and another backend for drawing."""
    shutil.copytree(whole.runs, tmp_path / "runs")
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": os.getcwd(), "MPLBACKEND": "svg"}
    command = [sys.executable, "-m", "lab.report", "runs", "--out", "reports/mine"]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True)
    first, second = files(whole.out), files(tmp_path / "reports" / "mine")
    assert set(first) == set(second)
    assert [name for name in first if first[name] != second[name]] == []


def test_a_failure_leaves_the_report_that_was_there(
    whole: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    shutil.copytree(whole.out, out)
    before = files(out)

    def full(*_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(render, "as_html", full)
    monkeypatch.setattr(render, "make_figures", lambda records, doubt: [])
    with pytest.raises(StorageError, match="No space left on device"):
        make_report(whole.runs, out)
    assert files(out) == before
    with pytest.raises(StorageError):
        make_report(whole.runs, tmp_path / "new" / "out")
    assert not (tmp_path / "new" / "out").exists()


def test_files_of_others_stay_and_stale_ones_go(tmp_path: Path) -> None:
    runs, out = tmp_path / "runs", tmp_path / "out"
    write(runs, make_record(epochs=2))
    make_report(runs, out)
    (out / "figures" / "mine.svg").write_text("mine")
    (out / "notes.txt").write_text("mine")
    record = make_record(epochs=2)
    record["final"]["test"].pop("blocks"), record["final"]["valid"].pop("blocks")
    write(runs, record)
    make_report(runs, out)
    assert (out / "figures" / "mine.svg").exists() and (out / "notes.txt").exists()
    assert not (out / "figures" / "blocks.svg").exists() and not (out / "tables" / "blocks.tex").exists()


def test_a_sweep_that_misses_runs_says_what_was_expected(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = make_runs(tmp_path / "runs", networks=["mlp 3x500"], seeds=[0], epochs=2)
    plan = runs / "sweeps" / "quick-1"
    plan.mkdir(parents=True)
    (plan / "sweep.json").write_text('{"runs": [{"run_id": "ba-mlp-3x500-mnist-s0"}, {"run_id": "lost"}]}')
    assert main([str(runs), "--out", str(plan / "report"), "--sweep", "quick"]) == 0
    assert capsys.readouterr().out.strip() == str(plan / "report" / "index.html")
    page = Page((plan / "report" / "index.html").read_text())
    assert any("2 runs expected: 1 ok, 1 missing" in text for text in page.texts["p"])
    assert any("lost (there is no such run folder)" in text for text in page.texts["li"])


def test_a_report_made_by_a_sweep_names_it_to_rebuild(tmp_path: Path) -> None:
    runs = make_runs(tmp_path / "runs", networks=["mlp 3x500"], seeds=[0], epochs=2)
    expected = [{"run_id": f.name} for f in runs.iterdir()]
    inside = make_report(runs, runs / "sweeps" / "quick-1" / "report", expected=expected)
    assert Page(inside.read_text()).texts["code"][0].endswith("--sweep quick-1")
    outside = make_report(runs, tmp_path / "out", run_ids=["ba-mlp-3x500-mnist-s0"])
    assert Page(outside.read_text()).texts["code"][0].endswith(f"--ids {tmp_path / 'out' / 'run_ids.txt'}")
    assert main([str(runs), "--out", str(tmp_path / "again"), "--ids", str(tmp_path / "out" / "run_ids.txt")]) == 0
    assert (tmp_path / "again" / "runs.csv").read_bytes() == (tmp_path / "out" / "runs.csv").read_bytes()


def test_wrong_use_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "runs" / "one").mkdir(parents=True)
    (tmp_path / "runs" / "one" / "config.json").write_text("{}")
    for arguments, said in (
        ([str(tmp_path / "none")], "cannot be listed"),
        ([str(tmp_path / "runs"), "--out", str(tmp_path / "file")], "is a file"),
        ([str(tmp_path / "runs"), "--sweep", "s"], "no sweep 's'"),
        ([str(tmp_path / "runs"), "--sweep", "s", "--ids", "x"], "exclude each other"),
        ([str(tmp_path / "runs"), "--ids", str(tmp_path / "none")], "list of run ids"),
    ):
        assert main(arguments) == UsageError.exit_code
        error = capsys.readouterr().err
        assert error.startswith("error: ") and said in error and error.count("\n") == 1


def test_a_folder_without_runs_does_not_replace_a_report(
    whole: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main([str(whole.runs), "--out", str(out)]) == 0
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    (tmp_path / "empty" / "other").mkdir(parents=True)
    capsys.readouterr()
    assert main([str(tmp_path / "empty"), "--out", str(out)]) == DataError.exit_code
    assert "no run lies in" in capsys.readouterr().err
    assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file()} == before


def test_importing_the_report_is_light() -> None:
    heavy = {"pandas", "numpy", "matplotlib", "jinja2"}
    code = f"import sys, lab.report, lab.report.__main__; print(*{heavy} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.split() == []
