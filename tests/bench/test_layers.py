"""Single layers beside PyTorch's: both sides compute the same, and what was measured is drawn and told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lab.bench.__main__ import main
from lab.bench.layer import Ours
from lab.bench.layer_work import LAYERS, USUAL, LayerWork, from_json
from lab.bench.work import Work
from lab.errors import UsageError
from tests.layers.against_torch import REASON


@pytest.mark.parametrize("work", USUAL, ids=lambda w: w.label.replace(" ", "-"))
def test_both_sides_do_the_same_work(work: LayerWork) -> None:
    """Outputs and input gradients have one shape; equal values are for tests/layers to show, with equal weights."""
    pytest.importorskip("torch", reason=REASON)
    from lab.bench.pytorch.layer import Theirs

    small = LayerWork(work.layer, work.in_shape, work.options, batch_size=2, threads=1)
    ours, theirs = Ours(small), Theirs(small)
    y, dx, grads = ours.once()
    other = theirs.once()
    assert y.shape == tuple(other.shape)
    assert dx.shape == tuple(theirs.x.grad.shape)
    found = sum(g.size for g in grads.values())
    expected = sum(p.numel() for p in theirs.module.parameters())
    if work.layer in ("RNN", "LSTM"):
        expected -= theirs.module.bias_hh_l0.numel()  # PyTorch keeps a second bias that adds nothing
    elif work.layer == "GRU":
        expected -= theirs.module.bias_hh_l0.numel() * 2 // 3  # of it only the candidate's matters
    assert found == expected
    if work.layer in ("MaxPool2D", "BatchNorm", "GroupNorm"):  # nothing drawn: the values themselves agree
        np.testing.assert_allclose(y, other.detach().numpy(), atol=1e-4)


def test_a_work_survives_json() -> None:
    for work in (USUAL[4], Work("backprop", {"name": "mlp", "depth": 2, "width": 3})):
        assert from_json(json.loads(json.dumps(work.as_dict()))) == work


def test_an_unknown_layer_is_named() -> None:
    with pytest.raises(UsageError, match="unknown layer 'Densee'"):
        LayerWork("Densee", (3,))
    assert {work.layer for work in USUAL} == set(LAYERS)


def test_layers_are_measured_drawn_and_told(tmp_path: Path, capsys: Any) -> None:
    pytest.importorskip("torch", reason=REASON)
    assert main(["layers", "--quick", "--layers", "Dense", "--threads", "1", "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "layers.json").read_text())
    assert found["kind"] == "layers"
    assert [case["work"]["layer"] for case in found["cases"]] == ["Dense", "Dense"]
    assert all(s["status"] == "ok" for case in found["cases"] for s in case["subjects"])
    page = (tmp_path / "index.md").read_text()
    assert "Dense 784, 2000 units" in page
    assert "FIGURE" not in page
    assert main(["layers", "--layers", "Danse"]) == 2
    assert "Dense" in capsys.readouterr().err
