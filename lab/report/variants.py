"""Names for runs: the trainer, network and data set they belong to, and what sets variants of one trainer apart.

Runs may only be averaged over seeds when everything else in their configs is equal. A sweep over epochs=5,10 makes two
variants of each trainer: they become "backprop (epochs=5)" and "backprop (epochs=10)", never one group of six seeds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from lab.report.read import walk, words
from lab.report.text import shorten, visible

DATA_NAMES = {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST", "cifar10": "CIFAR-10", "cifar100": "CIFAR-100"}
# Data sets are listed in this order, others after them.
DATA_ORDER = tuple(DATA_NAMES.values())
# Losses of the output go with any trainer and say nothing about how blocks learn; local objectives do.
LOSSES = ("cross_entropy", "squared_error", "hinge", "binary_cross_entropy")
OBJECTIVE_NAMES = {
    "cwcomp": "CwComp", "deeper_forward": "DeeperForward", "mono_forward": "Mono-Forward", "symba": "SymBa",
    "self_contrast": "self-contrast",
}  # fmt: skip
# Trainers that are named after their usual objective.
USUAL = {"forward_forward": "goodness", "layer_parallel": "goodness"}
NOT_SETTINGS = ("seed", "diagnose", "measures")  # what is looked at beside training changes no result
LABEL = 60


def flatten(config: object, prefix: str = "") -> dict[str, str]:
    """Turns nested options into {"trainer.epochs": "5"}; the values are JSON, so that 1 and "1" stay apart."""
    if not isinstance(config, Mapping):
        return {prefix: json.dumps(config, sort_keys=True, ensure_ascii=True)} if prefix else {}
    flat: dict[str, str] = {}
    for key, value in config.items():
        flat.update(flatten(value, f"{prefix}.{key}" if prefix else str(key)))
    return flat


def settings(config: object) -> dict[str, str]:
    """The flat options that two runs must share to be seeds of one experiment."""
    return {k: v for k, v in flatten(config).items() if k not in NOT_SETTINGS}


class Known:
    """The settings of many runs, flattened once for all seeds of an experiment."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[str, dict[str, str]]] = {}

    def settings(self, config: object) -> tuple[str, dict[str, str]]:
        """What `settings` gives, and before it a text that is the same for the same settings."""
        if not isinstance(config, Mapping):
            return repr([]), {}
        plain = {k: v for k, v in config.items() if k not in NOT_SETTINGS or isinstance(v, Mapping)}
        written = json.dumps(plain)
        if written not in self._found:
            flat = settings(plain)
            self._found[written] = repr(sorted(flat.items())), flat
        return self._found[written]


def trainer_name(record: Mapping[str, Any]) -> str:
    """The trainer as shown, with the local objective that it follows: "forward-forward", "local CwComp"."""
    name = words(walk(record, "config", "trainer", "name")) or words(record.get("family"))
    objective = words(walk(record, "config", "objective", "name"))
    if not name:
        return "unknown trainer"
    if objective in ("", *LOSSES, USUAL.get(name)):
        return visible(name.replace("_", "-"), LABEL)
    return visible(f"{name} {OBJECTIVE_NAMES.get(objective, objective)}".replace("_", "-"), LABEL)


def family_name(family: str) -> str:
    """A family of trainers in words: "forward-forward", "local supervised"."""
    return "forward-forward" if family == "forward_forward" else family.replace("_", " ")


def data_name(record: Mapping[str, Any]) -> str:
    """The data set as shown: "MNIST" for mnist."""
    name = words(walk(record, "data", "name")) or words(walk(record, "config", "data", "name"))
    return DATA_NAMES.get(name.replace("-", "_"), visible(name, LABEL)) or "unknown data"


def network_name(record: Mapping[str, Any]) -> str:
    """The network's label, else one made from the model's options: "mlp 3x500"."""
    label = words(walk(record, "network", "label"))
    if label:
        return visible(label, LABEL)
    name = words(walk(record, "config", "model", "name"))
    depth, width = (walk(record, "config", "model", key) for key in ("depth", "width"))
    sizes = f" {depth}x{width}" if isinstance(depth, int) and isinstance(width, int) else ""
    return visible(f"{name}{sizes}", LABEL) if name else "unknown network"


def seed_name(record: Mapping[str, Any]) -> str:
    """The seed as text, or nothing where the config has none that is a whole number."""
    seed = walk(record, "config", "seed")
    return visible(seed, 40) if isinstance(seed, int) and not isinstance(seed, bool) and abs(seed) < 2**128 else ""


def differing(variants: Iterable[Mapping[str, str]]) -> list[str]:
    """The options whose values are not the same in all variants, sorted."""
    known = list(variants)
    keys = sorted({k for v in known for k in v})
    return [k for k in keys if len({v.get(k) for v in known}) > 1]


def variant_labels(variants: list[Mapping[str, str]]) -> list[str]:
    """One distinct label for each distinct variant: nothing for an only one, else the options that differ."""
    if len(variants) < 2:
        return [""] * len(variants)
    keys = [k for k in differing(variants) if not _goes_with_its_group(k, variants)]
    tails = [_tail(k, variants) for k in keys]
    names = [t if tails.count(t) == 1 else k for k, t in zip(keys, tails, strict=True)]
    labels = [", ".join(f"{n}={_value(v, k)}" for n, k in zip(names, keys, strict=True)) for v in variants]
    labels = [shorten(visible(label), LABEL) for label in labels]
    return [f"{label} (#{i})" if labels.count(label) > 1 else label for i, label in enumerate(labels, 1)]


def _optional(group: str, variants: Iterable[Mapping[str, str]]) -> bool:
    """Whether some of the variants do without a group of options that others have, as without augmentation."""
    there = [any(k == group or k.startswith(f"{group}.") for k in v) for v in variants]
    return bool(group) and not all(there)


def _goes_with_its_group(key: str, variants: list[Mapping[str, str]]) -> bool:
    """Whether an option says no more than that its group is there: all variants that have the group agree on it."""
    group, _, option = key.rpartition(".")
    if option == "name" or not _optional(group, variants):
        return False
    return len({v[key] for v in variants if key in v}) == 1


def _tail(key: str, variants: list[Mapping[str, str]]) -> str:
    """An option's own name; of the name of a group that some do without, the group's: augment=images, augment=none."""
    group, _, option = key.rpartition(".")
    return group if option == "name" and _optional(group, variants) else option


def _value(variant: Mapping[str, str], key: str) -> str:
    if (text := variant.get(key)) is None:
        group, _, option = key.rpartition(".")
        there = any(k == group or k.startswith(f"{group}.") for k in variant)
        return "none" if option == "name" and not there else "unset"
    value = json.loads(text)
    return value if isinstance(value, str) else text
