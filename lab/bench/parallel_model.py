"""What more devices would give: speed-ups from the measured times of blocks, by the balance of what each device gets.

T is the measured time of a step in one process with one thread, t_i that of block i in it, s the measured speed of a
copy into shared memory, D the devices, each as fast as one core here and not slowed by the others (own memory, own
caches). Times that the formulas leave out count as none: gathering and drawing run on the host beside the devices.

    layer-parallel  S = T / max over devices (sum of its t_i + h / s), h the bytes that it hands over for a batch
    pipeline        S = T / ((m + D - 1) / m max over devices (its share of T + h / s)), m micro-batches, shares of T
                    by operations
    data-parallel   S = T / (T / D + 2 (D - 1) / D G / s), G the bytes of all gradients, as if a part of a batch ran at
                    the rate of the whole
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

from lab.parallel import partition

_FLOAT = 4  # bytes
MICRO_BATCHES = 4
Prediction = dict[str, Any]

# speed-up, devices, of what, where it is said
PUBLISHED = (
    ("3.75", 4, "layer-parallel forward-forward with 4 layers", "Aktemur et al. 2024, arXiv 2404.08573"),
    ("1.75", 2, "layer-parallel DeeperForward", "Sun et al., ICLR 2025"),
    ("2.48", 4, "the same", "ibid."),
    ("1.59", 2, "data-parallel backpropagation beside it", "ibid."),
    ("2.61", 4, "the same", "ibid."),
)


def predictions(
    cases: Sequence[dict[str, Any]],
    blocks: Sequence[dict[str, Any]],
    speed: float,
    devices: Sequence[int],
    depths: Sequence[int],
) -> list[Prediction]:
    """One entry for each measured width, depth, method and number of devices.

    Deeper networks than the measured one have blocks as its inner ones are in the median.
    """
    found: list[Prediction] = []
    for each in blocks:
        if len(each["places"]) < 3:  # no inner block, or a failure
            continue
        depth, width, batch = each["network"]["depth"], each["network"]["width"], each["batch_size"]
        case = next(c for c in cases if c["label"] == each["label"] and c["work"]["family"] == "backprop")
        serial = next(s for s in case["subjects"] if s["name"] == "serial-1")
        if serial["status"] != "ok":
            continue
        sizes = [b["parameters"] for b in serial["facts"]["network"]["blocks"]]
        for wanted in sorted({depth, *depths}):
            local = layer_costs(each["places"], wanted)
            weights = [2.0 * sizes[0], *[3.0 * sizes[1]] * (wanted - 1)]  # forward, weights' and inputs' gradients
            measured = [2.0 * sizes[0], *(3.0 * size for size in sizes[1:])]
            backprop = serial["step_seconds"]["median"] * sum(weights) / sum(measured)
            parameters = sizes[0] + sizes[1] * (wanted - 1)
            for count in devices:
                gains = {
                    "layer-parallel": layer_parallel(local, count, 3 * batch * width * _FLOAT / speed),
                    "pipeline": staged(backprop, weights, count, MICRO_BATCHES, 2 * batch * width * _FLOAT / speed),
                    "data-parallel": data_parallel(backprop, count, parameters * _FLOAT / speed),
                }
                found += [
                    {"width": width, "depth": wanted, "measured_depth": depth, "devices": count, "method": method,
                     "speed_up": gain}
                    for method, gain in gains.items()
                ]  # fmt: skip
    return found


def layer_costs(places: dict[str, float], depth: int) -> list[float]:
    """Seconds of each of `depth` blocks, from the measured ones; the head's, which is with the last, in the last.

    The head's time grows with the blocks that it counts.
    """
    names = [name for name in places if name != "head"]
    inner = median(places[name] for name in names[1:])
    costs = [places[names[0]], *([inner] * (depth - 1))]
    if depth == len(names):
        costs = [places[name] for name in names]
    costs[-1] += places.get("head", 0.0) * (depth - 1) / (len(names) - 1)
    return costs


def layer_parallel(costs: Sequence[float], devices: int, handed: float) -> float:
    """S for blocks of these seconds; `handed` is the time of handing a batch from one device to the next."""
    runs = partition(costs, min(devices, len(costs)))
    loads = [sum(costs[i] for i in run) for run in runs]
    return sum(costs) / max(load + (handed if k + 1 < len(runs) else 0.0) for k, load in enumerate(loads))


def staged(total: float, weights: Sequence[float], devices: int, micro_batches: int, handed: float) -> float:
    """S of a pipeline for a step of `total` seconds that the blocks share by `weights`."""
    runs = partition(weights, min(devices, len(weights)))
    heaviest = max(sum(weights[i] for i in run) for run in runs) / sum(weights) * total
    bubble = (micro_batches + len(runs) - 1) / micro_batches
    return total / (bubble * (heaviest + (handed if len(runs) > 1 else 0.0)))


def data_parallel(total: float, devices: int, exchanged: float) -> float:
    """S of equal parts of a batch; `exchanged` is the time of copying all gradients once."""
    return total / (total / devices + 2 * (devices - 1) / devices * exchanged)
