"""Every number a report shows, declared once: its name, unit and direction. Nothing is guessed from a column's name."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lab.report.numbers import fixed, plain, significant

HIGHER, LOWER, NEITHER = "higher", "lower", ""


@dataclass(frozen=True)
class Unit:
    """How a stored number is shown: shown = stored * scale, followed by `symbol`; `points` names a difference.

    What is not within `low` and `high` was never measured, and would overflow in the sums and scales behind a figure.
    """

    name: str
    scale: float = 1.0
    symbol: str = ""
    points: str = ""
    low: float = -1e30
    high: float = 1e30


FRACTION = Unit("fraction", 100.0, "%", "points", 0.0, 1.0)
BYTES = Unit("bytes", 1 / 2**20, "MiB", "MiB", 0.0)
SECONDS = Unit("seconds", 1.0, "s", "s", 0.0)
PER_SECOND = Unit("per second", 1.0, "/s", "/s", 0.0)
JOULES = Unit("joules", 1.0, "J", "J", 0.0)
WATTS = Unit("watts", 1.0, "W", "W", 0.0)
COUNT = Unit("count", low=0.0)
NORM = Unit("norm", low=0.0)
COSINE = Unit("cosine", low=-1.0 - 1e-6, high=1.0 + 1e-6)  # rounding may carry it over
PLAIN = Unit("plain")


@dataclass(frozen=True)
class Metric:
    """A column of the frames: `key` is the column, `label` the words shown, `better` higher, lower or neither."""

    key: str
    label: str
    unit: Unit
    better: str
    path: tuple[str, ...] = ()
    digits: int = 3

    @property
    def heading(self) -> str:
        """The label with its unit: "test error, %"."""
        return f"{self.label}, {self.symbol}" if self.symbol else self.label

    @property
    def symbol(self) -> str:
        """The unit as written beside a heading; nothing where the label says it already."""
        return "" if self.unit is PER_SECOND else self.unit.symbol

    @property
    def direction(self) -> str:
        """ "lower is better", "higher is better", or nothing."""
        return f"{self.better} is better" if self.better else ""

    def admits(self, value: float) -> bool:
        """Whether a stored value can be true: finite, a fraction within 0..1, no negative time or size."""
        return math.isfinite(value) and self.unit.low <= value <= self.unit.high

    def show(self, value: float, digits: int | None = None) -> str:
        """Writes one stored value in the shown unit, without the symbol; an unknown value is an en dash."""
        if not math.isfinite(value):
            return "\u2013"
        shown = value * self.unit.scale
        if self.unit is COUNT and value.is_integer():
            return plain(value)
        if self.unit is FRACTION:
            return fixed(shown, 2 if digits is None else digits)
        return significant(shown, self.digits if digits is None else digits)


def plus_minus(mean: float, half: float | None, metric: Metric) -> str:
    """Writes stored mean and half width as "98.32 \u00b1 0.06": fractions with two decimals, others as the half asks.

    That is two digits of the half, but no more than four of the mean as long as the half keeps one. Sizes and counts
    that are the same for every seed are no estimate, and are written alone.
    """
    alone = half is None or (half == 0 and metric.unit is not FRACTION)
    if alone or half is None or not math.isfinite(mean) or not math.isfinite(half):
        return metric.show(mean)
    mean, half = mean * metric.unit.scale, half * metric.unit.scale
    decimals = 2
    if metric.unit is not FRACTION:
        of_half, of_mean = (math.floor(math.log10(v)) for v in (half, abs(mean) or 1.0))
        decimals = max(min(1 - of_half, 3 - of_mean), -of_half)
        mean, half = round(mean, decimals), round(half, decimals)
    return f"{fixed(mean, max(0, decimals))} \u00b1 {fixed(half, max(0, decimals))}"


def _test(key: str, label: str, unit: Unit, better: str, *path: str) -> Metric:
    return Metric(key, label, unit, better, ("final", "test", *path))


MEMORY_PARTS = ("weights", "gradients", "optimizer", "activations", "readout", "workspace", "data")
_NAMES = {"data": "data set"}
TIME_PARTS = ("data", "train", "evaluate", "write", "other")
DIAGNOSTICS = ("cosine", "probes", "dead_units", "pairwise_errors", "saturation", "weight_norms")

METRICS: dict[str, Metric] = {
    m.key: m
    for m in (
        _test("test_accuracy", "test accuracy", FRACTION, HIGHER, "accuracy"),
        _test("test_error", "test error", FRACTION, LOWER, "error"),
        # A loss has another meaning for each trainer: it is kept in runs.csv and never compared.
        _test("test_loss", "test loss", PLAIN, NEITHER, "loss"),
        _test("test_rmse", "test RMSE", PLAIN, LOWER, "rmse"),
        _test("test_r2", "test R\u00b2", PLAIN, HIGHER, "r2"),
        _test("test_accuracy_goodness", "accuracy by goodness", FRACTION, HIGHER, "accuracy_goodness"),
        _test("test_accuracy_softmax", "accuracy by softmax head", FRACTION, HIGHER, "accuracy_softmax"),
        _test("test_bits_per_character", "bits per character", PLAIN, LOWER, "bits_per_character"),
        _test("test_accuracy_shortlist", "accuracy by shortlist", FRACTION, HIGHER, "accuracy_shortlist"),
        Metric("valid_accuracy", "validation accuracy", FRACTION, HIGHER, ("final", "valid", "accuracy")),
        Metric("valid_error", "validation error", FRACTION, LOWER, ("final", "valid", "error")),
        Metric("valid_loss", "validation loss", PLAIN, NEITHER, ("final", "valid", "loss")),
        Metric("valid_rmse", "validation RMSE", PLAIN, LOWER, ("final", "valid", "rmse")),
        Metric("valid_bits", "validation bits per character", PLAIN, LOWER, ("final", "valid", "bits_per_character")),
        Metric("block_accuracy", "accuracy of the block", FRACTION, HIGHER),
        Metric("cosine", "cosine with the true gradient", COSINE, NEITHER),
        Metric("probes", "accuracy of a linear probe", FRACTION, HIGHER),
        Metric("dead_units", "dead units", FRACTION, LOWER),
        Metric("pairwise_errors", "pairs told apart wrongly", FRACTION, LOWER),
        Metric("saturation", "saturated probabilities", FRACTION, NEITHER),
        Metric("weight_norms", "norm of the weights", NORM, NEITHER),
        Metric("samples_per_second", "samples a second", PER_SECOND, HIGHER, ("measured", "samples_per_second")),
        Metric("steps_per_second", "steps a second", PER_SECOND, HIGHER, ("measured", "steps_per_second")),
        Metric("flops_per_second", "operations a second", PER_SECOND, HIGHER, ("measured", "flops_per_second")),
        Metric("target", "target", PLAIN, NEITHER, ("measured", "to_target", "target")),
        Metric("target_seconds", "training time to target", SECONDS, LOWER, ("measured", "to_target", "seconds")),
        Metric("target_epochs", "epochs to target", COUNT, LOWER, ("measured", "to_target", "epochs")),
        Metric("train_flops", "operations of training", COUNT, LOWER),
        Metric("target_flops", "operations to target", COUNT, LOWER),
        Metric("target_joules", "energy to target", JOULES, LOWER),
        Metric("train_seconds", "training time", SECONDS, LOWER, ("measured", "seconds", "train")),
        Metric("evaluate_seconds", "evaluation time", SECONDS, LOWER, ("measured", "seconds", "evaluate")),
        Metric("data_seconds", "loading time", SECONDS, LOWER, ("measured", "seconds", "data")),
        Metric("write_seconds", "time of checkpoints", SECONDS, LOWER, ("measured", "seconds", "write")),
        Metric("other_seconds", "other time", SECONDS, LOWER, ("measured", "seconds", "other")),
        Metric("total_seconds", "total time", SECONDS, LOWER, ("measured", "seconds", "total")),
        Metric("energy_joules", "energy", JOULES, LOWER, ("measured", "energy_joules")),
        Metric("energy_net", "energy above idle", JOULES, LOWER, ("measured", "energy_above_idle_joules")),
        Metric("energy_gpu", "energy of the GPU", JOULES, LOWER, ("measured", "energy_parts", "gpu")),
        Metric("idle_watts", "idle power", WATTS, NEITHER, ("measured", "idle_watts")),
        Metric("rows_per_sample", "rows per sample", COUNT, LOWER, ("cost", "rows_per_sample")),
        Metric("passes_per_step", "passes per step", COUNT, LOWER, ("cost", "passes_per_step")),
        Metric("passes_per_prediction", "passes per prediction", COUNT, LOWER, ("cost", "passes_per_prediction")),
        Metric("flops_per_step", "operations per step", COUNT, LOWER, ("cost", "flops_per_step")),
        *(Metric(f"memory_{p}", f"memory of {_NAMES.get(p, p)}", BYTES, LOWER, ("memory", p)) for p in MEMORY_PARTS),
        Metric("memory_peak", "peak memory", BYTES, LOWER, ("memory", "peak")),
        Metric("process_peak_bytes", "process peak", BYTES, LOWER, ("measured", "process_peak_bytes")),
        Metric("parameters", "parameters", COUNT, NEITHER, ("network", "parameters")),
        Metric("head_parameters", "head parameters", COUNT, NEITHER, ("network", "head_parameters")),
        Metric("n_test", "test samples", COUNT, NEITHER, ("data", "n_test")),
        Metric("n_valid", "validation samples", COUNT, NEITHER, ("data", "n_valid")),
        Metric("trials", "settings tried", COUNT, NEITHER, ("selection", "trials")),
        Metric("others_cores", "cores that others kept busy", COUNT, LOWER, ("measured", "others_cores")),
        Metric("n_train", "training samples", COUNT, NEITHER, ("data", "n_train")),
    )
}  # fmt: skip

# What decides on a run of each task; regression has no accuracy.
PRIMARY = {"classification": METRICS["test_accuracy"], "regression": METRICS["test_rmse"]}
# What tables of results show of the test rows, and what chooses between settings by the validation rows; the first pair
# that all runs of a data set recorded is the one.
SHOWN = (("test_bits_per_character", "valid_bits"), ("test_error", "valid_error"), ("test_rmse", "valid_rmse"))
