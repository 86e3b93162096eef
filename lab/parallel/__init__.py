"""Several processes at one training: shared memory, bounded queues, workers that never outlive their parent."""

from __future__ import annotations

from lab.parallel.balance import partition
from lab.parallel.crew import Crew, WorkerFailed
from lab.parallel.ring import Disconnected, Ring
from lab.parallel.shared import shared_array

__all__ = ["Crew", "Disconnected", "Ring", "WorkerFailed", "partition", "shared_array"]
