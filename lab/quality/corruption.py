"""Corruption: accuracy on test images that are worse than those trained on, each in four ways and three severities.

After Hendrycks and Dietterich 2019, "Benchmarking neural network robustness to common corruptions and perturbations":
a network is never trained on them, and one figure is the mean over all of them. Ways, with severities 1, 2, 3, for
pixels brought to 0 .. 1:

noise     x + s z, z standard normal, one draw for all networks, clipped; s = 0.1, 0.2, 0.3
blur      mean over 3 x 3 pixels, one, two and three times; outside is the last pixel again
shift     down and to the right by 1, 2, 3 pixels; zeros come in
contrast  m + c (x - m), m the image's mean; c = 0.6, 0.4, 0.2
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lab.random import generator

if TYPE_CHECKING:
    from lab.data import Dataset
    from lab.trainers import Trainer

Images = NDArray[np.float32]
ROWS = 2000  # the first ones of the test rows: an accuracy of 90 % is known to within 1.3 points, the mean to less
SEVERITIES = (1, 2, 3)
_DRAWS = 2212_13345  # names the noise, which is the same for every network and seed


def noise(x: Images, severity: int) -> Images:
    """Gaussian noise of deviation 0.1, 0.2 or 0.3."""
    z = generator(_DRAWS, "corruption").standard_normal(x.shape, dtype=np.float32)
    return np.clip(x + np.float32(0.1 * severity) * z, 0, 1)


def blur(x: Images, severity: int) -> Images:
    """A box of 3 x 3 pixels, passed over the image `severity` times."""
    height, width = x.shape[2:]
    for _ in range(severity):
        wide = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
        x = np.mean([wide[:, :, i : i + height, j : j + width] for i in range(3) for j in range(3)], axis=0)
    return x


def shift(x: Images, severity: int) -> Images:
    """Moved down and to the right by `severity` pixels."""
    moved = np.zeros_like(x)
    moved[:, :, severity:, severity:] = x[:, :, :-severity, :-severity]
    return moved


def contrast(x: Images, severity: int) -> Images:
    """Pulled towards the image's mean, to 0.6, 0.4 or 0.2 of its contrast."""
    mean = x.mean(axis=(1, 2, 3), keepdims=True)
    found: Images = mean + np.float32(0.8 - 0.2 * severity) * (x - mean)
    return found


WAYS: dict[str, Callable[[Images, int], Images]] = {"noise": noise, "blur": blur, "shift": shift, "contrast": contrast}


def corruption(trainer: Trainer, data: Dataset) -> dict[str, Any]:
    """{"rows", "clean", "accuracy": the mean over all corruptions, "noise": [of severity 1, 2, 3], ...}.

    Nothing of rows that are no images of bytes (C, H, W): what is 0 and what 1 would not be known.
    """
    if len(data.shape) != 3 or data.test.x.dtype != np.uint8 or min(data.shape[1:]) <= max(SEVERITIES):
        return {}
    x, y = data.test.x[:ROWS], data.test.y[:ROWS]
    plain = x.astype(np.float32) / np.float32(255)

    def accuracy(images: Any) -> float:
        return float((trainer.predict(images) == y).mean())

    found = {
        name: [accuracy(np.rint(255 * way(plain, severity)).astype(np.uint8)) for severity in SEVERITIES]
        for name, way in WAYS.items()
    }
    return {"rows": len(y), "clean": accuracy(x), "accuracy": float(np.mean(list(found.values()))), **found}
