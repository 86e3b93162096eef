"""Answering apart from training: rows a second of each readout, with the passes it takes and how often it is right.

One network is trained by backpropagation and one by forward-forward for a few epochs, so that accuracies mean
something; then every readout answers the same rows in turn, round after round: what slows the machine slows all.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from time import perf_counter
from typing import TYPE_CHECKING, Any

from lab import __version__
from lab.bench.spread import Spread

if TYPE_CHECKING:
    from lab.trainers import Trainer


@dataclass(frozen=True)
class Plan:
    """What is measured: the network, the rows that are answered in one go, and how often."""

    depth: int = 3
    width: int = 1000
    rows: int = 2000
    rounds: int = 7
    warm_up: int = 1
    epochs: int = 1
    shortlists: tuple[int, ...] = (2, 3)
    threads: int = 2
    data: str = "mnist"


def answer(plan: Plan, tell: Callable[[str], None] = lambda text: None) -> dict[str, Any]:
    """All readouts; returns what inference.json holds. Accuracies are on validation rows."""
    from lab.data import load_dataset
    from lab.measure.environment import environment
    from lab.networks import mlp
    from lab.trainers import BackpropTrainer, ForwardForwardTrainer, Readout

    started, load = datetime.now(UTC), os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    data = load_dataset(plan.data)
    network = mlp(depth=plan.depth, width=plan.width)
    made: dict[str, Trainer] = {
        "backprop": BackpropTrainer(network, threads=plan.threads),
        "forward-forward": ForwardForwardTrainer(network, threads=plan.threads),
    }
    for name, trainer in made.items():
        tell(f"{name}: training {plan.epochs} epochs")
        for _ in trainer.fit(data.train, epochs=plan.epochs):
            pass
    forward = made["forward-forward"]
    assert isinstance(forward, ForwardForwardTrainer)
    readouts: dict[str, Readout | None] = {"backprop, output layer": None}
    readouts["forward-forward, softmax"] = Readout(answer="softmax")
    for k in plan.shortlists:
        readouts[f"forward-forward, shortlist of {k}"] = Readout(answer="shortlist", shortlist=k)
    readouts["forward-forward, goodness"] = Readout()
    x = data.valid.x[: plan.rows]
    times: dict[str, list[float]] = {name: [] for name in readouts}
    facts: dict[str, dict[str, Any]] = {}
    for turn in range(plan.warm_up + plan.rounds):
        tell(f"round {turn + 1}/{plan.warm_up + plan.rounds}")
        for name, readout in readouts.items():
            trainer = made["backprop"] if readout is None else forward
            if readout is not None:
                forward.readout = replace(forward.readout, answer=readout.answer, shortlist=readout.shortlist)
            trainer.ops.synchronize()
            began = perf_counter()
            found = trainer.predict_proba(x)  # on the host, so that a GPU has been waited for
            seconds = perf_counter() - began
            if turn < plan.warm_up:
                right = float((found.argmax(axis=1) == data.valid.y[: len(x)]).mean())
                cost = trainer.cost()
                facts[name] = {"accuracy": right, **{key: cost[key] for key in cost if key.endswith("per_prediction")}}
            else:
                times[name].append(seconds)
    return {
        "schema": 1,
        "kind": "inference",
        "started": started.isoformat(timespec="seconds"),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {**environment(threads=plan.threads, kernels=forward.ops.kernels), "load_average": load},
        "versions": {"lab": __version__},
        "plan": asdict(plan),
        "n": len(x),
        "readouts": [
            {"name": name, **facts[name], "rows_per_second": Spread.of([len(x) / s for s in found]).as_dict()}
            for name, found in times.items()
        ],
    }
