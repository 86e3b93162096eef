"""One step of a two-block network by hand: plain numpy in float64, written from the formulas and not from the lab."""

from __future__ import annotations

from typing import Any

import numpy as np


def softmax(o: Any) -> Any:
    e = np.exp(o - o.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def unit(x: Any) -> Any:
    return x / np.sqrt((x**2).mean(axis=1, keepdims=True))


def backprop(w: dict[str, Any], x: Any, y: int) -> dict[str, Any]:
    """Numbers of a backprop step, by "place/part action/letter"."""
    W1, W2, V = w["block1.input.1.W"], w["block2.block1.0.W"], w["head.0.W"]
    z1 = x @ W1
    h1 = np.maximum(z1, 0)
    z2 = h1 @ W2
    h2 = np.maximum(z2, 0)
    o = h2 @ V
    do = softmax(o)
    do[0, y] -= 1
    dh2 = do @ V.T
    dz2 = dh2 * (z2 > 0)
    dh1 = dz2 @ W2.T
    dz1 = dh1 * (z1 > 0)
    return {
        "block1 forward/Dense forward/y": z1,
        "block1 forward/ReLU forward/y": h1,
        "block2 forward/Dense forward/y": z2,
        "block2 forward/ReLU forward/y": h2,
        "head forward/Dense forward/y": o,
        "loss/CrossEntropy objective/L": -np.log(softmax(o)[0, y]),
        "loss/CrossEntropy objective/do": do,
        "head backward/Dense backward/dW": h2.T @ do,
        "head backward/Dense backward/dx": dh2,
        "block2 backward/ReLU backward/dx": dz2,
        "block2 backward/Dense backward/dW": h1.T @ dz2,
        "block2 backward/Dense backward/dx": dh1,
        "block1 backward/ReLU backward/dx": dz1,
        "block1 backward/Dense backward/dW": x.T @ dz1,
        "block1 backward/Dense backward/db": dz1.sum(axis=0),
    }


def forward_forward(w: dict[str, Any], x: Any, y: int) -> dict[str, Any]:
    """Numbers of a forward-forward step of one image of two classes, its label behind its numbers."""
    W = [w["block1.input.1.W"], w["block2.block1.0.W"]]
    found: dict[str, Any] = {}
    neutral = unit(np.concatenate([x, [[0.5, 0.5]]], axis=1))
    found["readout: input/LengthNorm forward/y"] = neutral
    for i, weights in enumerate(W, 1):
        h = np.maximum(neutral @ weights, 0)
        neutral = unit(h)
        found[f"readout: block{i}/ReLU forward/y"] = h
        found[f"readout: block{i}/LengthNorm forward/y"] = neutral
    d = np.full((1, 2), 0.5)  # the head starts at zero, so that both classes are equally likely
    d[0, y] -= 1
    found["readout/product backward/dV"] = neutral.T @ d
    labels = np.eye(2)[[y, 1 - y]]  # of two classes the other one is the wrong one
    n = unit(np.concatenate([np.repeat(x, 2, axis=0), labels], axis=1))
    found["input/LengthNorm forward/y"] = n
    for i, weights in enumerate(W, 1):
        z = n @ weights
        h = np.maximum(z, 0)
        g = (h**2).sum(axis=1)
        p = 1 / (1 + np.exp(-(g - 2)))
        dh = np.array([-(1 - p[0]) * h[0], p[1] * h[1]])
        mean = 0.9 * 0.5 + 0.1 * h[0]
        dz = dh * (z > 0)
        dz[0] += 0.03 * (mean - mean.mean())
        found |= {
            f"block{i} forward/Dense forward/y": z,
            f"block{i} forward/ReLU forward/y": h,
            f"block{i} objective/Goodness objective/g": g,
            f"block{i} objective/Goodness objective/L": -(np.log(p[0]) + np.log(1 - p[1])) / 2,
            f"block{i} objective/Goodness objective/dh": dh,
            f"block{i} backward/Dense backward/dy": dz,
            f"block{i} backward/Dense backward/dW": n.T @ dz,
            f"block{i} backward/Dense backward/db": dz.sum(axis=0),
        }
        n = unit(h)
    found["block1 pass on/LengthNorm forward/y"] = unit(np.maximum(found["block1 forward/Dense forward/y"], 0))
    return found
