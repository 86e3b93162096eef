"""One training step worked with real numbers, by the lab's own code: formulas, arrays, operations, and memory.

    from lab.explain import explain
    for trace in explain(["model.depth=3"]).traces: ...

Imports nothing of the report but its style; nothing here is needed to train.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab.explain.steps import Explanation

__all__ = ["explain"]


def explain(overrides: Sequence[str] = (), config_dir: str | None = None) -> Explanation:
    """Makes one step of each trainer and returns what was seen of it. See `steps.explain`."""
    from lab.explain import steps

    return steps.explain(overrides, config_dir)
