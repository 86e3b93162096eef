"""One step worked with numbers: they are those of a calculation by hand, and watching changes nothing."""

from __future__ import annotations

from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lab.app import main
from lab.data import Split
from lab.errors import UsageError
from lab.explain import explain
from lab.explain.formula import backward_formula, forward_formula, whole_formula
from lab.explain.names import roles
from lab.explain.page import as_html
from lab.explain.steps import Explanation
from lab.explain.story import story
from lab.explain.terminal import as_text
from lab.explain.trace import Trace
from lab.explain.watch import Watch
from lab.layers import (
    LSTM,
    Conv2D,
    Dense,
    Flatten,
    GroupNorm,
    Identity,
    LabelInput,
    LengthNorm,
    MaxPool2D,
    ReLU,
    Residual,
    Sequential,
)
from lab.networks import Block, Network, Source
from lab.objectives import Goodness
from lab.optimizers import SGD
from lab.trainers import BackpropTrainer, ForwardForwardTrainer
from tests.explain import by_hand

HAND = {"backprop": by_hand.backprop, "forward_forward": by_hand.forward_forward}


@pytest.fixture(scope="module")
def found() -> Explanation:
    return explain()


class Cells(HTMLParser):
    """The arrays of a page: {"backprop/block1 forward/Dense forward/y": [["1.1522", ...]]}."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.arrays: dict[str, list[list[str]]] = {}
        self._rows: list[list[str]] | None = None
        self._cell = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        given = dict(attrs)
        if tag == "table":
            self._rows = None
            if "data-of" in given:
                self._rows = self.arrays.setdefault(f"{given['data-of']}/{given['data-letter']}", [])
        elif tag == "tr" and self._rows is not None:
            self._rows.append([])
        self._cell = tag == "td"

    def handle_data(self, data: str) -> None:
        if self._cell and self._rows is not None:
            self._rows[-1].append(data)

    def handle_endtag(self, tag: str) -> None:
        self._cell = False


def number(cell: str) -> float:
    return float(cell.replace("\u2212", "-").replace(",", ""))


@pytest.mark.parametrize("trainer", HAND)
def test_the_page_shows_the_numbers_of_a_calculation_by_hand(found: Explanation, trainer: str) -> None:
    trace = next(t for t in found.traces if t.trainer == trainer)
    weights = {value.name: value.array for value in trace.weights}
    want = HAND[trainer](weights, np.array([[1.0, 0.5]]), 0)
    shown = Cells(as_html(story(found), [])).arrays
    for name, value in want.items():
        cells = np.array([[number(cell) for cell in row] for row in shown[f"{trainer}/{name}"]])
        np.testing.assert_allclose(cells, np.atleast_2d(value), rtol=0.005, atol=5.1e-5, err_msg=name)
        place, what, letter = name.split("/")
        event = next(e for e in trace.events if e.place == place and f"{e.part} {e.action}" == what)
        exact = next(v.array for v in (*event.makes, *event.reads) if v.letter == letter)
        np.testing.assert_allclose(exact, value, rtol=1e-12, atol=1e-15, err_msg=name)


def test_a_block_is_freed_before_the_next_one_begins(found: Explanation) -> None:
    backprop, forward_forward = found.traces
    alive = {m.place: set(m.alive) for m in forward_forward.moments}
    assert "h1" in alive["block1 forward"] and {"dz1", "dW1"} <= alive["block1 backward"]  # dz1 in the place of h1
    assert {"h1", "dh1", "dz1", "dW1", "db1", "rows"}.isdisjoint(alive["block2 forward"])
    assert {"n1", "h2"} <= alive["block2 forward"]
    gone = {m.place: m.gone for m in forward_forward.moments}
    assert "h1" in gone["block1 backward"] and "dz1" in gone["block1 update"] and "dW1" in gone["block2 forward"]
    alive = {m.place: set(m.alive) for m in backprop.moments}
    assert {"h1", "h2", "o"} <= alive["head forward"]
    assert "h1" in alive["block2 backward"] and "h1" not in alive["block1 backward"]
    peaks = {name: [p["activations"] for p in by_depth.values()] for name, by_depth in found.deeper.items()}
    assert len(set(peaks["forward_forward"])) == 1
    steps = np.diff(peaks["backprop"])
    assert list(steps) == [2 * steps[0] // 2, 2 * steps[0], 4 * steps[0]]  # twice the blocks, twice the growth


def test_the_bytes_are_those_of_the_arrays_that_are_named(found: Explanation) -> None:
    """Of backprop every array has a name: a buffer of 64 bytes each."""
    for moment in found.traces[0].moments:
        assert moment.of("activations", "gradients", "data") == 64 * len(moment.alive)


OPTIONS = [
    ["trainer=backprop", "model.depth=3", "trainer.batch_size=3"],
    ["trainer=backprop", "model.norm=length"],
    ["trainer=forward_forward", "model.depth=4", "model.width=3", "trainer.batch_size=5"],
    ["trainer=forward_forward", "trainer.passes=separate", "readout.head=recomputed"],
    ["trainer=forward_forward", "trainer.belief_delay=1", "readout.head=per_block"],
    ["trainer=forward_forward", "data=digits", "trainer.batch_size=2"],
    ["trainer=backprop", "data=diabetes", "objective=squared_error"],
    ["trainer=backprop", "model=cnn"],
    ["trainer=forward_forward", "model=lstm"],
    ["trainer=feedback_alignment", "model.depth=3"],
    ["trainer=local"],
    ["trainer=local", "objective=cwcomp", "model=cnn"],
    ["trainer=contrastive"],
    ["trainer=unsupervised"],
    ["trainer=forward_forward", "trainer.phase=3"],
    ["trainer=unsupervised", "trainer.passes=separate", "readout.head=recomputed"],
    ["trainer=forward_forward", "objective=symba"],
    ["trainer=feedback_alignment", "model=cnn", "trainer.caches=recomputed"],
]


@pytest.mark.parametrize("overrides", OPTIONS, ids=" ".join)
def test_operations_add_up_to_the_cost_of_a_step(overrides: list[str]) -> None:
    found = explain(overrides)
    (trace,) = found.traces
    assert trace.flops == trace.cost["flops_per_step"]
    told = story(found)
    assert told.columns[0].title in as_text(told) and "nan" not in as_html(told, overrides)


def stepped(trainer: Any, shape: tuple[int, ...], watched: bool) -> dict[str, Any]:
    """A step, and all that it leaves behind."""
    trainer.build(shape, 2)
    rows = Split(np.random.default_rng(0).random((3, *shape)), np.array([0, 1, 1]))
    trace = Trace("mine", "mine")
    if watched:
        with Watch(trainer, trace).on():
            list(trainer.fit(rows, epochs=1))
        assert all("forward" not in vars(r.layer) for r in roles(trainer.network))
        assert not {"empty", "during", "affine", "gather"} & {*vars(trainer.ops), *vars(trainer.ops.pool)}
        assert type(trainer.optimizer) is SGD
        assert trace.flops == trainer.cost()["flops_per_step"] and all(e.formula for e in trace.events)
    else:
        list(trainer.fit(rows, epochs=1))
    return {**trainer.state(), "peak": np.array(trainer.memory()["peak"])}


def images() -> Network:
    first = Block("block1", [Sequential([Conv2D(2, kernel=2), GroupNorm(1), MaxPool2D(2)])], ReLU(), LengthNorm())
    body = Residual([Conv2D(2, kernel=1)])
    return Network(
        [first, Block("block2", body, ReLU(), None, [Source("block1")])],
        Sequential([Flatten(), Dense(2)]),
        label_input=LabelInput(),
    )


def sequences() -> Network:
    return Network([Block("block1", LSTM(2), Identity(), LengthNorm())], Dense(2), label_input=LabelInput())


@pytest.mark.parametrize(("make", "shape"), [(images, (1, 5, 5)), (sequences, (4, 2))])
@pytest.mark.parametrize("kind", [BackpropTrainer, ForwardForwardTrainer])
def test_watching_changes_no_bit_and_no_byte_of_any_network(kind: Any, make: Any, shape: tuple[int, ...]) -> None:
    results = []
    for watched in (False, True):
        trainer = kind(make(), optimizer=SGD(0.1), dtype="float64", batch_size=3)
        results.append(stepped(trainer, shape, watched))
    for name, value in results[0].items():
        assert np.array_equal(value, results[1][name]), name


def test_an_array_keeps_its_name_wherever_it_is_read(found: Explanation) -> None:
    product = next(e for e in found.traces[1].events if e.part == "product")
    assert [value.name for value in product.reads] == ["n2", "V"]  # what block 2 passed on, read by the softmax head
    loss = next(e for e in found.traces[0].events if e.action == "objective")
    assert loss.reads[0].name == "o" and loss.makes[-1].name == "do"


def test_weights_change_by_the_optimizers_formula(found: Explanation) -> None:
    """Backprop's first step of Adam moves every weight that has a gradient by its rate, against the gradient's sign."""
    updates = [e for e in found.traces[0].events if e.action == "update"]
    assert len(updates) == 3 and all("w <- w - rate" in e.formula for e in updates)
    for event in updates:
        weights, grads = event.reads[::2], event.reads[1::2]
        assert [g.name for g in grads] == [f"d{w.name}" for w in weights]
        for before, g, after in zip(weights, grads, event.makes, strict=True):
            np.testing.assert_allclose(after.array, before.array - 0.001 * np.sign(g.array), atol=1e-8)


PARTS = """
from dataclasses import dataclass
import lab
from lab.layers import Dense, Flatten, Sequential, Tanh

