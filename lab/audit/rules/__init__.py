"""The rules, in the order in which a report lists them: the gravest first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from lab.audit.evidence import Evidence, Finding
from lab.audit.rules.complete import left_out
from lab.audit.rules.effort import selected_on_test, unequal_effort, unequal_trials
from lab.audit.rules.leakage import leaked_rows
from lab.audit.rules.machine import beside_load, mixed_machines, resumed_timings
from lab.audit.rules.protocol import opened_early, other_setting, unequal_studies
from lab.audit.rules.same import different_bodies, different_data
from lab.audit.rules.seeds import duplicate_seeds, too_few_seeds, unpaired_seeds

RULES: Mapping[str, Callable[[Evidence], Finding]] = {
    rule.__name__: rule
    for rule in (
        different_data, leaked_rows, selected_on_test, duplicate_seeds, unpaired_seeds, too_few_seeds, left_out,
        unequal_effort, unequal_trials, different_bodies, mixed_machines, resumed_timings, beside_load,
    )
}  # fmt: skip

# Asked only of a comparison that `lab compare` made: without a protocol there is nothing that they could hold it to.
OF_PROTOCOL: Mapping[str, Callable[[Evidence], Finding]] = {
    rule.__name__: rule for rule in (unequal_studies, opened_early, other_setting)
}


def audit(evidence: Evidence) -> list[Finding]:
    """Every rule's finding."""
    asked = RULES if evidence.records.ledger is None else {**RULES, **OF_PROTOCOL}
    return [replace(rule(evidence), rule=name) for name, rule in asked.items()]
