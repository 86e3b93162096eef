"""`python -m lab.bench [COMMAND]`, or `lab bench ...`: see `COMMANDS`; without one, speed."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

from lab.errors import LabError, UsageError
from lab.record.storage import make_folder

COMMANDS = ("speed", "layers", "inference", "scaling", "parallel", "memory", "store", "report")
_USUAL = "4x2000,3x1000"
_TINY = ("lab", "torch", "torch-plain", "torch-fused", "gemm-numpy")  # what needs no compiling
_MINE = Path("reports/mine")  # and not the committed reports, which --out reports/speed and its like measure anew
_OUT = {
    "speed": _MINE / "speed",
    "layers": _MINE / "speed",
    "scaling": _MINE / "speed",
    "inference": _MINE / "speed",
    "parallel": _MINE / "speed",
    "memory": _MINE / "memory",
    "store": _MINE / "store",
}
_TRIED = Path("build/bench")  # of --quick, whose figures must not take the place of measured ones


def main(argv: list[str] | None = None) -> int:
    """Do what the command line asks; returns the exit status."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    word = "speed"
    if arguments and not arguments[0].startswith("-"):
        word = arguments.pop(0)
    try:
        if word not in COMMANDS:
            from lab.registry import unknown

            raise UsageError(unknown("bench command", word, COMMANDS))
        commands = {
            "speed": _speed, "layers": _layers, "inference": _inference, "scaling": _scaling, "parallel": _parallel,
            "memory": _memory, "store": _store, "report": _report,
        }  # fmt: skip
        return commands[word](arguments)
    except LabError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("stopped; nothing was written", file=sys.stderr)
        return 130


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in a sentence, as the lab does everywhere, without the usage before it."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message.removeprefix('argument ')}; `{self.prog} --help` lists what there is")


def _parser(word: str, what: str) -> _Parser:
    parser = _Parser(prog=f"python -m lab.bench {word}", description=what)
    if word != "report":
        parser.add_argument("--out", type=Path, help=f"folder to write to ({_OUT[word]}, or {_TRIED} with --quick)")
        parser.add_argument("--quick", action="store_true", help="tiny sizes: shows that it works, not how fast it is")
    return parser


def _asked(word: str, parser: _Parser, arguments: list[str]) -> argparse.Namespace:
    """The options, `out` being a folder that can be written to: that is seen before anything is measured."""
    asked = parser.parse_args(arguments)
    asked.out = asked.out or (_TRIED if asked.quick else _OUT[word])
    if not os.access(make_folder(asked.out), os.W_OK):
        raise UsageError(f"{asked.out} cannot be written to; choose another folder by --out")
    return asked


def _speed(arguments: list[str]) -> int:
    from lab.bench.speed import Plan, compare
    from lab.bench.tables import case_sentences, case_table, case_title, machine_lines
    from lab.bench.work import FAMILIES, Work, subjects
    from lab.measure.environment import usable_cores

    parser = _parser("speed", "Training steps side by side with PyTorch.")
    parser.add_argument("--sizes", type=_sizes, default=_sizes(_USUAL), help=f"depth x width, ... ({_USUAL})")
    parser.add_argument("--families", type=_names, default=FAMILIES, help=f"of {', '.join(FAMILIES)} (all)")
    parser.add_argument("--subjects", type=_names, default=(), help="only these sides, such as lab,torch-fused (all)")
    parser.add_argument("--threads", type=_positive, default=usable_cores(), help="threads of each side (all cores)")
    parser.add_argument("--batch", type=_positive, default=100, help="images a step (100)")
    parser.add_argument("--steps", type=_positive, default=20, help="measured steps of a turn (20)")
    parser.add_argument("--warm-up", type=_count, default=3, help="steps before them (3)")
    parser.add_argument("--rounds", type=_positive, default=5, help="turns of each side in a set of processes (5)")
    parser.add_argument("--repeats", type=_positive, default=3, help="sets of fresh processes (3)")
    parser.add_argument("--data", default="mnist", help="data set (mnist)")
    parser.add_argument("--rows", type=_positive, help="training rows (all)")
    asked = _asked("speed", parser, arguments)
    sizes, plan = asked.sizes, Plan(asked.steps, asked.warm_up, asked.rounds, asked.repeats, asked.subjects)
    if asked.quick:
        sizes, plan = [(2, 64)], Plan(3, 1, 2, 1, asked.subjects or _TINY)
    works = [
        Work(family, {"name": "mlp", "depth": depth, "width": width}, asked.batch, asked.threads, data=asked.data,
             rows=asked.rows or (1000 if asked.quick else None))
        for family in asked.families
        for depth, width in sizes
    ]  # fmt: skip
    for work in works:
        subjects(work, plan.only)  # a wrong name ends here, before anything is measured
    works[0].split()  # and so do data that are not there, or no whole batch of them
    result = compare(works, plan, _tell)
    print("\n".join(machine_lines(result)))
    for case in result["cases"]:
        print(f"\n{case_title(case)}\n{case_table(case).text()}")
        print("\n".join(case_sentences(case)))
    return _saved(result, asked.out)


