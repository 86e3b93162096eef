"""The config of a run: defaults filled in, equal meanings equal, every mistake one sentence before any work."""

import json
from pathlib import Path
from typing import Any

import pytest

from lab.config import RunConfig, build, parse
from lab.errors import UsageError
from lab.objectives import CrossEntropy
from lab.optimizers import Adam
from lab.record.record import run_id
from lab.trainers import BackpropTrainer, ForwardForwardTrainer

RAW: dict[str, Any] = {
    "data": {"name": "digits"},
    "model": {"name": "mlp", "width": 16},
    "trainer": {"name": "backprop", "epochs": 2},
    "optimizer": {"name": "adam", "learning_rate": 1e-2},
    "objective": {"name": "cross_entropy"},
    "readout": {"name": "ff"},
    "backend": {"name": "numpy"},
}


def changed(**changes: Any) -> dict[str, Any]:
    raw = {section: dict(values) for section, values in RAW.items()}
    for key, value in changes.items():
        section, _, option = key.partition("__")
        if option:
            raw.setdefault(section, {})[option] = value
        else:
            raw[section] = value
    return raw


def test_all_options_are_filled_in() -> None:
    config = parse(RAW)
    assert config.model == {
        "name": "mlp", "depth": 3, "width": 16, "activation": "relu", "norm": "auto",
        "norm_groups": "classes", "init": "auto", "dropout": 0.0, "center": False, "label": "auto",
        "label_scale": 1.0, "top_down": "auto"}  # fmt: skip
    assert config.trainer == {
        "name": "backprop", "epochs": 2, "label": "none", "update": "after", "recompute": 0, "micro_batches": 1,
        "batch_size": 100}  # fmt: skip
    assert config.backend == {"name": "numpy", "dtype": "float32", "threads": 2, "kernels": "auto"}
    assert config.readout is None  # backprop takes none, so its options cannot change the result
    assert parse(changed(trainer__name="forward_forward", objective=None)).readout is not None


def test_a_config_survives_json_and_parsing_again() -> None:
    raw = changed(trainer={"name": "forward_forward", "epochs": 1}, objective=None, readout__blocks=[2, 3], timeout=5)
    config = parse(raw)
    assert parse(json.loads(json.dumps(config.as_dict()))) == config
    assert set(config.resolved()) | set(config.how()) == set(config.as_dict())


def test_config_to_objects() -> None:
    trainer = build(parse(changed(seed=7, trainer__label="neutral", trainer__batch_size=5, backend__dtype="float64")))
    assert isinstance(trainer, BackpropTrainer)
    assert (trainer.seed, trainer.batch_size, trainer.label, str(trainer.ops.dtype)) == (7, 5, "neutral", "float64")
    assert trainer.optimizer == Adam(learning_rate=0.01) and trainer.objective == CrossEntropy()
    other = build(parse(changed(trainer={"name": "forward_forward", "epochs": 1}, objective=None, optimizer=None)))
    assert isinstance(other, ForwardForwardTrainer) and other.optimizer.learning_rate == 0.01


@pytest.mark.parametrize(
    "same",
    [
        {"optimizer__weight_decay": 0},
        {"trainer__batch_size": 100.0},
        {"optimizer__weight_decay": -0.0},
        {"seed": 0},
        {"readout": None},
        {"readout__learning_rate": 5},
        {"runs": "elsewhere"},
        {"name": "other"},
        {"progress": False},
        {"timeout": 9},
    ],
)
def test_equal_configs_have_equal_ids(same: dict[str, Any]) -> None:
    assert run_id(parse(changed(**same)).resolved(), "d") == run_id(parse(RAW).resolved(), "d")


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 1},
        {"data__limit": 100},
        {"data__valid": 0},
        {"model__width": 17},
        {"optimizer__learning_rate": 0.02},
        {"trainer__epochs": 3},
        {"backend__dtype": "float64"},
        {"backend__threads": 1},
        {"objective": {"name": "squared_error"}},
    ],
)
def test_other_configs_have_other_ids(other: dict[str, Any]) -> None:
    first, second = parse(RAW).resolved(), parse(changed(**other)).resolved()
    assert run_id(first, "d") != run_id(second, "d")
    assert run_id(first, "d") != run_id(first, "e")


def test_one_row_and_all_rows_are_not_the_same() -> None:
    assert parse(changed(data__valid=1)).data["valid"] == 1
    ids = {run_id(parse(changed(data__valid=valid)).resolved(), "d") for valid in (1, 0.5, 0, None)}
    assert len(ids) == 4


def test_a_file_counts_by_its_contents() -> None:
    first, second = (parse(changed(data__name=name)).resolved() for name in ("a/x.npz", "b/y.npz"))
    assert run_id(first, "d") == run_id(second, "d") != run_id(first, "e")


def test_what_a_run_does_without_is_not_in_its_id() -> None:
    plain, moved = parse(RAW).resolved(), parse(changed(augment={"name": "images", "shift": 1})).resolved()
    assert "augment" not in plain and plain == parse(changed(augment=None)).resolved()
    assert moved["augment"] == {"name": "images", "shift": 1, "fill": "zeros", "flip": 0.0}
    assert parse(parse(changed(augment={"name": "images", "shift": 1})).as_dict()).resolved() == moved


