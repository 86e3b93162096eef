"""Each rule on records that keep it, on records that break it, and on records that do not say."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lab.audit import RULES, Evidence, audit, judged
from lab.audit.rules import leakage
from lab.data import Dataset, load_dataset
from lab.report.load import records_of
from tests.report.records import make_record

Runs = dict[str, dict[str, Any]]
FIRST, LAST = "forward_forward-0", "forward_forward-5"


def runs(seeds: int = 6, **options: Any) -> Runs:
    """MADE-UP records of both trainers, as a careful study leaves them."""
    found = {}
    for family in ("backprop", "forward_forward"):
        for seed in range(seeds):
            record = make_record(family, seed=seed, epochs=2, **options)
            record["measured"] |= {"resumed": False, "others_cores": 0.02}
            record["config"]["data"] = {"name": "digits"}
            record["data"] |= {"name": "digits", "digest": clean().digest}
            found[f"{family}-{seed}"] = record
    return found


def evidence(found: Runs, *absent: str) -> Evidence:
    """With a plan of these runs, and of `absent` ones with the same options."""
    planned = [{"run_id": name, "config": record.get("config", {})} for name, record in found.items()]
    planned += [{"run_id": name, "config": found["backprop-0"]["config"]} for name in absent]
    return Evidence(records_of(found), planned)


_DIGITS: list[Dataset] = []


def clean() -> Dataset:
    """scikit-learn's digits without the rows that it has twice."""
    if not _DIGITS:
        data = load_dataset("digits")
        seen: set[bytes] = set()
        parts = {}
        for name in ("test", "valid", "train"):
            split = getattr(data, name)
            fresh = np.array([row.tobytes() not in seen for row in split.x])
            parts[name] = replace(split, x=split.x[fresh], y=split.y[fresh])
            seen |= {row.tobytes() for row in split.x}
        _DIGITS.append(replace(data, **parts))
    return _DIGITS[0]


