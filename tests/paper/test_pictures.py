"""Pictures of trained runs: what is kept of a run, and that what is drawn shows it."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lab.app import main
from lab.data import load_dataset
from lab.errors import DataError
from lab.networks import cnn, mlp
from lab.paper import pictures
from lab.paper.claims import Claim
from lab.paper.look import confusion, fields, lines, look
from lab.paper.match import Found, flat, records_under
from lab.paper.rows import Row
from lab.report.style import styled
from lab.trainers import BackpropTrainer
from tests.paper.test_rows import put
from tests.trainers.test_rollouts import made, rows

CLAIM = Claim("a row", "3", "", "")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small run in its folder, as the command line makes it."""
    runs = tmp_path_factory.mktemp("runs")
    options = ["data=mnist", "data.limit=60", "model.depth=2", "model.width=30", "trainer.epochs=2", "progress=false"]
    assert main([*options, "diagnose=[histograms]", "backend.threads=1", f"runs={runs}"]) == 0
    (folder,) = (p for p in runs.iterdir() if (p / "record.json").exists())
    return folder


def test_what_is_kept_of_a_run_is_what_it_answers_and_weighs(trained: Path) -> None:
    found = json.loads(look(trained).read_text())
    assert set(found) == {"schema", "run_id", "fields", "confusion"}
    counts = np.array(found["confusion"])
    record = json.loads((trained / "record.json").read_text())
    assert counts.shape == (10, 10) and np.trace(counts) / counts.sum() == record["final"]["test"]["accuracy"]
    assert found["fields"]["shape"] == [28, 28] and len(found["fields"]["units"]) == 20
    row = Row(CLAIM, "trained", (Found(trained.name, trained, "0", record, flat(record["config"])),))
    with styled():
        seen = pictures.looks([row])
        drawn = [pictures.receptive_fields(seen), pictures.confusions(seen), pictures.histograms([row])]
    assert [len(figure.panels) for figure in drawn] == [1, 1, 2]
    wrong = int(counts.sum() - np.trace(counts))
    assert f"{wrong} of 60" in "".join(drawn[1].panels[0].element.itertext())
    assert "positive rows" in drawn[2].panels[0].alt


def test_a_picture_stays_inside_the_page(tmp_path: Path) -> None:
    with styled():
        figure = pictures.hybrids(n=3)
    figure.save(tmp_path)
    assert 'href="data:image/png;base64,' in (tmp_path / "hybrids.svg").read_text()


def test_fields_are_those_of_the_first_block() -> None:
    data = load_dataset("mnist", limit=20)
    trainer = BackpropTrainer(mlp(depth=1, width=3))
    list(trainer.fit(data.train, epochs=1))
    W = next(p for k, p in trainer.network.blocks[0].params.items() if k.endswith("W"))
    W[...] = 0
    W[5, 1], W[6, 2] = 2.0, -4.0
    units = [np.frombuffer(base64.b64decode(u), np.int8) for u in fields(trainer)["units"]]
    assert units[0][6] == -127 and units[1][5] == 127 and not units[2].any()  # the longest first
    other = BackpropTrainer(cnn(channels=(2,)))
    list(other.fit(data.train, epochs=1))
    assert fields(other) == {}


def test_lines_are_begun_by_the_text_and_gone_on_with_by_the_network() -> None:
    trainer = made()
    list(trainer.fit(rows(), epochs=1))

    class Data:
        train = test = rows()
        classes = tuple("abcde")
        task, n_classes = "classification", 5

    written: Any = lines(trainer, Data())  # type: ignore[arg-type]
    assert len(written) == 5 and all(len(a) == 4 and len(b) == 80 for a, b in written)
    assert all(a in "abcde" * 3 for a, _ in written)
    assert confusion(trainer, Data()) == []  # type: ignore[arg-type]


def test_the_boxes_effect_needs_two_strengths(tmp_path: Path) -> None:
    put(tmp_path, 0, 0.05, "model.strength=0.0", experiment="ff_blackbox")
    assert pictures.boxes(records_under([tmp_path])).missing
    put(tmp_path, 0, 0.20, "model.strength=1.0", experiment="ff_blackbox")
    with styled():
        figure = pictures.boxes(records_under([tmp_path]))
    assert not figure.missing and "ff_blackbox 20.00" in figure.panels[0].alt


def test_a_recurrent_net_settles(tmp_path: Path) -> None:
    path = put(tmp_path, 0, 0.05, experiment="ff_recurrent") / "record.json"
    assert pictures.settling(records_under([tmp_path])).missing
    record = json.loads(path.read_text())
    record["final"]["test"]["iterations"] = [{"iteration": t, "accuracy": 0.9 + t / 100} for t in range(1, 9)]
    path.write_text(json.dumps(record))
    with styled():
        assert "ff_recurrent 2.00" in pictures.settling(records_under([tmp_path])).panels[0].alt


def test_a_run_without_weights_cannot_be_looked_at(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no run that ended ok"):
        look(put(tmp_path))
