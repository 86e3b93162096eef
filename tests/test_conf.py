"""conf/ says what the parts' signatures say: every option, its default, and nothing else."""

from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from lab.app import config_folder
from lab.config import GIVEN, build, parse
from lab.data.load import reader
from lab.networks import mlp
from lab.registry import names, part
from lab.schema import fill, options
from lab.sweep.hooks import plain
from lab.trainers import BackpropTrainer, ForwardForwardTrainer

CONF = config_folder()
# Files that hold a recipe's values: equal to what a trainer takes when it is given none.
RECIPES = {"sgd_averaged": ForwardForwardTrainer, "adam_cooldown": BackpropTrainer}


def contents(path: Path) -> dict[str, Any]:
    found = OmegaConf.to_container(OmegaConf.load(path))
    assert isinstance(found, dict)
    return {str(key): value for key, value in found.items()}


def composed(*overrides: str) -> dict[str, Any]:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return plain(compose("config", overrides=list(overrides)))


@pytest.mark.parametrize("path", sorted(CONF.glob("*/*.yaml")), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_files_equal_signatures(path: Path) -> None:
    group, name = path.parent.name, path.stem
    if group in ("experiment", "sweep", "protocol"):
        return
    text = contents(path)
    if name == "none":
        assert text == {group: None}
        return
    if group == "trainer":
        assert set(text) - {"defaults"} == {"trainer"}
        text = text["trainer"]
        assert text.pop("epochs") == 8
    elif group == "backend":
        assert (text.pop("dtype"), text.pop("threads"), text.pop("kernels")) == ("float32", 2, "auto")
    elif group == "data":
        of_a_file = {"npz": "x.npz", "text": "x.txt"}
        own = {key: option.default for key, option in reader(of_a_file.get(name, name))[1].items()}
        assert text == {"name": "???" if name in of_a_file else name, "valid": None, "limit": None, **own}
        return
    kind = part(group, text.pop("name"))
    schema = options(kind, leave_out=(*GIVEN, "valid", "limit"))
    if name in RECIPES:
        assert kind(**text) == RECIPES[name](mlp()).optimizer
        assert set(text) == set(schema)
    else:
        assert text.keys() == schema.keys()
        assert fill(text, schema, group) == fill({}, schema, group)


def test_every_part_has_a_file() -> None:
    for group in ("data", "model", "trainer", "optimizer", "objective", "readout", "backend", "augment", "stop"):
        files = {path.stem for path in (CONF / group).glob("*.yaml")}
        ours = {name for name in names(group) if "lab." in part(group, name).__module__}
        assert ours <= files, group


def test_what_a_run_may_do_without_can_be_swept_over() -> None:
    assert composed()["augment"] is composed("augment=none", "stop=none")["stop"] is None
    both = composed("augment=images", "augment.shift=1", "stop=patience")
    assert (both["augment"]["shift"], both["stop"]["patience"]) == (1, 5)


def test_every_option_has_a_comment() -> None:
    plain_words = {"name", "l1", "l2", "learning_rate", "beta1", "beta2", "eps", "momentum", "weight_decay", "epochs"}
    for path in CONF.glob("*/*.yaml"):
        if path.parent.name in ("experiment", "sweep", "protocol"):
            continue
        for line in path.read_text().splitlines():
            key = line.strip().split(":")[0]
            if line and not line.lstrip().startswith(("#", "-")) and key not in plain_words | {"defaults", "trainer"}:
                assert "#" in line, f"{path}: {line}"


@pytest.mark.parametrize("trainer", ["backprop", "forward_forward"])
def test_a_trainer_brings_what_suits_it(trainer: str) -> None:
    kind = {"backprop": BackpropTrainer, "forward_forward": ForwardForwardTrainer}[trainer]
    built = build(parse(composed(f"trainer={trainer}")))
    assert type(built) is kind and built.optimizer == kind(mlp()).optimizer
    config = parse(composed(f"trainer={trainer}", "optimizer=adam"))
    assert config.optimizer is not None and config.optimizer["schedule"] == "constant"


@pytest.mark.parametrize("path", sorted(CONF.glob("experiment/*.yaml")), ids=lambda path: path.stem)
def test_experiments_are_small_and_parse(path: Path) -> None:
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    assert len(lines) <= 10
    asked = [f"experiment={path.stem}", *(["data.name=book.txt"] if "/data: text" in path.read_text() else [])]
    config = parse(composed(*asked))
    build(config)
    assert parse(composed(*asked, "trainer.epochs=1")).epochs == 1  # the command line wins


def test_the_recipes_experiments() -> None:
    full, small = parse(composed("experiment=ff_supervised")), parse(composed("experiment=ff_3x1000"))
    assert (full.model["depth"], full.model["width"], full.epochs, full.data["valid"]) == (4, 2000, 60, 0)
    assert (small.model["depth"], small.model["width"], small.epochs, small.data["valid"]) == (3, 1000, 20, 0)
    assert full.trainer["name"] == small.trainer["name"] == "forward_forward"


def test_the_quick_sweep() -> None:
    config = composed("+sweep=quick")
    assert (config["model"]["depth"], config["model"]["width"], config["data"]["limit"]) == (3, 500, None)
    assert 5 <= config["trainer"]["epochs"] <= 8  # enough for 97 %, and under three minutes
    assert config["name"] == "quick" and config["data"]["name"] == "mnist"
