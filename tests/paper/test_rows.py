"""Claims of the paper beside made-up records: which records are of a row, and what is said of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lab.errors import DataError
from lab.paper.__main__ import main
from lab.paper.claims import Claim, own, read_claims
from lab.paper.match import Found, records_under
from lab.paper.page import answers, make_page, readme_table
from lab.paper.projection import project, projections, span, table
from lab.paper.rows import Row, row_of, rows, variants_table
from lab.sweep.compose import composed
from tests.report.records import make_record

CLAIM = Claim("ff_supervised", "3.3", "a setting", "nothing", error="1.36", epochs=60)


def put(folder: Path, seed: int = 0, error: float = 0.0136, *overrides: str, experiment: str = "ff_supervised") -> Path:
    """A made-up record of an experiment, changed by overrides, in a folder of its own."""
    config = composed([f"experiment={experiment}", f"seed={seed}", *overrides]).resolved()
    record: dict[str, Any] = make_record("forward_forward", seed=seed, epochs=config["trainer"]["epochs"])
    record["config"] = config
    record["final"]["test"] |= {"error": error, "accuracy": 1 - error, "accuracy_softmax": 1 - error - 0.01}
    record["run_id"] = f"{len(list(folder.glob('*'))):016x}"
    place = folder / record["run_id"]
    place.mkdir(parents=True)
    (place / "record.json").write_text(json.dumps(record))
    return place


def of(folder: Path, claim: Claim = CLAIM) -> Row:
    return row_of(claim, records_under([folder]))


def test_the_mean_is_rounded_as_the_paper_prints_it(tmp_path: Path) -> None:
    for seed, error in enumerate((0.0130, 0.0136, 0.0142)):
        put(tmp_path, seed, error)
    row = of(tmp_path)
    assert (row.verdict, row.words, len(row.runs)) == ("reached", "reached", 3)
    assert row.error.mean == pytest.approx(0.0136)
    put(tmp_path, 3, 0.0140)
    row = of(tmp_path)
    assert (row.verdict, row.words) == ("missed", "missed by 0.01 points, within the interval")
    about = Claim("ff_supervised", "3.3", "", "", error="1.4")
    assert of(tmp_path, about).verdict == "reached"  # 1.37 is 1.4 in the paper's digits


def test_an_aim_stands_beside_the_papers_number_or_in_its_place(tmp_path: Path) -> None:
    put(tmp_path, 0, 0.0150)
    near = Claim("ff_supervised", "3.3", "", "", error="1.36", aim="1.55")
    assert of(tmp_path, near).words == "missed by 0.14 points (aim of 1.55 reached)"
    assert of(tmp_path, Claim("ff_supervised", "", "", "", aim="1.20")).words == "missed by 0.30 points"
    assert of(tmp_path, Claim("ff_supervised", "", "", "")).words == "trained"


@pytest.mark.parametrize(
    ("override", "counts"),
    [
        ("backend.threads=1", True),
        ("diagnose=[saturation]", True),
        ("data.valid=500", True),
        ("optimizer.weight_decay=0.002", False),
        ("model.depth=3", False),
        ("augment=images", False),
    ],
)
def test_records_are_of_a_row_by_their_options(tmp_path: Path, override: str, counts: bool) -> None:
    put(tmp_path, 0, 0.013, override)
    assert of(tmp_path).verdict == ("reached" if counts else "not run")


def test_a_smaller_run_is_partial_and_gives_way_to_a_whole_one(tmp_path: Path) -> None:
    put(tmp_path, 0, 0.01, "trainer.epochs=5")
    put(tmp_path, 0, 0.02, "trainer.epochs=9", "data.limit=1000")
    row = of(tmp_path)
    assert row.words.startswith("partial: 9 of 60 epochs, ") and row.words.endswith(" rows")
    assert row.error.mean == pytest.approx(0.02)  # the longest, though the shorter one did better
    put(tmp_path, 1, 0.05)
    assert of(tmp_path).words == "missed by 3.64 points"


def test_shorter_runs_project_a_range_that_whole_ones_judge(tmp_path: Path) -> None:
    for epochs, errors in ((5, (0.039, 0.041)), (10, (0.0283,)), (20, (0.02,))):  # as 1 / sqrt(epochs)
        assert project(CLAIM, records_under([tmp_path])) is None
        for seed, error in enumerate(errors):
            put(tmp_path, seed, error, f"trainer.epochs={epochs}")
    put(tmp_path, 0, 0.5, "trainer.epochs=40", "data.limit=1000")  # of few rows: says nothing of all
    made = project(CLAIM, records_under([tmp_path]))
    assert made is not None and made.whole is None
    assert (made.low, made.high) == (pytest.approx(0.04 * (5 / 60) ** 0.5, rel=1e-2), 0.02)
    assert [(epochs, error.n) for epochs, error in made.shorter] == [(5, 2), (10, 1), (20, 1)]
    assert span(made) == "1.15 to 2.00"
    assert (
        answers([], [made])[1]
        == "Projected from shorter runs, which is no confidence interval: ff_supervised 1.15 to 2.00 %."
    )
    put(tmp_path, 0, 0.0136)
    (made,) = projections([CLAIM], records_under([tmp_path]))
    cells = [cell.text for cell in table([made]).rows[0]]
    assert cells == ["ff_supervised", "1.36", "5: 4.00 (2); 10: 2.83; 20: 2.00", "60", "1.15 to 2.00", "1.36"]
    assert len(answers([], [made])) == 1  # what was run needs no projection


@pytest.mark.parametrize(
    "runs",
    [
        ((5, 0.02), (10, 0.03), (20, 0.03)),
        ((5, 0.04), (10, 0.0135), (20, 0.0138)),  # the first alone would make the line fall
        ((1, 0.10), (2, 0.07), (3, 0.06)),  # too short to say what 60 would
        ((5, 0.04), (10, 0.02)),
    ],
)
def test_what_projects_nothing(tmp_path: Path, runs: Any) -> None:
    for epochs, error in runs:
        put(tmp_path, 0, error, f"trainer.epochs={epochs}")
    assert project(CLAIM, records_under([tmp_path])) is None


def test_runs_on_fewer_rows_are_not_projected_from(tmp_path: Path) -> None:
    for epochs, error in ((5, 0.04), (10, 0.0283), (20, 0.02)):
        place = put(tmp_path, 0, error, f"trainer.epochs={epochs}", "data.valid=50000") / "record.json"
        record = json.loads(place.read_text())
        record["data"]["n_train"] = 10_000 if epochs == 5 else 60_000
        place.write_text(json.dumps(record))
    assert project(CLAIM, records_under([tmp_path])) is None


def test_a_run_made_twice_counts_once(tmp_path: Path) -> None:
    for error, finished in ((0.5, "2026-01-02"), (0.013, "2026-01-03"), (0.9, "2026-01-01")):
        path = put(tmp_path, 0, error) / "record.json"
        record = json.loads(path.read_text())
        record["measured"]["finished"] = finished
        path.write_text(json.dumps(record))
    assert of(tmp_path).error.mean == pytest.approx(0.013)


def test_an_option_newer_than_a_record_had_its_default(tmp_path: Path) -> None:
    path = put(tmp_path, 0, 0.013) / "record.json"
    record = json.loads(path.read_text())
    del record["config"]["trainer"]["belief_delay"]
    path.write_text(json.dumps(record))
    assert of(tmp_path).verdict == "reached"
    record["config"]["model"].pop("depth")  # 4, where the default is 3
    path.write_text(json.dumps(record))
    assert of(tmp_path).verdict == "not run"


def test_a_readout_can_be_asked_for(tmp_path: Path) -> None:
    put(tmp_path, 0, 0.02)
    claim = Claim("one pass", "", "", "", experiment="ff_supervised", readout="softmax", error="3")
    assert of(tmp_path, claim).error.mean == pytest.approx(0.03)
    other = Claim("another", "", "", "", experiment="ff_supervised", overrides=("model.depth=2",), error="3")
    assert of(tmp_path, other).verdict == "not run"


def test_the_papers_numbers_are_well_formed_and_say_where_they_stand() -> None:
    claims = read_claims()
    assert all(claim.section for claim in claims.rows)
    assert sum(bool(claim.error) for claim in claims.rows) >= 15
    assert {"1.36", "1.37", "1.16", "1.31", "0.64"} <= {claim.error for claim in claims.rows}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('error: "1.36"', 'error: "1.36 %"', "a percentage as it is printed"),
        ("row: ff_supervised_40", "row: ff_supervised", "two rows called 'ff_supervised'"),
        ('section: "3.3"', 'place: "3.3"', "holds no claims"),
        ("rows:", "lines:", "holds no claims"),
    ],
)
def test_claims_without_sense_are_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "claims.yaml"
    path.write_text(own().replace(old, new, 1))
    with pytest.raises(DataError, match=message):
        read_claims(path)


def test_every_row_has_an_experiment_or_says_that_it_has_none() -> None:
    made = rows(read_claims(), [])
    unbuilt = {row.claim.of for row in made if row.verdict == "not built"}
    assert unbuilt <= {"ff_cifar10", "bp_cifar10"}  # a misspelt experiment would be among them
    assert {row.verdict for row in made} <= {"not built", "not run"}


def test_settings_stand_beside_each_other_in_their_order(tmp_path: Path) -> None:
    for momentum in (0.99, 0.9):
        for seed in (0, 1):
            put(tmp_path, seed, 0.02 + seed / 100, "trainer.phase=10", "data.limit=2000",
                f"optimizer.momentum={momentum}", f"optimizer.dampening={momentum}", experiment="ff_sleep")  # fmt: skip
    asked = next(table for table in read_claims().tables if table.table == "sleep")
    made = variants_table(asked, records_under([tmp_path]))
    assert made is not None
    heads = [column.label for column in made.columns]
    assert heads == ["phase", "learning_rate", "momentum", "epochs", "rows", "seeds", "test error"]
    assert [[cell.text for cell in row][2] for row in made.rows] == ["0.9", "0.99"]
    assert all(row[5].text == "2" and row[6].text.startswith("2.50 ± ") for row in made.rows)
    assert variants_table(asked, []) is None
    (row,) = (row for row in rows(read_claims(), records_under([tmp_path])) if row.claim.row == "ff_sleep")
    assert row.words == "other settings below"


def test_the_page_shows_every_row_and_leads_to_the_records(tmp_path: Path) -> None:
    runs = tmp_path / "paper" / "runs"
    place = put(runs, 0, 0.0130, "data.valid=1000", "trainer.epochs=60")
    page = make_page([runs], tmp_path / "paper")
    html, words = page.read_text(), (page.parent / "report.md").read_text()
    for claim in read_claims().rows:
        assert f">{claim.row}<" in html
    assert "| lab experiment=ff\\_supervised\\_40 |" in words and " objective.aim=maximise |" in words
    assert f'href="./runs/{place.name}/"' in html and "1 reached" in html
    assert "| 1.36 | 1.30 | reached | 1 | 60 | 60 |" in words
    assert "Fewer than three seeds: ff\\_supervised." in words
    assert {p.name for p in (page.parent / "figures").iterdir()} == {
        f"{key}.{kind}" for key in ("errors", "curves", "hybrids") for kind in ("svg", "png")
    }  # fmt: skip
    assert (page.parent / "tables" / "paper.tex").is_file()
    first = {p: p.read_bytes() for p in page.parent.rglob("*") if p.is_file()}
    make_page([runs], tmp_path / "paper")
    assert {p: p.read_bytes() for p in page.parent.rglob("*") if p.is_file()} == first


def test_a_page_without_runs_of_the_paper_is_not_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "other", 0, 0.013, "model.width=7")
    (tmp_path / "empty").mkdir()
    for name in ("other", "empty"):
        with pytest.raises(DataError, match=f"no run of the paper's experiments that ended ok lies in .*{name}"):
            main([str(tmp_path / name), "--out", str(tmp_path / "page")])
    assert not (tmp_path / "page").exists()
    monkeypatch.chdir(tmp_path)
    put(tmp_path / "mine", 0, 0.0130, "data.valid=1000")
    put(tmp_path / "reports" / "paper" / "runs", 0, 0.0130, "data.valid=1000")
    assert main(["mine"]) == 0  # other runs' page is not drawn over the one that is kept with its records
    assert not (tmp_path / "reports" / "paper" / "index.html").exists()
    assert (tmp_path / "reports" / "mine" / "paper" / "index.html").is_file()
    assert main([]) == 0 and (tmp_path / "reports" / "paper" / "index.html").is_file()


def test_the_readmes_table_is_there_without_records(tmp_path: Path) -> None:
    made = readme_table(tmp_path / "none")
    assert len(made.rows) == sum(bool(claim.error) for claim in read_claims().rows)


def test_records_that_cannot_be_read_or_failed_are_left_out(tmp_path: Path) -> None:
    path = put(tmp_path, 0) / "record.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"status": "diverged"}))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "record.json").write_text("{")
    found: list[Found] = records_under([tmp_path])
    assert found == []