def _layers(arguments: list[str]) -> int:
    from dataclasses import replace

    from lab.bench.layer_work import LAYERS, SIDES, USUAL
    from lab.bench.speed import Plan, measured
    from lab.bench.tables import layers_table, machine_lines
    from lab.measure.environment import usable_cores
    from lab.registry import unknown

    parser = _parser("layers", "Forward and backward of single layers side by side with PyTorch.")
    parser.add_argument("--layers", type=_names, default=LAYERS, help=f"of {', '.join(LAYERS)} (all)")
    parser.add_argument("--threads", type=_positive, default=usable_cores(), help="threads of each side (all cores)")
    parser.add_argument("--steps", type=_positive, default=20, help="measured passes of a turn (20)")
    parser.add_argument("--rounds", type=_positive, default=5, help="turns of each side in a set of processes (5)")
    parser.add_argument("--repeats", type=_positive, default=1, help="sets of fresh processes (1)")
    asked = _asked("layers", parser, arguments)
    for name in asked.layers:
        if name not in LAYERS:
            raise UsageError(unknown("layer", name, LAYERS))
    plan = Plan(asked.steps, 3, asked.rounds, asked.repeats, memory=False)
    works = [replace(work, threads=asked.threads) for work in USUAL if work.layer in asked.layers]
    if asked.quick:
        works, plan = [replace(work, batch_size=4) for work in works], Plan(2, 1, 1, 1, memory=False)
    result = measured("layers", [(work, SIDES) for work in works], plan, _tell)
    print("\n".join([*machine_lines(result), "", layers_table(result).text()]))
    return _saved(result, asked.out)


def _inference(arguments: list[str]) -> int:
    from lab.bench.inference import Plan, answer
    from lab.bench.tables import inference_table, machine_lines
    from lab.measure.environment import usable_cores

    usual = Plan()
    parser = _parser("inference", "Rows a second of each readout, apart from training.")
    parser.add_argument("--size", type=_sizes, default=[(usual.depth, usual.width)], help="depth x width (3x1000)")
    parser.add_argument("--rows", type=_positive, default=usual.rows, help="rows answered in one go (2000)")
    parser.add_argument("--rounds", type=_positive, default=usual.rounds, help="measured turns of each readout (7)")
    parser.add_argument("--epochs", type=_positive, default=usual.epochs, help="epochs of training before (1)")
    parser.add_argument("--shortlists", type=_numbers, default=usual.shortlists, help="labels of a list, ... (2,3)")
    parser.add_argument("--threads", type=_positive, default=usable_cores(), help="threads (all cores)")
    parser.add_argument("--data", default=usual.data, help="data set with validation rows (mnist)")
    asked = _asked("inference", parser, arguments)
    (depth, width), *_ = asked.size
    plan = Plan(depth, width, asked.rows, asked.rounds, 1, asked.epochs, asked.shortlists, asked.threads, asked.data)
    if asked.quick:
        plan = Plan(2, 32, 50, 2, 1, 1, (2,), asked.threads, "digits")
    result = answer(plan, _tell)
    print("\n".join([*machine_lines(result), "", inference_table(result).text()]))
    return _saved(result, asked.out)


def _scaling(arguments: list[str]) -> int:
    from lab.bench.scaling import Plan, grow
    from lab.bench.tables import machine_lines, scaling_table
    from lab.measure.environment import usable_cores

    usual = Plan()
    parser = _parser("scaling", "Time against samples, depth and parameters.")
    parser.add_argument("--threads", type=_positive, default=usable_cores(), help="threads (all cores)")
    parser.add_argument("--depths", type=_numbers, default=usual.depths, help="hidden layers, ... (2,4,6,8,12)")
    parser.add_argument("--widths", type=_numbers, default=usual.widths, help="units, ... (500,1000,1500,2000,3000)")
    parser.add_argument("--samples", type=_numbers, default=usual.samples, help="rows of an epoch, ... (2000 to 16000)")
    parser.add_argument("--base", type=_sizes, default=[(usual.depth, usual.width)], help="network else (4x1000)")
    parser.add_argument("--steps", type=_positive, default=usual.steps, help="measured steps of a point (20)")
    parser.add_argument("--repeats", type=_positive, default=usual.repeats, help="processes for each point (3)")
    asked = _asked("scaling", parser, arguments)
    (depth, width), *_ = asked.base
    plan = Plan(depth, width, asked.depths, asked.widths, asked.samples, threads=asked.threads, steps=asked.steps,
                repeats=asked.repeats)  # fmt: skip
    if asked.quick:
        plan = Plan(2, 64, (1, 2), (32, 64), (200, 400), threads=asked.threads, steps=2, warm_up=1, repeats=1,
                    attempts=1)  # fmt: skip
    result = grow(plan, _tell)
    print("\n".join([*machine_lines(result), "", scaling_table(result).text()]))
    return _saved(result, asked.out)


