"""How a network answers that was trained on rows with labels in them: by goodness, by softmax, by a shortlist."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lab.backend import Array
from lab.layers import Ctx, Noise
from lab.objectives import PairObjective
from lab.trainers import shortlist
from lab.trainers.head import SoftmaxHead
from lab.trainers.local import LocalTrainer
from lab.trainers.readout import Readout


class GoodnessAnswers(LocalTrainer):
    """Answers as its `readout` says (Hinton 2022, section 3.3); a trainer adds how blocks and head learn."""

    objective: PairObjective
    readout: Readout
    _head: SoftmaxHead
    _counted: set[str]  # names of the blocks whose evidence is summed

    def neutral(self, images: Array) -> tuple[Any, Any]:
        """`images` with the label that says nothing, and what other rows of `images` share with them."""
        assert self.network.label_input is not None
        return self.network.labelled(images, [self.network.label_input.neutral(len(images), self.ops)], self.ops)

    def block_scores(self, images: Array) -> Array:
        """Evidence of each block for each label: (blocks, N, K) on the device; K forward passes."""
        return self._evidence(images, [self.ops.xp.full(len(images), k) for k in range(self.n_outputs)])

    def _evidence(self, images: Array, labels: Sequence[Array], base: Any = None) -> Array:
        """Evidence of each block for each of `labels`, each (N,): (blocks, N, len(labels)). `base` as of `neutral`."""
        ops, label = self.ops, self.network.label_input
        assert label is not None
        scores = ops.empty((len(self.network.blocks), len(images), len(labels)))
        for k, each in enumerate(labels):
            x, base = self.network.labelled(images, [label.one_hot(each, ops)], ops, base)
            ctx = self.network.context(x, Ctx(ops, Noise(0, stream=k)))  # where passes are noisy, each by itself
            for i, (block, h, _) in enumerate(self.network.walk(x, ctx)):
                scores[i, :, k] = self.objective.evidence(h, self._objectives[block.name], ctx)
        return scores

    def goodness(self, x: Array) -> Array:
        """The counted blocks' evidence for each label (N, K), on the host, for rows x (N, *shape) as in `predict`."""
        return self._outputs(x, lambda images: self.ops.to_host(self._counted_evidence(self.block_scores(images))))

    def answers(self, images: Array) -> tuple[dict[str, Array], dict[str, Array]]:
        return self._answers_from(images, self.block_scores(images))

    def _answers_from(self, images: Array, scores: Array) -> tuple[dict[str, Array], dict[str, Array]]:
        """`answers`, given what each block has for each label (blocks, N, K)."""
        found = {"goodness": self._goodness_probabilities(scores)}
        if self.readout.head != "none":
            found["softmax"] = self.head_answer(images)
        if self.answers_by == "shortlist":  # its evidence is among that of all labels: no pass more
            chosen = shortlist.most_probable(found["softmax"], self.readout.shortlist, self.ops)
            evidence = self.ops.xp.take_along_axis(self._counted_evidence(scores), chosen, axis=1)
            found["shortlist"] = shortlist.shared_out(found["softmax"], chosen, self._head.softmax(evidence), self.ops)
        return found, {block.name: scores[i] for i, block in enumerate(self.network.blocks)}

    @property
    def answers_by(self) -> str:
        return self.readout.by(self.n_outputs)

    def _answer(self, images: Array) -> Array:
        if self.answers_by == "softmax":
            return self.ops.to_host(self.head_answer(images))
        if self.answers_by == "shortlist":
            return self.ops.to_host(self._shortlist_probabilities(images))
        return self.ops.to_host(self._goodness_probabilities(self.block_scores(images)))

    def _counted_evidence(self, scores: Array) -> Array:
        """The evidence summed over the counted blocks: (N, K)."""
        total = self.ops.zeros(scores.shape[1:])
        for i, block in enumerate(self.network.blocks):
            if block.name in self._counted:
                total += scores[i]
        return total

    def _goodness_probabilities(self, scores: Array) -> Array:
        """Softmax over labels of the evidence summed over the counted blocks."""
        return self._head.softmax(self._counted_evidence(scores))

    def head_answer(self, images: Array) -> Array:
        """The softmax head's probabilities (N, K), on the device, for images as the network reads them; one pass."""
        return self._head.probabilities(self.neutral(images)[0], Ctx(self.ops))

    def _shortlist_probabilities(self, images: Array) -> Array:
        neutral, base = self.neutral(images)
        p = self._head.probabilities(neutral, Ctx(self.ops))
        chosen = shortlist.most_probable(p, self.readout.shortlist, self.ops)
        scores = self._evidence(images, list(chosen.T), base)
        return shortlist.shared_out(p, chosen, self._goodness_probabilities(scores), self.ops)