@pytest.fixture(autouse=True)
def at_hand(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The digits that rules find are the clean ones."""
    monkeypatch.setattr("lab.data.load_dataset", lambda name, **_: clean())
    leakage._shared.cache_clear()
    yield
    leakage._shared.cache_clear()


def change(found: Runs, keys: str, value: object, *names: str) -> Runs:
    for name in names or found:
        target = found[name]
        *path, last = keys.split(".")
        for key in path:
            target = target.setdefault(key, {})
        target[last] = value
    return found


def _copied(found: Runs) -> Runs:
    found["again"] = copy.deepcopy(found[FIRST])
    return found


def _relabelled(found: Runs) -> Runs:
    found[LAST]["final"] = copy.deepcopy(found[FIRST]["final"])
    return found


def _without(found: Runs) -> Runs:
    del found[LAST]
    return found


def _variants(found: Runs) -> Runs:
    for seed in range(6):
        tried = copy.deepcopy(found[f"forward_forward-{seed}"])
        tried["config"]["objective"] = {"theta": 2}
        found[f"theta-{seed}"] = tried
    return found


def _diverged(found: Runs) -> Runs:
    return change(found, "status", "diverged", *(f"theta-{seed}" for seed in range(6)))


def _heads(found: Runs, more: float) -> Runs:
    """Forward-forward's network has `more` parameters in all than backprop's, as a fraction."""
    network = found[FIRST]["network"]
    body, head = network["parameters"], network["head_parameters"]
    return change(found, "network.head_parameters", round((1 + more) * (body + head)) - body, *FORWARD)


FORWARD = [f"forward_forward-{seed}" for seed in range(6)]
ALL = [*(f"backprop-{seed}" for seed in range(6)), *FORWARD]
# rule, what breaks it, the runs at fault, a word of the sentence
BREAKS: list[tuple[str, Callable[[Runs], Runs], list[str], str]] = [
    ("different_data", lambda f: change(f, "data.digest", "0" * 64, *FORWARD), ALL, "different rows"),
    ("different_data", lambda f: change(f, "data.digest", "0" * 64, FIRST, "backprop-5"), ALL, "different rows"),
    ("selected_on_test", lambda f: change(f, "selection.on", "test", FIRST), [FIRST], "by the test rows"),
    ("selected_on_test", lambda f: change(_variants(f), "data.n_valid", 0, LAST), [LAST], "no validation rows"),
    ("selected_on_test", lambda f: change(change(f, "config.stop.patience", 3), "data.n_valid", 0), ALL, "no valid"),
    ("selected_on_test", lambda f: change(change(f, "selection.trials", 9), "data.n_valid", 0), ALL, "no valid"),
    ("duplicate_seeds", _copied, ["again", FIRST], "share their seed"),
    ("duplicate_seeds", _relabelled, [FIRST, LAST], "the same results"),
    ("unpaired_seeds", _without, ["backprop-5"], "not run with the seeds"),
    ("unpaired_seeds", lambda f: change(f, "config.seed", 77, FIRST), ["backprop-0", FIRST], "not run with the seeds"),
    ("too_few_seeds", lambda f: runs(5), sorted(runs(5)), "5 paired seeds, but a p value below 5 % needs 6"),
    ("too_few_seeds", lambda f: runs(1), sorted(runs(1)), "1 paired seed"),
    ("left_out", lambda f: change(f, "status", "diverged", LAST), [LAST], "1 diverged"),
    ("unequal_effort", lambda f: change(f, "config.trainer.epochs", 20, *FORWARD), ALL, "trainer.epochs is"),
    ("unequal_effort", lambda f: change(f, "config.stop.patience", 4, *FORWARD), ALL, "stop.patience is"),
    ("unequal_effort", lambda f: change(f, "config.data.limit", 900, *FORWARD), ALL, "data.limit is unset"),
    ("unequal_effort", lambda f: change(f, "config.data.train", 900, *FORWARD), ALL, "data.train is unset"),
    ("unequal_effort", lambda f: change(f, "config.data.valid", 99, *FORWARD), ALL, "data.valid is unset"),
    ("unequal_effort", lambda f: change(f, "config.augment.shift", 2, *FORWARD), ALL, "augment.shift is unset"),
    ("unequal_trials", _variants, [*ALL, *(f"theta-{s}" for s in range(6))], "1 of backprop and 2 of forward-forward"),
    ("unequal_trials", lambda f: _diverged(_variants(f)), [*ALL, *(f"theta-{s}" for s in range(6))], "2 of forward"),
    ("unequal_trials", lambda f: change(f, "selection.trials", 50, *FORWARD), ALL, "1 of backprop and 50 of"),
    ("different_bodies", lambda f: change(f, "network.blocks", [{"out_shape": [9]}], *FORWARD), ALL, "of different"),
    ("different_bodies", lambda f: change(f, "network.head_parameters", 10**6, *FORWARD), ALL, "parameters"),
    ("different_bodies", lambda f: _heads(f, 0.06), ALL, "1,152,000 and 1,221,120 parameters"),
    ("mixed_machines", lambda f: change(f, "measured.environment.threads", 8, LAST), [LAST], "threads (2, 8)"),
    ("mixed_machines", lambda f: change(f, "measured.environment.device", "gpu", LAST), [LAST], "device (cpu, gpu)"),
    ("mixed_machines", lambda f: change(f, "measured.environment.kernels", "numba", LAST), [LAST], "kernels (numba, n"),
    ("mixed_machines", lambda f: change(f, "measured.environment.numpy", "9", LAST), [LAST], "numpy (2.4.6, 9)"),
    ("mixed_machines", lambda f: change(f, "code_version", "0.2.0", LAST), [LAST], "code version (0.1.0, 0.2.0)"),
    ("resumed_timings", lambda f: change(f, "measured.resumed", True, LAST), [LAST], "5 of 6 paired seeds"),
    ("beside_load", lambda f: change(f, "measured.others_cores", 0.9, LAST), [LAST], "up to 0.9 cores busy of 2"),
    (
        "beside_load",
        lambda f: change(change(f, "measured.others_cores", None), "measured.environment.load_average", 4.0, LAST),
        [LAST], "load average up to 4.0",
    ),
]  # fmt: skip


@pytest.mark.parametrize("rule", RULES)
def test_a_careful_study_keeps_every_rule(rule: str) -> None:
    found = RULES[rule](evidence(runs()))
    assert (found.verdict, found.runs) == ("pass", ()), found.sentence


@pytest.mark.parametrize(("rule", "broken", "at_fault", "words"), BREAKS)
def test_a_rule_that_is_broken_fails_and_names_the_runs(
    rule: str, broken: Callable[[Runs], Runs], at_fault: list[str], words: str
) -> None:
    found = RULES[rule](evidence(broken(runs())))
    assert found.verdict == "fail"
    assert list(found.runs) == sorted(at_fault)
    assert words in found.sentence and found.sentence.endswith(".")


# rule, what looks as if it broke it
KEPT: list[tuple[str, Callable[[Runs], Runs]]] = [
    ("different_bodies", lambda f: _heads(f, 0.04)),
    ("duplicate_seeds", lambda f: change(_relabelled(f), "final.test.loss", 0.123, LAST)),  # as many right by chance
    ("beside_load", lambda f: change(f, "measured.environment.load_average", 4.0)),  # of processes that sleep
    ("mixed_machines", lambda f: f | _deeper("gpu")),  # which are compared with each other alone
    ("unequal_effort", lambda f: change(f, "config.data.limit", 900)),
]


def _deeper(device: str) -> Runs:
    deep = {f"deep-{name}": record for name, record in runs(network="mlp 8x500").items()}
    return change(deep, "measured.environment.device", device)


@pytest.mark.parametrize(("rule", "changed"), KEPT)
def test_what_only_looks_like_it_breaks_no_rule(rule: str, changed: Callable[[Runs], Runs]) -> None:
    found = RULES[rule](evidence(changed(runs())))
    assert (found.verdict, found.runs) == ("pass", ()), found.sentence


def test_times_without_a_word_on_the_machines_load_are_not_passed() -> None:
    silent = change(
        change(runs(), "measured.others_cores", None, LAST), "measured.environment.load_average", None, LAST
    )
    assert RULES["beside_load"](evidence(silent)).verdict == "cannot tell"


def test_every_rule_is_broken_here() -> None:
    assert {rule for rule, *_ in BREAKS} | {"leaked_rows"} == set(RULES)


def test_a_row_of_two_splits_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    data = clean()
    train = replace(data.train, x=np.concatenate([data.train.x[1:], data.test.x[:1]]))
    monkeypatch.setattr("lab.data.load_dataset", lambda name, **_: replace(data, train=train))
    found = RULES["leaked_rows"](evidence(runs()))
    assert found.verdict == "fail" and list(found.runs) == sorted(ALL)
    assert "1 row of digits in both train and test" in found.sentence


def test_data_that_is_not_at_hand_is_not_guessed_at(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("lab.data.load_dataset", lambda name, **_: opened.append(name))
    path = change(change(runs(), "config.data.name", "/etc/passwd.npz"), "data.name", "/etc/passwd.npz")
    assert RULES["leaked_rows"](evidence(path)).verdict == "cannot tell"
    assert opened == [], "a record must not choose a file to open"
    monkeypatch.setattr("lab.data.load_dataset", lambda name, **_: replace(clean(), digest="another"))
    assert RULES["leaked_rows"](evidence(runs())).verdict == "cannot tell"


def test_a_planned_run_that_is_not_there_is_missed_but_not_one_of_another_experiment() -> None:
    found = RULES["left_out"](evidence(runs(), "thrown-away"))
    assert found.runs == ("thrown-away",) and "1 planned and not among these records" in found.sentence
    other = [{"run_id": "elsewhere", "config": {"trainer": {"name": "backprop", "epochs": 99}}}]
    assert RULES["left_out"](Evidence(records_of(runs()), other)).verdict == "pass"
    assert RULES["left_out"](Evidence(records_of(runs()))).verdict == "cannot tell"


@pytest.mark.parametrize("rule", sorted(set(RULES) - {"unequal_trials", "too_few_seeds"}))
def test_what_records_do_not_say_is_not_passed(rule: str) -> None:
    bare = {
        f"{trainer}-{i}": {
            "schema": 1,
            "status": "ok",
            "family": trainer,
            "final": {"test": {"accuracy": 0.9 + i / 99}},
        }
        for trainer in ("backprop", "forward_forward")
        for i in range(6)
    }
    assert RULES[rule](Evidence(records_of(bare))).verdict == "cannot tell"
    assert RULES[rule](Evidence(records_of({}))).verdict == "cannot tell"


def test_a_difference_that_is_not_claimed_may_have_few_seeds() -> None:
    found = runs(3)
    for seed, error in enumerate((0.01, 0.05, 0.03)):
        change(found, "final.test.accuracy", 1 - error, f"backprop-{seed}")
        change(found, "final.test.accuracy", 1 - (0.06 - error), f"forward_forward-{seed}")
        change(found, "final.test.error", None, f"backprop-{seed}", f"forward_forward-{seed}")
    assert RULES["too_few_seeds"](evidence(found)).verdict == "pass"


def test_a_failure_stays_with_the_comparison_that_it_concerns() -> None:
    found = runs()
    found |= {f"deep-{name}": r for name, r in runs(network="mlp 8x500").items()}
    found["deep-backprop-2"]["measured"]["environment"]["device"] = "gpu"
    case = evidence(found)
    shallow, deep = judged(case, audit(case))
    assert shallow.sentence.endswith("; its audit passed.")
    assert deep.sentence.endswith("; its audit failed (mixed machines).")


def test_a_failure_of_a_run_that_nobody_knows_concerns_every_comparison() -> None:
    found = runs()
    found["lost"] = {"schema": 1, "status": "missing"}
    case = evidence(found)
    (comparison,) = judged(case, audit(case))
    assert comparison.sentence.endswith("; its audit failed (left out).")
