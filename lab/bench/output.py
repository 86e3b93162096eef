"""What is left on disk: a JSON file, the figure as SVG and PNG, and index.md, each written whole or not at all."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab.bench import tables
from lab.bench.memory import AXES, against_backprop
from lab.bench.parallel_model import MICRO_BATCHES, PUBLISHED
from lab.errors import DataError, UsageError
from lab.record import storage
from lab.report.numbers import fixed
from lab.report.text import counted, markdown

KINDS = ("speed", "layers", "inference", "scaling", "parallel", "memory")
SCHEMA = 1


def save(result: dict[str, Any], folder: Path) -> None:
    """Write a result into the folder and draw the folder's page anew."""
    storage.make_folder(folder)
    storage.write_json_atomic(folder / f"{result['kind']}.json", result)
    render(folder)


def render(folder: Path) -> Path:
    """Draw figures and index.md from the JSON files of a folder; returns the page. Raises UsageError without any."""
    results = {kind: read(folder / f"{kind}.json", kind) for kind in KINDS if (folder / f"{kind}.json").exists()}
    if not results:
        raise UsageError(f"{folder} holds no result of a bench; run `python -m lab.bench --out {folder}` first")
    from lab.bench import figures

    draw: dict[str, Callable[[dict[str, Any]], Any]] = {
        "speed": figures.speed_figure,
        "layers": figures.layers_figure,
        "scaling": figures.scaling_figure,
        "parallel": figures.parallel_figure,
        "inference": figures.inference_figure,
        "memory": figures.memory_figure,
    }
    parts = []
    for kind, result in results.items():
        figure = draw[kind](result)
        if not figure.missing:
            with tempfile.TemporaryDirectory() as drawn:
                figure.save(Path(drawn))
                for file in sorted(Path(drawn).iterdir()):
                    storage.write_atomic(folder / file.name, file.read_bytes())
        # The SVG holds a long text alternative of its own, and the tables below hold its numbers.
        shown = figure.missing or f"![{markdown(figure.title)}]({kind}.svg)\n\n{markdown(figure.caption)}"
        parts.append(_SECTIONS[kind](result).replace("FIGURE", shown))
    page = folder / "index.md"
    storage.write_atomic(page, ("# " + "\n\n# ".join(parts).strip() + "\n").encode())
    return page


def read(path: Path, kind: str) -> dict[str, Any]:
    result = storage.read_json(path)
    if not isinstance(result, dict) or (result.get("schema"), result.get("kind")) != (SCHEMA, kind):
        raise DataError(f"{path} is no {kind} result of this version; measure again")
    return result


def _speed(result: dict[str, Any]) -> str:
    plan = result["plan"]
    lines = [
        "Side by side with PyTorch",
        *map(markdown, tables.machine_lines(result)),
        "FIGURE",
        "Every side trains on equal rows in equal order from equal weights, in a process of its own; turns of "
        f"{plan['steps']} steps, after {plan['warm_up']} that are not counted, alternate between the sides, "
        f"{counted(plan['rounds'], 'round')} in each of {counted(plan['repeats'], 'set')} of fresh processes. "
        "A step begins with the gathering of its batch. Times are medians over steps (smallest to largest), ratios "
        "over pairs of turns.",
    ]
    for case in result["cases"]:
        lines += [f"## {markdown(tables.case_title(case))}", tables.case_table(case).markdown().strip()]
        lines += [markdown(sentence) for sentence in tables.case_sentences(case)]
    lines.append(_DEFINITIONS)
    return "\n\n".join(lines)


_DEFINITIONS = """## What the columns mean

- **share of the GEMM rate**: the time that the step's matrix products take alone, at the faster of numpy's and
  PyTorch's rates on the same shapes and threads, over the step's time. The floating-point operations are those of this
  lab's step (`trainer.cost()`), also for the other sides.
- **process peak**: VmHWM, the largest resident set of the side's process from its first counted step on, libraries and
  data included.
- **activations**, **readout**: this lab's by its pool of buffers, peak of a step by kind; PyTorch's as the bytes that
  autograd saves for the backward pass (saved-tensor hooks; parameters left out, shared storages counted once, inputs of
  a layer included). A form without autograd saves nothing, and only the next column tells what it holds.
- **above resident**: the most that was allocated at one moment of a step above what is alive between steps (weights and
  optimizer): activations, gradients, batch and temporaries together. This lab's by its pool, PyTorch's by its
  profiler's account of the allocator."""


def _layers(result: dict[str, Any]) -> str:
    plan = result["plan"]
    failed = [
        sentence for case in result["cases"] for sentence in tables.case_sentences(case) if "Not measured" in sentence
    ]
    return "\n\n".join([
        "Layer by layer beside PyTorch",
        *map(markdown, tables.machine_lines(result)),
        "FIGURE",
        "Forward and backward of one layer, the gradient of its input included; each side in a process of its own, "
        f"turns of {plan['steps']} passes alternating, {counted(plan['rounds'], 'round')} in each of "
        f"{counted(plan['repeats'], 'set')} of processes. Times are medians over passes (smallest to largest); the "
        "ratio, over pairs of turns, is PyTorch's time over this lab's: above 1 this lab is faster.",
        tables.layers_table(result).markdown().strip(),
        *map(markdown, failed),
    ])  # fmt: skip


