"""The README's table of networks x trainers x objectives: tried, not typed.

Each cell is one training step on a few made-up images: it works, or the sentence that refuses it says why not. Where
committed records know what the pair reached on MNIST, the mean test error of the setting that was best by the
validation rows stands in the cell, with its sizes and the number of seeds.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lab.data import Split
from lab.errors import UsageError
from lab.registry import part
from lab.report import variants
from lab.report.numbers import fixed
from lab.report.read import read_record

# column -> trainer, objective, further options of the trainer
RULES: Mapping[str, tuple[str, str, dict[str, Any]]] = {
    "backprop": ("backprop", "cross_entropy", {}),
    "forward-forward, goodness": ("forward_forward", "goodness", {"negatives": "uniform"}),
    "SymBa": ("forward_forward", "symba", {"negatives": "uniform"}),
    "CwComp": ("local", "cwcomp", {}),
    "DeeperForward": ("local", "deeper_forward", {}),
    "Mono-Forward": ("local", "mono_forward", {}),
    "predsim": ("local", "predsim", {}),
    "self-contrastive": ("contrastive", "self_contrast", {}),
    "feedback alignment": ("feedback_alignment", "cross_entropy", {}),
}
# row -> model and the options that a small image needs
NETWORKS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "linear, one block": ("linear", {"units": 20}),
    "mlp": ("mlp", {"depth": 2, "width": 20}),
    "cnn": ("cnn", {"channels": (10, 20)}),
    "local fields": ("local_fields", {"channels": (10, 20), "kernel": (4, 2), "stride": (2, 1)}),
    "rnn": ("rnn", {"units": 20}),
    "lstm": ("lstm", {"units": 20}),
    "gru": ("gru", {"units": 20}),
}


def works(network: str, rule: str, **also: Any) -> str:
    """Nothing where a step of the pair can be made, with the options `also` for the model; else what refuses it."""
    model, options = NETWORKS[network]
    options = options | also
    trainer, objective, more = RULES[rule]
    x = np.random.default_rng(0).integers(0, 255, (20, 1, 8, 8)).astype(np.uint8)
    rows = Split(x, np.arange(20) % 10, 1 / 255)
    try:
        made: Any = part("trainer", trainer)(part("model", model)(**options), objective=part("objective", objective)(),
                                             batch_size=20, **more)  # fmt: skip
        list(made.fit(rows, epochs=1))
    except UsageError as error:
        return str(error)
    return ""


def reached(folder: Path) -> dict[tuple[str, str, str], tuple[str, list[float]]]:
    """Sizes and test errors in % on MNIST, by model, trainer and objective: of the setting best by validation rows.

    A setting is everything but the seed, so runs of another size or rate are not averaged with it.
    """
    settings: dict[tuple[str, str, str], dict[tuple[str, str], list[tuple[float, float]]]] = {}
    for path in sorted(folder.glob("*/record.json")):
        record = read_record(path)
        config = record["config"]
        if record["status"] == "ok" and config["data"]["name"] == "mnist":
            names = (config["model"]["name"], config["trainer"]["name"], config["objective"]["name"])
            sizes = variants.network_name(record).removeprefix(names[0]).strip()
            one = (sizes, repr(sorted(variants.settings(config).items())))
            errors = (record["final"]["valid"]["error"], 100 * record["final"]["test"]["error"])
            settings.setdefault(names, {}).setdefault(one, []).append(errors)
    best: dict[tuple[str, str, str], tuple[str, list[float]]] = {}
    for names, found in settings.items():
        (sizes, _), runs = min(found.items(), key=lambda each: _valid(each[1]))
        best[names] = (sizes, [test for _, test in runs])
    return best


def _valid(runs: list[tuple[float, float]]) -> float:
    return sum(valid for valid, _ in runs) / len(runs)


def _cell(sizes: str, errors: list[float]) -> str:
    return f"{fixed(sum(errors) / len(errors), 2)} % ({', '.join(filter(None, [sizes, str(len(errors))]))})"


def table(folder: Path) -> str:
    """The table in Markdown; `folder` holds the records."""
    errors = reached(folder) if folder.is_dir() else {}
    lines = ["| network | " + " | ".join(RULES) + " |", "|---" * (len(RULES) + 1) + "|"]
    for network, (model, _) in NETWORKS.items():
        cells = []
        for rule, (trainer, objective, _) in RULES.items():
            names = (model, trainer, objective)
            mean = _cell(*errors[names]) if names in errors else "yes"
            if not works(network, rule):
                cells.append(mean)
            else:
                cells.append("–" if works(network, rule, norm="length") else f"{mean}, norm=length")
        lines.append(f"| {network} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
