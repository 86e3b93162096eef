"""The forward-forward recipe written out once more, in float64 and by itself, for the trainers to be compared with.

Nothing here comes from `lab`: plain numpy, one loop over layers, no buffers, no blocks, so that an error would have to
be made twice to go unseen. Names: N images, L layers, n the width of a layer; a row vector multiplies from the left.

    x_0 = rms(image with a label in its first ten pixels)       rms(x) = x / (tiny + sqrt(mean(x^2))), row by row
    y_l = relu(x_{l-1} W_l + b_l);  x_l = rms(y_l);  g_l = sum_j y_lj^2;  p_l = sigmoid((g_l - n_l) / T)

The recipe speaks of ascent directions; so does this file. "Read" layers are those that readouts see: all but the
first, or the only one of a net of depth 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Labels = NDArray[np.int64]

CLASSES = 10
TINY = math.exp(-50)
NEUTRAL = np.full(CLASSES, 0.1)
MEAN_KEPT = 0.9  # how much of a unit's running mean activity each step keeps
MEAN_AT_START = 0.5


def rms(x: Array) -> Array:
    """Rows scaled to a mean square of 1; a row of zeros stays zero."""
    return x / (TINY + np.sqrt(np.mean(x**2, axis=1, keepdims=True)))


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), by tanh, which cannot overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def softmax(logits: Array) -> Array:
    """Probabilities of each row."""
    e = np.exp(logits - np.max(logits, axis=1, keepdims=True))
    return e / np.sum(e, axis=1, keepdims=True)


def gain(epoch: int, epochs: int) -> float:
    """Factor on the learning rates (epochs from 1): 1 up to the middle, then (1 + 2 (epochs - epoch)) / epochs."""
    return 1.0 if 2 * epoch <= epochs else (1 + 2 * (epochs - epoch)) / epochs


def draw_negatives(logits: Array, labels: Labels, uniforms: Array) -> Labels:
    """The first class whose cumulative probability exceeds the row's uniform, the true class having probability 0."""
    drawn = np.empty(len(labels), dtype=np.int64)
    for row, (scores, true, u) in enumerate(zip(logits, labels, uniforms, strict=True)):
        wrong = [k for k in range(CLASSES) if k != true]
        probability = softmax(scores[None, wrong])[0]  # renormalised over the wrong classes, also where all are tiny
        cumulative = 0.0
        drawn[row] = wrong[-1]  # stands only if rounding keeps the sum at or below u
        for k, p in zip(wrong, probability, strict=True):
            cumulative += p
            if cumulative > u:
                drawn[row] = k
                break
    return drawn


