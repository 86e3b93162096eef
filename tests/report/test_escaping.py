"""Every string of every record attacks the report: no element, attribute, command or formula may be gained."""

from __future__ import annotations

import csv
import io
import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.report import make_report
from lab.report.svg import SVG
from tests.report.conftest import Made
from tests.report.page import Page
from tests.report.records import TRAINERS, make_record, write

ATTACK = (
    "=cmd|'/C calc'!A0\"'><script>alert(1)</script><img src=http://x/y onerror=alert(1)>{{7*7}}{% if %}]]>&lt;"
    "</svg></td>`|$\\frac{1}{0}$\\input{/etc/passwd}%#_^~[a](javascript:alert(1))\u202e\u2066\ud800\x00\x1b[31m\ufeff"
)
KEPT = {"status", "task", "schema"}


def altered(value: Any, change: Callable[[str], str], key: str = "") -> Any:
    """The record with `change` applied to each of its strings, keys of the config included."""
    if isinstance(value, dict):
        return {k: altered(v, change, k) for k, v in value.items()}
    if isinstance(value, list):
        return [altered(v, change) for v in value]
    return change(value) if isinstance(value, str) and key not in KEPT else value


def draw(root: Path, change: Callable[[str], str], folder: Callable[[str], str]) -> Made:
    made = Made(root / "runs", root / "out")
    for family in TRAINERS:
        for seed in (0, 1):
            for epochs in (2, 3):
                record = altered(make_record(family, seed=seed, epochs=epochs), change)
                record["config"][change("option")] = change(f"{epochs}")
                write(made.runs, record, folder(f"{family}-{seed}-{epochs}"))
    broken = {"status": "failed", "schema": 1, "reason": change("reason"), "config": {"seed": change("0")}}
    write(made.runs, broken, folder("broken"))
    (made.runs / folder("unreadable")).mkdir()
    (made.runs / folder("unreadable") / "record.json").write_text("{")
    make_report(made.runs, made.out, title=change("title"))
    return made


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = "javascript:alert(1) \"'<b>`|$&"
    return draw(tmp_path_factory.mktemp("a"), lambda s: f"{ATTACK}{s}", lambda s: f"{folder}{s}")


@pytest.fixture(scope="module")
def harmless(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return draw(tmp_path_factory.mktemp("h"), lambda s: f"plain{s}", lambda s: f"folder{s}")


def test_the_page_gains_no_element_and_no_attribute(attacked: Made, harmless: Made, tally: Counter[str]) -> None:
    ours, theirs = Page(attacked.html), Page(harmless.html)
    assert ours.shape == theirs.shape
    assert not ours.open and len(ours.of("script")) == 1 and not ours.of("img")
    assert not [a for _, attributes in ours.elements for a in attributes if a.startswith("on")]
    tally["attacks that a report shows as text"] += attacked.html.count("alert(1)")
    tally["elements that a report gained by attacks"] += len(ours.elements) - len(theirs.elements)


def test_the_attack_is_there_to_be_read(attacked: Made) -> None:
    page = Page(attacked.html)
    assert "<script>alert(1)</script>" in page.texts["h1"][0] and "{{7*7}}" in page.texts["h1"][0]
    assert any("\u27e8U+202E\u27e9" in text for text in page.texts["h1"])
    assert "\u202e" not in attacked.html and "\x00" not in attacked.html


def test_every_link_stays_a_path(attacked: Made) -> None:
    links = [a["href"] for a in Page(attacked.html).of("a")]
    assert all(re.match(r"(#|\./|\.\./|[a-z_]+(\.|/))", link) for link in links)
    folders = [link for link in links if "javascript" in link and not link.startswith("#")]  # which stay on the page
    assert all(re.fullmatch(r"#[A-Za-z0-9._-]+", link) for link in links if link.startswith("#"))
    assert len(folders) == 10 and all(link.startswith("../runs/javascript%3A") for link in folders)


def test_figures_stay_figures(attacked: Made, harmless: Made) -> None:
    for path in sorted((attacked.out / "figures").glob("*.svg")):
        ours, theirs = (ET.parse(folder / path.name) for folder in (path.parent, harmless.out / "figures"))
        tags = [[e.tag for e in tree.iter() if e.tag != f"{{{SVG}}}text"] for tree in (ours, theirs)]
        assert tags[0] == tags[1]
        assert f"{{{SVG}}}script" not in tags[0]


def test_latex_keeps_its_rows_and_gains_no_command(attacked: Made, harmless: Made) -> None:
    for path in sorted((attacked.out / "tables").glob("*.tex")):
        ours, theirs = (p.read_text(encoding="utf-8") for p in (path, harmless.out / "tables" / path.name))
        assert re.findall(r"(?<!\\) & |\\\\\n", ours) == re.findall(r"(?<!\\) & |\\\\\n", theirs)
        commands = set(re.findall(r"\\([a-z]+)", ours)) - set(re.findall(r"\\([a-z]+)", theirs))
        assert {c for c in commands if not c.startswith("text")} <= {"langle", "rangle", "ldots"}
        escaped = re.sub(r"\\[{}]", "", ours)
        assert escaped.count("{") == escaped.count("}")


def test_markdown_keeps_its_cells_and_gains_no_tag(attacked: Made, harmless: Made) -> None:
    ours, theirs = (
        [line for line in (m.out / "report.md").read_text(encoding="utf-8").splitlines() if not line.startswith("    ")]
        for m in (attacked, harmless)
    )
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert "<" not in a and len(re.findall(r"(?<!\\)\|", a)) == len(re.findall(r"(?<!\\)\|", b))
        assert len(re.findall(r"(?<!\\)\]\(", a)) == len(re.findall(r"(?<!\\)\]\(", b))


def test_the_csv_runs_nothing(attacked: Made) -> None:
    rows = list(csv.DictReader(io.StringIO((attacked.out / "runs.csv").read_text(encoding="utf-8"))))
    assert len(rows) == 10
    cells = [cell for row in rows for cell in row.values()]
    assert not [c for c in cells if c.startswith(("=", "@", "+", "\t")) or (c.startswith("-") and not float(c))]
    assert any(c.startswith("'=cmd") for c in cells)


def test_the_command_to_rebuild_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my runs; rm -rf x").mkdir()
    monkeypatch.chdir(tmp_path)
    make_report(Path("my runs; rm -rf x"), Path("out"))
    assert (
        "python -m lab.report 'my runs; rm -rf x' --out out"
        in Page((tmp_path / "out/index.html").read_text()).texts["code"]
    )
