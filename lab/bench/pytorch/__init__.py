"""The same work in PyTorch, written as its best users would. Imported only in the process that measures it."""

from __future__ import annotations

import importlib
from typing import Any

from lab.errors import UsageError


def load(threads: int) -> Any:
    """The module torch, set to `threads`. Raises UsageError where it is not installed."""
    try:
        torch: Any = importlib.import_module("torch")
    except ImportError as error:
        raise UsageError(f"PyTorch is not installed ({error}); install the extra bench") from error
    torch.set_num_threads(threads)
    return torch


def facts(torch: Any) -> dict[str, Any]:
    """Which PyTorch this is and how many threads it got."""
    return {"versions": {"torch": str(torch.__version__)}, "threads": int(torch.get_num_threads())}