@lab.register("model", "explained_funnel")
@dataclass(frozen=True)
class Funnel:
    width: int = 200

    def make(self, in_shape, n_outputs, defaults):
        blocks = [lab.Block("block1", Sequential([Flatten(), Dense(self.width)]), Tanh())]
        return lab.Network(blocks, Dense(n_outputs), label="funnel")
"""


def test_parts_of_the_users_own_are_explained(tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    (tmp_path / "explained_parts.py").write_text(PARTS)
    (tmp_path / "conf" / "model").mkdir(parents=True)
    (tmp_path / "conf" / "model" / "explained_funnel.yaml").write_text("name: explained_funnel\nwidth: 200\n")
    monkeypatch.chdir(tmp_path)
    words = ["imports=[explained_parts]", "model=explained_funnel", "trainer=backprop"]
    assert main(["explain", "--config-dir", "conf", *words]) == 0
    printed = capsys.readouterr().out
    assert "funnel" in printed and "y = tanh(x)" in printed and "W1 (2, 2)" in printed
    assert "--config-dir conf" in (tmp_path / "reports" / "mine" / "explain.html").read_text()
    assert main(["explain", "--config-dir", "nowhere", *words]) == 2


def test_every_layer_of_the_lab_says_its_formula() -> None:
    import lab.layers as layers

    kinds = [k for k in vars(layers).values() if isinstance(k, type) and issubclass(k, layers.Layer)]
    for kind in kinds:
        if kind.__name__ not in ("Layer", "Activation", "Recurrent"):
            assert len(forward_formula(kind)) > 4, kind
    assert forward_formula(Dense) == "y = x W + b for x (N, I), W (I, O), b (O,)"
    assert backward_formula(Dense) == "dx = dy W^T, dW = x^T dy, db = sum_n dy_n"
    assert (forward_formula(ReLU), backward_formula(ReLU)) == ("y = max(x, 0)", "dx = dy [y > 0]")
    assert "da_i = dc_t g i (1 - i)" in backward_formula(LSTM)
    assert whole_formula(Goodness).splitlines()[0].startswith("g = sum_j h_j^2")


def test_everything_on_the_page_is_escaped(found: Explanation) -> None:
    bad = "<script>alert(1)</script>"
    told = story(found)
    page = as_html(replace(told, title=bad, answers=[bad], setting=[bad]), [f"data={bad}"])
    assert "<script" not in page and "script-src" not in page and "&lt;script&gt;" in page
    assert "default-src 'none'" in unescape(page) and " style=" not in page and " src=" not in page


@pytest.mark.parametrize(
    ("overrides", "trainer", "rows"),
    [
        (["data=diabetes", "model=linear", "trainer=forward_forward"], "forward_forward", 4),
        (["data=diabetes", "model=linear", "trainer=local", "objective=predsim"], "local", 4),
        (["experiment=bp_diabetes"], "backprop", 1),
        (["experiment=ff_diabetes"], "forward_forward", 4),
        (["experiment=predsim_cnn"], "local", 1),
        (["experiment=ff_recurrent", "trainer.iterations=1"], "recurrent", 1),
    ],
    ids=str,
)
def test_numbers_and_experiments_are_explained(overrides: list[str], trainer: str, rows: int) -> None:
    found = explain(overrides)
    (trace,) = found.traces
    assert (trace.trainer, trace.rows) == (trainer, rows)
    assert (found.setting.source == "diabetes") == any("diabetes" in word for word in overrides)


def test_of_iterations_that_are_alike_two_are_shown() -> None:
    for more, shown in (([], 2), (["trainer.iterations=3"], 3), (["trainer.counted=[3,5]", "trainer.iterations=5"], 5)):
        found = explain(["experiment=ff_recurrent", *more])
        assert found.setting.configs["recurrent"].trainer["iterations"] == shown


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["model.dept=3"], "did you mean 'model.depth'"),
        (["backend=cupy"], "backend=numpy"),
        (["trainer=back"], "backprop"),
        (["model.width=0"], "width=0"),
        (["trainer=layer_parallel"], "other processes"),
    ],
)
def test_wrong_options_are_one_sentence(overrides: list[str], words: str) -> None:
    with pytest.raises(UsageError) as raised:
        explain(overrides)
    assert words in str(raised.value)


def test_the_command_prints_the_step_and_writes_the_page(tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "new" / "page.html"
    assert main(["explain", "trainer=backprop", "model.depth=1", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "Dense forward" in printed and "block1 backward" in printed and str(out) in printed
    assert out.read_text().startswith("<!DOCTYPE html>")
    assert main(["explain", "depth"]) == 2 and "KEY=VALUE" in capsys.readouterr().err
    assert main(["explain", "--out", str(tmp_path)]) == 2
