"""A protocol that is unfair is no protocol: each rule refuses what breaks it, in one sentence."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from lab.app import config_folder
from lab.errors import UsageError
from lab.protocol import named_protocols, parse_protocol, parse_range, read_protocol
from lab.protocol.read import plain
from lab.sweep.compose import composed


def rules(**changes: Any) -> dict[str, Any]:
    """A small protocol that keeps its rules; `runs__epochs=0` changes an entry of a section."""
    rate = ["optimizer.learning_rate=1e-4..1e-2:log"]
    whole: dict[str, Any] = {
        "name": "small",
        "data": [{"name": "digits", "target": 0.8}],
        "shared": ["model=mlp", "model.depth=2", "model.width=20", "backend.threads=1"],
        "sides": [
            {"name": "backprop", "options": ["trainer=backprop"], "search": rate, "head": "linear"},
            {"name": "forward", "options": ["trainer=forward_forward"], "search": rate, "head": "goodness"},
        ],
        "tuning": {"trials": 3, "epochs": 1, "rows": 200},
        "runs": {"seeds": [0, 1], "epochs": 2},
    }
    whole = copy.deepcopy(whole)
    for key, value in changes.items():
        section, _, entry = key.partition("__")
        if not entry:
            whole[section] = value
        elif entry.isdigit():
            whole[section][int(entry)] |= value
        else:
            whole[section][entry] = value
    return whole


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sides__1": {"options": ["trainer=forward_forward", "model.width=500"]}}, "model.width=500 is not"),
        ({"sides__1": {"options": ["trainer=forward_forward", "trainer.epochs=9"]}}, "trainer.epochs=9 is not"),
        ({"sides__1": {"options": ["trainer=forward_forward", "data.valid=9"]}}, "data.valid=9 is not a side's"),
        ({"sides__1": {"search": ["trainer.batch_size=10,20"]}}, "trainer.batch_size=10,20 is not a side's to set"),
        ({"sides__1": {"search": ["optimizer.learning_rate=1e-5..1e-1:log"]}}, "searches 2 decades, forward 4"),
        ({"sides__1": {"search": []}}, "forward nothing; give both as much to search"),
        ({"sides__1": {"head": ""}}, "forward does not say what its head is"),
        ({"sides__1": {"model": ["model=cnn"]}}, "forward has a model of its own"),
        ({"sides__1": {"like": "backprop"}}, "forward is like backprop; a side is tuned itself"),
        ({"baselines": [{"name": "lean", "like": "bp", "options": []}]}, "lean is like bp, which is no side of digits"),
        ({"sides__1": {"name": "backprop"}}, "two sides are called the same"),
        ({"runs__seeds": [0, 1000]}, "tuning.seed=1000 is among runs.seeds"),
        ({"runs__seeds": [1, 1]}, "give distinct seeds"),
        ({"runs__epoch": 3}, "did you mean"),
        ({"tuning__trials": 0}, "make no trial"),
        ({"tuning__pruner": "median"}, "tuning.pruner"),
        ({"shared": ["seed=3"]}, "seed=3 is decided elsewhere"),
        ({"data": [{"name": "digits", "target": 80}]}, "write 97 % as 0.97"),
        ({"data": []}, "compares nothing"),
        ({"data": [{"name": "digits"}, {"name": "digits"}]}, "two tasks are called the same"),
        ({"data": [{"name": "digits", "sides": ["backprop", "forwrd"]}]}, "digits has sides 'forwrd', which is none"),
        ({"data": [{"name": "digits", "sides": ["backprop"]}]}, "digits compares nothing"),
        ({"data": [{"name": "digits", "model": ["trainer.batch_size=5"]}]}, "is no option of the body"),
        ({"runs__rows": 100, "runs__sizes": [100]}, "digits has rows=100; sizes=[100] are to be fewer"),
        ({"data": [{"name": "digits", "rows": 0}]}, "rows=0 epochs=None; use 1 and more"),
        ({"sides": "backprop"}, "sides is no list"),
    ],
)  # fmt: skip
def test_what_would_be_unfair_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_protocol(rules(**changes))
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_it_survives_being_written_down() -> None:
    protocol = parse_protocol(rules())
    assert parse_protocol(plain(protocol)) == protocol


def test_both_sides_share_all_but_what_is_theirs() -> None:
    protocol = parse_protocol(rules(runs__measures=["calibration"], runs__sizes=[100]))
    task, (first, second) = protocol.data[0], protocol.sides
    for options in (
        protocol.trial,
        lambda t, s: protocol.final(t, s, (), 1),
        lambda t, s: protocol.final(t, s, (), 1, 99),
    ):
        a, b = (composed(options(task, side)).resolved() for side in (first, second))
        for shared in ("seed", "data", "model", "backend"):
            assert a[shared] == b[shared]
        assert a["trainer"]["epochs"] == b["trainer"]["epochs"]
    trial, run = composed(protocol.trial(task, first)), composed(protocol.final(task, first, (), 1))
    assert (trial.test, run.test) == ("closed", "opened") and trial.data["limit"] == 200 and run.data["limit"] is None
    assert trial.seed not in protocol.runs.seeds and (trial.epochs, run.epochs) == (1, 2)
    assert composed(protocol.final(task, first, (), 1, 99)).data["train"] == 99


def test_tasks_may_share_a_data_set_and_have_bodies_and_sides_of_their_own() -> None:
    small = {"name": "small", "data": "digits", "model": ["model.width=5"], "sides": ["backprop", "forward"]}
    small |= {"rows": 200, "epochs": 7, "measures": ["outliers"]}
    sides = [*rules()["sides"], {**rules()["sides"][0], "name": "third"}]
    baselines = [{"name": "logistic", "model": ["model=linear"], "options": ["trainer=backprop"]}]
    protocol = parse_protocol(
        rules(
            data=[{"name": "digits"}, small],
            sides=sides,
            baselines=baselines,
            runs__rows=300,
            runs__sizes=[100],
            runs__measures=["calibration"],
        )
    )
    large, narrow = protocol.data
    assert [len(protocol.sides_on(task)) for task in (large, narrow)] == [3, 2]
    assert [len(protocol.baselines_on(task)) for task in (large, narrow)] == [1, 0]
    configs = [composed(protocol.final(task, protocol.sides[0], (), 1)) for task in (large, narrow)]
    assert [config.model["width"] for config in configs] == [20, 5]
    assert [list(config.measures) for config in configs] == [["calibration"], ["outliers"]]
    assert [(c.data["name"], c.data["train"], c.epochs) for c in configs] == [("digits", 300, 2), ("digits", 200, 7)]
    assert composed(protocol.final(narrow, protocol.sides[0], (), 1, 100)).data["train"] == 100
    assert "train" not in composed(protocol.trial(narrow, protocol.sides[0])).data


@pytest.mark.parametrize("name", named_protocols(config_folder()))
def test_the_labs_own_protocols_keep_their_rules(name: str) -> None:
    protocol = read_protocol(name, config_folder())
    assert protocol.name == name
    for task in protocol.data:
        for side in (*protocol.sides_on(task), *protocol.baselines_on(task)):
            composed(protocol.final(task, side, (), 0))


def test_files_that_are_no_protocol(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown protocol 'comparisn': did you mean"):
        read_protocol("comparisn", config_folder())
    with pytest.raises(UsageError, match="cannot be read as a protocol"):
        read_protocol(str(tmp_path / "none.yaml"), config_folder())
    for text, words in (
        ("- 1", "holds no KEY: VALUE"),
        ("a: !!python/object:os.x {}", "tag"),
        ("name: x", "is missing"),
    ):
        (tmp_path / "odd.yaml").write_text(text)
        with pytest.raises(UsageError, match=words):
            read_protocol(str(tmp_path / "odd.yaml"), config_folder())


def test_how_much_there_is_to_search() -> None:
    assert parse_range("a=1e-4..1e-2:log").size == parse_range("b=1e-3..1e-1:log").size == ("decades", 2)
    assert parse_range("a=1..5").size == ("width", 4) and parse_range("a=1..5").whole
    assert parse_range("a=x,y,z").size == ("choices", 3)
    for wrong in ("a=5..1", "a=0..1:log", "a=3", "=1..2"):
        with pytest.raises(UsageError):
            parse_range(wrong)