def _inference(result: dict[str, Any]) -> str:
    plan = result["plan"]
    return "\n\n".join([
        "Answering, apart from training",
        *map(markdown, tables.machine_lines(result)),
        "FIGURE",
        f"One network by backpropagation and one by forward-forward, {counted(plan['epochs'], 'epoch')} of training "
        f"each on {markdown(plan['data'])}; every readout then answers the same {result['n']:,} rows of the "
        f"validation split, {counted(plan['rounds'], 'turn')} each, alternating, after {plan['warm_up']} that is not "
        "counted. A shortlist is ranked by the softmax head in one pass, and goodness decides between its labels. "
        "Operations are those of `trainer.cost()`: the first block's product with the image is shared between labels.",
        tables.inference_table(result).markdown().strip(),
    ])  # fmt: skip


def _scaling(result: dict[str, Any]) -> str:
    failed = [p for p in result["points"] if p["status"] != "ok"]
    return "\n\n".join([
        "How the time grows",
        *map(markdown, tables.machine_lines(result)),
        "FIGURE",
        tables.scaling_table(result).markdown().strip(),
        "Seconds = at zero + slope x size by least squares; the exponent is the slope of the logarithms, 1 for a "
        "straight line through the origin.",
        *(markdown(f"Not measured: {p['family']}, {p['axis']} {p['x']}, since {p['reason']}.") for p in failed),
    ])  # fmt: skip


def _parallel(result: dict[str, Any]) -> str:
    plan = result["plan"]
    failed = [f"Not measured: {s['label']}, since {s['reason'] or 'it gave no time'}."
              for case in result["cases"] for s in case["subjects"] if s["status"] != "ok"]  # fmt: skip
    lines = [
        "One process and several",
        *map(markdown, tables.machine_lines(result)),
        "FIGURE",
        f"Turns of {plan['steps']} steps, after {plan['warm_up']} that are not counted, alternate between the ways, "
        f"{counted(plan['rounds'], 'round')}; each way trains on equal rows in equal order from equal weights. "
        "Layer-parallel forward-forward draws hard negatives from beliefs as many steps old as it has workers; "
        "the parallel forms of backpropagation make the updates of one process up to rounding.",
    ]
    for case in result["cases"]:
        lines += [f"## {markdown(tables.case_title(case))}", tables.parallel_table(case).markdown().strip()]
    if result["predictions"]:
        lines += ["## What more devices would give", tables.prediction_table(result).markdown().strip(), _model()]
    return "\n\n".join([*lines, *map(markdown, failed)])


def _model() -> str:
    published = "; ".join(
        f"{gain} on {devices} devices for {what} ({where})" for gain, devices, what, where in PUBLISHED
    )
    return (
        "Speed-ups over one process with one thread, from the measured times of single blocks, of whole steps and of a "
        "copy into shared memory; `lab/bench/parallel_model.py` has formulas and assumptions. Each device is as fast "
        "as one core alone and has its own memory, which is why two processes that share one may measure less. Devices "
        f"beyond the number of blocks idle. A pipeline has {MICRO_BATCHES} micro-batches; that small ones multiply at "
        f"a lower rate is not in the model. Published for other networks: {published}."
    )


def _memory(result: dict[str, Any]) -> str:
    largest = {axis: max(point[axis] for point in result["points"]) for axis in AXES}
    worst = result["largest_deviation"]
    where = ", ".join(f"{axis} {value:,}" for axis, value in largest.items())
    return "\n\n".join([
        "Counted memory",
        *map(markdown, tables.machine_lines(result)),
        "FIGURE",
        "Each trainer has its usual optimizer: Adam's two numbers a parameter for backprop, the recipe's one running "
        "average for forward-forward.",
        f"## At {where}",
        tables.memory_table(result, largest).markdown().strip(),
        f"The model (`lab/bench/memory_model.py` has the formulas) is within {fixed(100 * max(worst.values()), 1)} % "
        f"of what was counted, at all {len(result['points'])} points, for every kind that is a hundredth of the peak.",
        "## Forward-forward against each form of backprop",
        tables.against_table(against_backprop(result["points"], largest)).markdown().strip(),
        "Activations over activations at the sizes above, and in brackets with what the readout holds: under 1 "
        "forward-forward is the leaner. The usual backprop stores one array a layer already, since an activation takes "
        "the place of what it was asked of. Lean: recomputing the square root of the depth at a time, and updating "
        "during the backward pass; in parts: micro-batches, whose gradients have to be kept until the last.",
        "## Exponents",
        tables.exponent_table(result).markdown().strip(),
        "The slope of log bytes against the log of one size, the two others at their largest.",
    ])  # fmt: skip


_SECTIONS: dict[str, Callable[[dict[str, Any]], str]] = {
    "speed": _speed,
    "layers": _layers,
    "inference": _inference,
    "scaling": _scaling,
    "parallel": _parallel,
    "memory": _memory,
}
