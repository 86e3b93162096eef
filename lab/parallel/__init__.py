"""Several processes at one training: shared memory, bounded queues, workers that never outlive their parent."""

from __future__ import annotations

from lab.parallel.balance import partition
from lab.parallel.crew import Crew, Job, WorkerFailed, forking
from lab.parallel.ring import Disconnected, Ring
from lab.parallel.shared import SharedMemory, shared_array

__all__ = [
    "Crew",
    "Disconnected",
    "Job",
    "Ring",
    "SharedMemory",
    "WorkerFailed",
    "forking",
    "partition",
    "shared_array",
]
