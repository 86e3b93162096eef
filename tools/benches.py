"""The README's tables of speed and memory, drawn from the results of the bench."""

from __future__ import annotations

from pathlib import Path

from lab.bench.memory import AXES
from lab.bench.output import read
from lab.bench.speed import OURS
from lab.bench.table import Table
from lab.bench.tables import case_title, inference_table, machine_lines, mib, spread
from lab.report.numbers import fixed, significant


def speed(folder: Path) -> str:
    """One row a method and network: this lab's step, and the fastest form of PyTorch beside it; then answers.

    Under each table stands whether the machine was busy with something else.
    """
    measured = read(folder / "speed.json", "speed")
    rows = []
    for case in measured["cases"]:
        found = {subject["name"]: subject for subject in case["subjects"]}
        ours, rival = found.get(OURS), found.get(case["best_rival"])
        if ours is None or not ours["step_seconds"]:
            continue
        share = ours["share_of_floor"]
        rows.append([
            case_title(case),
            spread(ours["step_seconds"], 1e3),
            significant(ours["samples_per_second"]),
            spread(rival["ratio"]) if rival else "",
            f"{fixed(100 * share, 0)} %" if share else "",
        ])  # fmt: skip
    steps = Table(("training", "step, ms", "samples/s", "PyTorch's time over ours", "share of the GEMM rate"), rows)
    drawn = [steps.markdown(), *(f"{line}\n" for line in machine_lines(measured)[1:])]
    if (folder / "inference.json").exists():
        answers = read(folder / "inference.json", "inference")
        drawn += [inference_table(answers).markdown(), *(f"{line}\n" for line in machine_lines(answers)[1:])]
    return "\n".join(drawn)


def memory(folder: Path) -> str:
    """One row a form of each method, at the largest sizes of the sweep."""
    result = read(folder / "memory.json", "memory")
    largest = {axis: max(point[axis] for point in result["points"]) for axis in AXES}
    grows = {(e["variant"], e["kind"]): e["exponent"] for e in result["exponents"] if e["axis"] == "depth"}
    rows = [
        [
            point["variant"],
            *(mib(point["counted"][kind]) for kind in ("activations", "readout", "peak")),
            fixed(grows[point["variant"], "activations"], 2),
        ]
        for point in result["points"]
        if all(point[axis] == value for axis, value in largest.items())
    ]
    where = f"mlp {largest['depth']}x{largest['width']}, batch {largest['batch']}"
    headings = (f"MiB, {where}", "activations", "readout", "peak", "p of activations ~ depth^p")
    return Table(headings, rows).markdown()
