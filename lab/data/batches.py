"""The order in which an epoch visits the rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lab.random import generator


def epoch_permutation(n: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return the order in which epoch `epoch` of a run with `seed` visits n rows.

    It depends on its three arguments alone: a resumed run goes on with the same batches, and two trainers with one seed
    see the same rows in the same steps.
    """
    return generator(seed, "shuffle", epoch).permutation(n)
