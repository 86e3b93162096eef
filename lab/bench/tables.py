"""Tables and sentences drawn from the results: every number in them comes out of the JSON."""

from __future__ import annotations

from typing import Any

from lab.bench.alone import LIMIT
from lab.bench.layer_work import from_json
from lab.bench.speed import OURS, USUAL
from lab.bench.table import Table
from lab.report.numbers import fixed, significant
from lab.report.text import counted, listed

FAMILY_NAMES = {"backprop": "backprop", "forward_forward": "forward-forward", "layers": "layers"}
AXIS_UNITS = {"samples": "an epoch", "depth": "a step", "parameters": "a step"}
_MIB = 2.0**20


def mib(nbytes: float | None) -> str:
    """Bytes in MiB; nothing for none."""
    return "" if nbytes is None else significant(nbytes / _MIB)


def spread(found: dict[str, Any] | None, scale: float = 1.0) -> str:
    """ "84.1 (82.9 to 97.2)"; nothing for none."""
    if found is None:
        return ""
    middle, low, high = (significant(scale * found[key]) for key in ("median", "low", "high"))
    return f"{middle} ({low} to {high})"


def case_title(case: dict[str, Any]) -> str:
    """ "forward-forward, mlp 4x2000, batch 100, 2 threads"."""
    work = case["work"]
    threads = f"{work['threads']} thread{'s' if work['threads'] != 1 else ''}"
    return f"{FAMILY_NAMES[work['family']]}, {case['label']}, batch {work['batch_size']}, {threads}"


def case_table(case: dict[str, Any]) -> Table:
    """A case with one row a subject that could be measured."""
    headings = ("subject", "step, ms", "samples/s", "time against this lab's", "share of the GEMM rate",
                "process peak, MiB", "activations, MiB", "readout, MiB", "above resident, MiB")  # fmt: skip
    rows = []
    for subject in case["subjects"]:
        if subject["status"] != "ok":
            continue
        facts, memory = subject["facts"], subject["facts"].get("memory") or {}
        share = subject["share_of_floor"]
        rate = subject["samples_per_second"]
        rows.append([
            subject["label"],
            spread(subject["step_seconds"], 1e3),
            significant(rate) if rate else "",
            spread(subject["ratio"]),
            f"{fixed(100 * share, 0)} %" if share is not None and not subject["floor"] else "",
            mib(facts.get("process_peak_bytes")) if not subject["floor"] else "",
            mib(memory.get("activations")),
            mib(memory.get("readout")) if memory.get("readout") else "",
            mib(memory.get("transient")),
        ])  # fmt: skip
    return Table(headings, rows)


def case_sentences(case: dict[str, Any]) -> list[str]:
    """What a case says: ratios, the floor, and what could not be measured."""
    found = []
    by_name = {s["name"]: s for s in case["subjects"]}
    wanted = list(dict.fromkeys([*USUAL, case["best_rival"]]))
    for name in wanted:
        if name in by_name and by_name[name]["ratio"]:
            which = " (the fastest of its forms)" if name == case["best_rival"] else ""
            ratio = spread(by_name[name]["ratio"])
            found.append(f"{by_name[name]['label']}{which}: {ratio} times this lab's time.")
    if case["floor_seconds"]:
        rates = [f"{significant(rate / 1e9)} GFLOP/s ({name.removeprefix('gemm-')})"
                 for name, rate in case["gemm_flops_per_second"].items()]  # fmt: skip
        ours = by_name.get(OURS, {}).get("share_of_floor")
        reached = f"; this lab reaches {fixed(100 * ours, 0)} % of that" if ours else ""
        found.append(
            f"A step is {significant(case['flops_per_step'] / 1e9)} GFLOP in matrix products, which alone go at "
            f"{listed(rates)} on the very shapes: {significant(1e3 * case['floor_seconds'])} ms at the best{reached}."
        )
    for subject in case["subjects"]:
        if subject["status"] != "ok":
            found.append(f"Not measured: {subject['label']}, since {subject['reason'] or 'it gave no time'}.")
    return found


def layers_table(result: dict[str, Any]) -> Table:
    """One row a layer: both sides' times, the ratio, and the rate of this lab's products."""
    rows = []
    for case in result["cases"]:
        by_name = {s["name"]: s for s in case["subjects"]}
        ours, theirs = by_name[OURS], by_name["torch"]
        rate = case["flops_per_step"] / ours["step_seconds"]["median"] / 1e9 if ours["step_seconds"] else 0
        rows.append([
            f"{from_json(case['work']).label}, batch {case['work']['batch_size']}",
            spread(ours["step_seconds"], 1e3),
            spread(theirs["step_seconds"], 1e3),
            spread(theirs["ratio"]),
            significant(rate) if rate else "",
        ])  # fmt: skip
    return Table(("layer", "this lab, ms", "PyTorch, ms", "ratio", "GFLOP/s"), rows)


def scaling_table(result: dict[str, Any]) -> Table:
    """Fitted lines and exponents."""
    rows = [
        [
            f"{FAMILY_NAMES[fit['family']]}, seconds of {AXIS_UNITS[fit['axis']]} against {fit['axis']}",
            significant(fit["slope"]),
            significant(fit["at_zero"]),
            fixed(fit["r2"], 4),
            fixed(fit["exponent"], 2),
        ]
        for fit in result["fits"]
    ]
    return Table(("", "slope", "at zero", "R\u00b2", "exponent"), rows)


