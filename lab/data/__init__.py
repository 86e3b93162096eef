"""Data: `load_dataset` by name or path, fetching, the split rule, the order of the batches."""

from __future__ import annotations

from lab.data import sets as sets  # registers the named data sets
from lab.data.augment import Augment
from lab.data.batches import Batches, epoch_permutation
from lab.data.dataset import Dataset, Split
from lab.data.load import load_dataset
from lab.data.parts import Parts
from lab.data.registry import register

__all__ = ["Augment", "Batches", "Dataset", "Parts", "Split", "epoch_permutation", "load_dataset", "register"]