def _parallel(arguments: list[str]) -> int:
    from lab.bench.parallel import Plan, race, usual
    from lab.bench.tables import case_title, machine_lines, parallel_table, prediction_table
    from lab.measure.environment import usable_cores

    plan = Plan()
    parser = _parser("parallel", "One process and several: layer-parallel forward-forward, parallel backpropagation.")
    parser.add_argument("--sizes", type=_sizes, default=_sizes(_USUAL), help=f"depth x width, ... ({_USUAL})")
    parser.add_argument(
        "--threads", type=_positive, default=usable_cores(), help="threads of each way in all (all cores)"
    )
    parser.add_argument("--batch", type=_positive, default=100, help="images a step (100)")
    parser.add_argument("--steps", type=_positive, default=plan.steps, help="measured steps of a turn (8)")
    parser.add_argument("--rounds", type=_positive, default=plan.rounds, help="turns of each way (3)")
    asked = _asked("parallel", parser, arguments)
    works = usual(asked.sizes, asked.batch, asked.threads)
    plan = Plan(asked.steps, plan.warm_up, asked.rounds)
    if asked.quick:
        works, plan = usual([(2, 32)], 20, asked.threads, rows=400), Plan(2, 8, 1, 1, (2,), (2, 4))
    result = race(works, plan, _tell)
    print("\n".join(machine_lines(result)))
    for case in result["cases"]:
        print(f"\n{case_title(case)}\n{parallel_table(case).text()}")
    print(f"\n{prediction_table(result).text()}")
    return _saved(result, asked.out)


def _memory(arguments: list[str]) -> int:
    from lab.bench.memory import Grid, sweep
    from lab.bench.tables import exponent_table, memory_table

    usual = Grid()
    parser = _parser("memory", "Counted memory over depth x width x batch, beside the analytic model.")
    parser.add_argument("--depths", type=_numbers, default=usual.depth, help="hidden layers, ... (3,6,12,24)")
    parser.add_argument("--widths", type=_numbers, default=usual.width, help="units, ... (250,500,1000)")
    parser.add_argument("--batches", type=_numbers, default=usual.batch, help="images a step, ... (50,100,200)")
    asked = _asked("memory", parser, arguments)
    grid = Grid((2, 4), (64, 128), (20, 40)) if asked.quick else Grid(asked.depths, asked.widths, asked.batches)
    result = sweep(grid, _tell)
    largest = {"depth": max(grid.depth), "width": max(grid.width), "batch": max(grid.batch)}
    print("\n".join([memory_table(result, largest).text(), "", exponent_table(result).text()]))
    return _saved(result, asked.out)


def _store(arguments: list[str]) -> int:
    from lab.bench import store_page
    from lab.bench.store import Plan, measure
    from lab.bench.tables import machine_lines

    usual = Plan()
    parser = _parser("store", "Thousands of run folders: operations a run, and what reading all of them takes.")
    parser.add_argument("--sizes", type=_numbers, default=usual.sizes, help="run folders, ... (10000,100000)")
    parser.add_argument("--records", help="folder with runs whose records are copied (two small runs, made for it)")
    parser.add_argument("--keep", help="folder to write the stores to and leave them in (a temporary one)")
    parser.add_argument("--repeats", type=_positive, default=usual.repeats, help="readings of each store (1)")
    asked = _asked("store", parser, arguments)
    plan = Plan((40,) if asked.quick else asked.sizes, asked.records, asked.keep, asked.repeats)
    result = measure(plan, _tell)
    tables = [store_page.operations_table(result), store_page.reading_table(result)]
    print("\n".join([*machine_lines(result), *(f"\n{table.text()}" for table in tables)]))
    print(f"\n{store_page.save(result, asked.out)}")
    return 0


def _report(arguments: list[str]) -> int:
    from lab.bench import store_page
    from lab.bench.output import render

    parser = _parser("report", "Draws tables and figures anew from the JSON files of earlier measurements.")
    parser.add_argument("--out", type=Path, action="append", help=f"folder with them (those in {_MINE})")
    asked = parser.parse_args(arguments)
    folders = asked.out or [folder for folder in dict.fromkeys(_OUT.values()) if folder.exists()]
    if not folders:
        raise UsageError(f"there is nothing to draw in {_MINE}; measure first, or name another folder by --out")
    for folder in folders:
        print(store_page.render(folder) if (folder / "store.json").exists() else render(folder))
    return 0


def _saved(result: dict[str, Any], folder: Path) -> int:
    from lab.bench.output import save

    save(result, folder)
    print(f"\n{folder / 'index.md'}")
    return 0


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(_positive(word) for word in text.split(","))


def _sizes(text: str) -> list[tuple[int, int]]:
    pairs = [word.strip().split("x") for word in text.split(",")]
    if any(len(pair) != 2 or not all(number.isdecimal() and int(number) for number in pair) for pair in pairs):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of depth x width such as 4x2000,3x1000")
    return [(int(depth), int(width)) for depth, width in pairs]


def _positive(word: str) -> int:
    if not word.strip().isdecimal() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"{word!r} is not a whole number of at least 1")
    return int(word)


def _count(word: str) -> int:
    return 0 if word.strip() == "0" else _positive(word)


def _names(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(","))


if __name__ == "__main__":
    sys.exit(main())