def parallel_table(case: dict[str, Any]) -> Table:
    """A case of one process against several, one row a way."""
    rate = case["work"]["batch_size"]
    rows = [
        [s["label"], spread(s["step_seconds"], 1e3), significant(rate / s["step_seconds"]["median"]),
         spread(s["speed_up"])]
        for s in case["subjects"] if s["status"] == "ok"
    ]  # fmt: skip
    return Table(("way", "step, ms", "samples/s", "speed-up over one thread"), rows)


def prediction_table(result: dict[str, Any]) -> Table:
    """Speed-ups by the model, a column for each number of devices; beside it what was measured with two."""
    counts = sorted({p["devices"] for p in result["predictions"]})
    names = {"layer-parallel": "forward_forward", "pipeline": "backprop", "data-parallel": "backprop"}
    rows, found = [], {(p["width"], p["depth"], p["method"], p["devices"]): p for p in result["predictions"]}
    for width, depth, method in dict.fromkeys(key[:3] for key in found):
        gains = [fixed(found[width, depth, method, count]["speed_up"], 2) for count in counts]
        here = _measured(result, names[method], f"mlp {depth}x{width}", "staged-4" if method == "pipeline" else method)
        rows.append([f"{FAMILY_NAMES[names[method]]}, {method}, {depth}x{width}", *gains, here])
    return Table(("by the model", *(f"{count} devices" for count in counts), "measured, 2"), rows)


def _measured(result: dict[str, Any], family: str, label: str, name: str) -> str:
    for case in result["cases"]:
        for subject in case["subjects"]:
            wanted = (case["work"]["family"], case["label"], subject["name"]) == (family, label, name)
            if wanted and subject["speed_up"]:
                return fixed(subject["speed_up"]["median"], 2)
    return ""


def inference_table(result: dict[str, Any]) -> Table:
    """One row a readout: passes, operations, speed and accuracy."""
    rows = [
        [
            found["name"],
            str(found["passes_per_prediction"]),
            significant(found["flops_per_prediction"] / 1e6),
            spread(found["rows_per_second"]),
            fixed(100 * found["accuracy"], 2),
        ]
        for found in result["readouts"]
    ]
    return Table(("readout", "passes", "Mflop a row", "rows/s", "validation accuracy, %"), rows)


def memory_table(result: dict[str, Any], largest: dict[str, int]) -> Table:
    """What the step of each variant holds at the largest sizes, in MiB: counted, and by the model."""
    kinds = ("weights", "gradients", "optimizer", "activations", "readout", "workspace", "data", "peak")
    rows = []
    for point in result["points"]:
        if all(point[axis] == value for axis, value in largest.items()):
            for name, of in ((point["variant"], "counted"), ("\u2003by the model", "model")):
                rows.append([name, *(mib(point[of][kind]) for kind in kinds), point[of]["peak_at"]])
    return Table(("MiB", *kinds, "peak at"), rows)


def against_table(ratios: list[dict[str, Any]]) -> Table:
    """Forward-forward over each form of backprop: activations, and with the readout; one row a variant."""
    theirs = list(dict.fromkeys(ratio["against"] for ratio in ratios))
    found = {(ratio["variant"], ratio["against"]): ratio for ratio in ratios}
    rows = []
    for ours in dict.fromkeys(ratio["variant"] for ratio in ratios):
        pairs = [found[ours, name] for name in theirs]
        rows.append([ours, *(f"{significant(r['activations'])} ({significant(r['answering'])})" for r in pairs)])
    return Table(("over", *theirs), rows)


def exponent_table(result: dict[str, Any]) -> Table:
    """Fitted exponents of counted bytes, one row a variant."""
    columns = [(kind, axis) for kind in ("activations", "readout") for axis in ("depth", "width", "batch")]
    found = {(e["variant"], e["kind"], e["axis"]): e["exponent"] for e in result["exponents"]}
    names = list(dict.fromkeys(point["variant"] for point in result["points"]))
    rows = [
        [name, *(fixed(found[name, *column], 2) if (name, *column) in found else "" for column in columns)]
        for name in names
    ]
    return Table(("bytes ~ size^p", *(f"{kind}, {axis}" for kind, axis in columns)), rows)


def machine_lines(result: dict[str, Any]) -> list[str]:
    """Where and when it was measured, and whether the machine was busy with something else."""
    machine, versions = result["machine"], result["versions"]
    if not machine:
        return ["The machine was not recorded: this lab's own side could not be measured."]
    packages = [f"{name} {version}" for name, version in {"numpy": machine["numpy"], **versions}.items()]
    found = [
        f"Measured from {result['started']} to {result['finished']} on {machine['cpu']}, {machine['cores']} cores, "
        f"{machine['platform']}; Python {machine['python']}, {listed(packages)}; BLAS {machine['blas']}; "
        f"kernels {machine['kernels']}."
    ]
    others = machine.get("others")
    if others is not None:
        found.append(_alone(others, machine["anew"], machine["cores"]))
        return found
    load = machine["load_average"]
    load = load[0] if isinstance(load, list) else load
    if load is not None and load > machine["cores"] / 4 and result["kind"] != "memory":
        found.append(
            f"The machine was busy when this began (load {significant(load)} on {machine['cores']} cores), so that the "
            "times say little; measure again when it is quiet."
        )
    return found


def _alone(others: float, anew: int, cores: int) -> str:
    """What other processes used of the cores while the turns that count were made, and what that means."""
    found = f"While a turn that counts was made, other processes kept at most {fixed(others, 2)} of {cores} cores busy"
    again = f" ({counted(anew, 'disturbed turn was', 'disturbed turns were')} made anew)" if anew else ""
    judged = "; the times say little: measure again when it is quiet" if others > LIMIT * cores else ""
    return f"{found}{again}{judged}."