def test_a_text_has_options_of_its_own() -> None:
    text = parse(changed(data={"name": "a/x.txt", "window": 5})).data
    assert text == {"name": "a/x.txt", "valid": None, "limit": None, "window": 5, "stride": 1, "symbols": None}
    assert parse(changed(data={"name": "a/notes", "window": 10})).data["window"] == 10
    ids = {run_id(parse(changed(data={"name": "x.txt", "window": n})).resolved(), "d") for n in (5, 6)}
    assert len(ids) == 2


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"epochs": 3}, "unknown option 'epochs'"),
    ({"modle": {"name": "mlp"}}, "did you mean 'model'?"),
    (
        {"model": None},
        "model needs a name; choose one with model=NAME, valid: analog_mlp, boxed_mlp, cnn, gru, linear, local_fields, "
        "lstm, mlp, rnn",
    ),
    ({"model": "mlp"}, "model needs a name"),
    ({"model__name": "mpl"}, "unknown model 'mpl': did you mean 'mlp'?"),
    ({"model__name": 3}, "model.name=3 does not fit"),
    ({"model__wdith": 5}, "unknown option 'model.wdith': did you mean 'model.width'?"),
    ({"model__width": "wide"}, "model.width='wide' does not fit; give a whole number"),
    ({"model__depth": 0}, "depth"),
    ({"model__activation": "rleu"}, "did you mean 'relu'?"),
    ({"model__dropout": 1.5}, "1.5"),
    ({"trainer__name": "backprob"}, "did you mean 'backprop'?"),
    ({"trainer__epochs": 0}, "trainer.epochs=0 trains nothing"),
    ({"trainer__batch_size": 0}, "batch_size"),
    ({"trainer__network": 1}, "unknown option 'trainer.network'"),
    ({"trainer": {"name": "backprop"}}, "trainer.epochs is missing"),
    ({"optimizer__name": "adma"}, "did you mean 'adam'?"),
    ({"optimizer__learning_rate": -1}, "learning_rate"),
    ({"optimizer__learning_rate": float("nan")}, "optimizer.learning_rate=nan does not fit"),
    ({"optimizer__schedule": "cosin"}, "did you mean 'cosine'?"),
    ({"backend__name": "torch"}, "valid: cupy, numpy"),
    ({"backend__dtype": "float16"}, "float32"),
    ({"backend__threads": 0}, "backend.threads=0"),
    ({"data__name": "mnits"}, "did you mean 'mnist'?"),
    ({"data": {"nam": "mnist"}}, "data.name"),
    ({"stop": {"name": "patience", "patience": 0}}, "stop=patience: stop needs patience >= 1"),
    ({"augment": {"name": "images", "flip": 2}}, "augment=images: augment needs shift >= 0 and 0 <= flip <= 1"),
    ({"augment": {"name": "images", "fill": "mirror"}}, "unknown augment.fill 'mirror'"),
    ({"data__window": 5}, "unknown option 'data.window'"),
    ({"data": {"name": "x.txt", "widow": 5}}, "did you mean 'data.window'?"),
    ({"data__valid": "half"}, "data.valid='half' does not fit; give a whole number, a number or null"),
    ({"seed": -1}, "seed=-1 is out of range"),
    ({"seed": "x"}, "seed='x' does not fit"),
    ({"timeout": 0}, "timeout=0"),
    ({"imports": ["no_such_module_here"]}, "no_such_module_here"),
    ({"imports": "x"}, "a list of texts"),
    (
        {"objective": {"name": "goodness"}},
        "objective=goodness does not suit trainer=backprop; valid: binary_cross_entropy, cross_entropy, hinge, "
        "squared_error",
    ),
    (
        {"trainer": {"name": "forward_forward", "epochs": 1}},
        "objective=cross_entropy does not suit trainer=forward_forward; valid: goodness",
    ),
    (
        {"trainer": {"name": "forward_forward", "epochs": 1, "negatives": "hrad"}, "objective": None},
        "did you mean 'hard'?",
    ),
]


@pytest.mark.parametrize(("wrong", "words"), WRONG)
@pytest.mark.usefixtures("only_the_labs_parts")
def test_every_mistake_is_one_sentence(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(changed(**wrong))
    assert words in str(caught.value) and "\n" not in str(caught.value) and caught.value.exit_code == 2


def test_the_users_own_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_parts_for_test_config.py").write_text(
        "from dataclasses import dataclass\n"
        "from lab.networks import MLP\n"
        "from lab.registry import register\n"
        "@register('model', 'pyramid')\n"
        "@dataclass(frozen=True)\n"
        "class Pyramid(MLP):\n"
        "    slope: float = 2.0\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))  # so that what parse adds to sys.path is gone after the test
    config = parse(changed(model={"name": "pyramid", "slope": 3}, imports=["own_parts_for_test_config"]))
    assert isinstance(config, RunConfig) and config.model["slope"] == 3.0 and config.model["depth"] == 3


def test_a_section_that_the_trainer_does_not_take_is_checked_all_the_same() -> None:
    with pytest.raises(UsageError, match=r"readout\.head"):
        parse({**RAW, "readout": {"name": "ff", "head": "banana"}})
    assert parse({**RAW, "readout": {"name": "ff"}}).readout is None


def test_the_users_modules_count_by_their_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    module = tmp_path / "my_rules.py"
    module.write_text("RATE = 1\n")
    first = parse({**RAW, "imports": ["my_rules"]})
    assert parse(first.as_dict()) == first
    before = first.resolved()
    module.write_text("RATE = 2\n")
    assert before != first.resolved()
    assert "imports" not in parse(RAW).resolved()


def test_a_module_that_cannot_be_imported_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "broken_rules.py").write_text("def f(:\n")
    with pytest.raises(UsageError, match="broken_rules cannot be imported: SyntaxError"):
        parse({**RAW, "imports": ["broken_rules"]})


def test_runs_need_a_folder() -> None:
    with pytest.raises(UsageError, match="runs is empty"):
        parse({**RAW, "runs": " "})