class Recipe:
    """A net, its running means and smoothed gradients, and one step of its training.

    `weights[l]` is (n_{l-1}, n_l), `biases[l]` (n_l,), `head` one (n_l, 10) for each read layer, in order; all copied.
    The gain applies to the head's rate as it does to the layers'.
    """

    def __init__(
        self,
        weights: Sequence[Any],
        biases: Sequence[Any],
        head: Sequence[Any],
        *,
        epochs: int,
        lr: float = 0.01,
        wc: float = 0.001,
        head_lr: float = 0.1,
        head_wc: float = 0.003,
        momentum: float = 0.9,
        peer: float = 0.03,
        temperature: float = 1.0,
    ) -> None:
        self.weights = [np.array(w, dtype=np.float64) for w in weights]
        self.biases = [np.array(b, dtype=np.float64) for b in biases]
        self.head = [np.array(v, dtype=np.float64) for v in head]
        self.layers = range(len(self.weights))
        self.read = self.layers[1:] if len(self.weights) > 1 else self.layers
        assert len(self.head) == len(self.read), f"{len(self.head)} head weights for {len(self.read)} read layers"
        self.epochs, self.momentum, self.peer, self.temperature = epochs, momentum, peer, temperature
        self.lr, self.wc, self.head_lr, self.head_wc = lr, wc, head_lr, head_wc
        self.mean_activity = [np.full_like(b, MEAN_AT_START) for b in self.biases]
        self.smooth_weights = [np.zeros_like(w) for w in self.weights]
        self.smooth_biases = [np.zeros_like(b) for b in self.biases]
        self.smooth_head = [np.zeros_like(v) for v in self.head]

    def forward(self, images: Any, label_pixels: Array) -> tuple[list[Array], list[Array]]:
        """Normalised states x_0..x_L and activities y_1..y_L of images whose first ten pixels are `label_pixels`."""
        x = np.array(images, dtype=np.float64)
        x[:, :CLASSES] = label_pixels
        states, activities = [rms(x)], []
        for l in self.layers:
            y = np.maximum(states[l] @ self.weights[l] + self.biases[l], 0.0)
            activities.append(y)
            states.append(rms(y))
        return states, activities

    def probability(self, activity: Array) -> Array:
        """p = sigmoid((g - n) / T) of each row of a layer's activity (N, n)."""
        return sigmoid((np.sum(activity**2, axis=1) - activity.shape[1]) / self.temperature)

    def losses(self, activity: Array, sign: int) -> Array:
        """(T/2) softplus(-sign (g - n) / T) of each row; sign +1 for positive rows, -1 for negative ones."""
        above = (np.sum(activity**2, axis=1) - activity.shape[1]) / self.temperature
        return 0.5 * self.temperature * np.logaddexp(0.0, -sign * above)

    def logits(self, states: list[Array]) -> Array:
        """Head scores (N, 10) from the normalised states of the read layers."""
        return sum((states[l + 1] @ v for l, v in zip(self.read, self.head, strict=True)), np.zeros(CLASSES))

    def step(self, images: Any, labels: Any, negatives_uniforms: Any, epoch: int) -> dict[str, Any]:
        """One training step in `epoch` (from 1); every pass uses the weights from before it. Returns all it computed.

        Lists in the result have one entry a layer (for the head one a read layer); gradients are ascent directions
        divided by the number of images, before smoothing.
        """
        labels = np.asarray(labels, dtype=np.int64)
        count = len(labels)
        rate = gain(epoch, self.epochs)
        one_hot = np.eye(CLASSES)

        neutral, _ = self.forward(images, NEUTRAL)
        logits = self.logits(neutral)
        probabilities = softmax(logits)
        negative_labels = draw_negatives(logits, labels, np.asarray(negatives_uniforms, dtype=np.float64))
        positive, y_positive = self.forward(images, one_hot[labels])
        negative, y_negative = self.forward(images, one_hot[negative_labels])

        signals_positive, signals_negative, grad_weights, grad_biases = [], [], [], []
        for l in self.layers:
            self.mean_activity[l] = MEAN_KEPT * self.mean_activity[l] + (1 - MEAN_KEPT) * y_positive[l].mean(axis=0)
            up = (1.0 - self.probability(y_positive[l]))[:, None] * y_positive[l]
            up = up + self.peer * (self.mean_activity[l].mean() - self.mean_activity[l])  # on silent units too
            down = -self.probability(y_negative[l])[:, None] * y_negative[l]
            signals_positive.append(up)
            signals_negative.append(down)
            grad_weights.append((positive[l].T @ up + negative[l].T @ down) / count)
            grad_biases.append((up.sum(axis=0) + down.sum(axis=0)) / count)
        grad_head = [neutral[l + 1].T @ (one_hot[labels] - probabilities) / count for l in self.read]

        keep, take = self.momentum, 1.0 - self.momentum
        for l in self.layers:
            self.smooth_weights[l] = keep * self.smooth_weights[l] + take * grad_weights[l]
            self.smooth_biases[l] = keep * self.smooth_biases[l] + take * grad_biases[l]
            self.weights[l] = self.weights[l] + rate * self.lr * (self.smooth_weights[l] - self.wc * self.weights[l])
            self.biases[l] = self.biases[l] + rate * self.lr * self.smooth_biases[l]
        for i, grad in enumerate(grad_head):
            self.smooth_head[i] = keep * self.smooth_head[i] + take * grad
            self.head[i] = self.head[i] + rate * self.head_lr * (self.smooth_head[i] - self.head_wc * self.head[i])

        return {
            "gain": rate,
            "logits": logits,
            "probabilities": probabilities,
            "negative_labels": negative_labels,
            "neutral_states": neutral,
            "positive_states": positive,
            "negative_states": negative,
            "positive_activities": y_positive,
            "negative_activities": y_negative,
            "positive_goodness": [np.sum(y**2, axis=1) for y in y_positive],
            "negative_goodness": [np.sum(y**2, axis=1) for y in y_negative],
            "positive_losses": [self.losses(y, +1) for y in y_positive],
            "negative_losses": [self.losses(y, -1) for y in y_negative],
            "positive_signals": signals_positive,
            "negative_signals": signals_negative,
            "grad_weights": grad_weights,
            "grad_biases": grad_biases,
            "grad_head": grad_head,
            "mean_activity": [m.copy() for m in self.mean_activity],
            "smooth_weights": [g.copy() for g in self.smooth_weights],
            "smooth_biases": [g.copy() for g in self.smooth_biases],
            "smooth_head": [g.copy() for g in self.smooth_head],
            "weights": [w.copy() for w in self.weights],
            "biases": [b.copy() for b in self.biases],
            "head": [v.copy() for v in self.head],
        }

    def goodness_scores(self, images: Any) -> Array:
        """(N, 10): for each label, the goodness summed over the read layers with that label in the image."""
        scores = np.empty((len(images), CLASSES))
        for label in range(CLASSES):
            _, activities = self.forward(images, np.eye(CLASSES)[label])
            scores[:, label] = sum(np.sum(activities[l] ** 2, axis=1) for l in self.read)
        return scores

    def softmax_probabilities(self, images: Any) -> Array:
        """(N, 10): what the head says after one pass under the neutral label."""
        states, _ = self.forward(images, NEUTRAL)
        return softmax(self.logits(states))
