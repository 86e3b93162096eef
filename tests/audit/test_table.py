"""Tables from elsewhere: read as data, audited by the same rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.audit.__main__ import main
from lab.audit.evidence import Evidence
from lab.audit.rules import RULES
from lab.audit.table import read_table
from lab.errors import DataError, UsageError
from lab.report.load import load_records
from lab.report.write import runs_csv
from tests.report.conftest import Made

HEAD = "trainer,network,data,seed,test_accuracy,epochs,patience,device,threads,kernels,trials,selected_on\n"


def published(tmp_path: Path, *lines: str, head: str = HEAD) -> Path:
    path = tmp_path / "table.csv"
    path.write_text(head + "".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def test_a_published_comparison_with_three_faults_is_caught(tmp_path: Path) -> None:
    """One seed three times, 20 epochs of patience against 4, and 30 settings tried against 1."""
    path = published(
        tmp_path,
        *("backprop,mlp,MNIST,1,0.981,100,20,gpu,1,cuda,1,validation",) * 3,
        *("forward-forward,mlp,MNIST,1,0.962,100,4,gpu,1,cuda,30,validation",) * 3,
    )
    case = Evidence(read_table(path))
    verdicts = {name: rule(case) for name, rule in RULES.items()}
    failing = {name for name, finding in verdicts.items() if finding.verdict == "fail"}
    assert failing == {"duplicate_seeds", "unequal_effort", "unequal_trials", "too_few_seeds"}
    assert "stop.patience is 20 for backprop and 4 for forward-forward" in verdicts["unequal_effort"].sentence
    assert verdicts["mixed_machines"].verdict == verdicts["selected_on_test"].verdict == "pass"
    assert verdicts["leaked_rows"].verdict == verdicts["left_out"].verdict == "cannot tell"


def test_the_labs_own_export_says_the_same_as_its_records(whole: Made, tmp_path: Path) -> None:
    records = load_records(whole.runs)
    path = tmp_path / "runs.csv"
    path.write_text(runs_csv(records), encoding="utf-8")
    theirs = Evidence(read_table(path))
    ours = Evidence(records)
    assert [c.sentence for c in theirs.comparisons] == [c.sentence for c in ours.comparisons]
    for name in set(RULES) - {"unequal_effort"}:  # an export has no options
        assert RULES[name](theirs) == RULES[name](ours), name


def test_cells_are_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = published(
        tmp_path,
        '"=HYPERLINK(""http://x"")",mlp,d,0,0.9,5,,,,,,',
        "\u202eevil\x1b[31m,mlp,d,0,0.95,5,,,,,,",
        "'@sum,mlp,d,0,0.7,5,,,,,,",
    )
    trainers = set(read_table(path).runs["trainer"])
    assert '=HYPERLINK("http://x")' in trainers and "@sum" in trainers
    assert main([str(path)]) == 1
    shown = capsys.readouterr().out
    assert "\x1b" not in shown and "\u202e" not in shown
    assert "U+202E" in shown and "U+001B" in shown


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n", "needs a column trainer"),
        ("", "needs a column trainer"),
        ("trainer,test_accuracy\nx,=1+1\n", "line 2: test_accuracy is '=1+1'"),
        ("trainer,test_accuracy\nx,nan\n", "line 2: test_accuracy is 'nan'"),
        ('trainer,test_accuracy\n"x,1\n', "is no CSV table"),
    ],
)
def test_a_table_that_is_none_is_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(UsageError, match=r".") as caught:
        read_table(path)
    assert said in str(caught.value)
    assert main([str(path)]) == UsageError.exit_code


def test_impossible_numbers_are_left_out_and_named(tmp_path: Path) -> None:
    records = read_table(published(tmp_path, "a,m,d,0,98.1,5,,,,,,", "a,m,d,1,0.9,5,,,,,,"))
    assert list(records.counted["seed"]) == ["1"]
    assert any("98.1" in note for _, note in records.notes)


def test_a_failing_audit_ends_with_one_and_a_missing_folder_with_a_sentence(
    whole: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(whole.runs)]) == 1
    shown = capsys.readouterr().out
    assert "Audit failed: 1 rule of 13 found a fault in all 2 comparisons." in shown
    assert main([str(tmp_path / "none")]) == UsageError.exit_code
    assert main([str(tmp_path)]) == DataError.exit_code  # nothing passes because there is nothing
    assert "no run lies in" in capsys.readouterr().err
    assert main([str(tmp_path / "a.csv"), str(tmp_path / "b.csv")]) == UsageError.exit_code
