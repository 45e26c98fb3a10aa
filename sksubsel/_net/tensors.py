"""Arrays and items as tensors, and the batches that a net is trained on."""

from __future__ import annotations

import types
from collections.abc import Mapping

import numpy as np
import torch

__all__ = ["Batches", "Tensors", "TrainingSubset", "as_tensor", "is_map", "shared_tensor"]


class Tensors:
    """Items of aligned tensors, as skorch's dataset."""

    def __init__(self, inputs, targets, weight):
        self.inputs, self.targets, self.weight = inputs, targets, weight

    def __len__(self):
        return len(next(iter(self.inputs.values())) if is_map(self.inputs) else self.inputs)

    def batch(self, index):
        pick = {k: v[index] for k, v in self.inputs.items()} if is_map(self.inputs) else (
            self.inputs[index]
        )  # fmt: skip
        targets = None if self.targets is None else self.targets[index]
        weight = None if self.weight is None else self.weight[index]
        return pick, (targets, weight)


class TrainingSubset:
    """The items that the next epoch trains on, which a callback may change between epochs.

    Attributes
    ----------
    rows : int64 Tensor of shape (B,) or None
        None: all items.
    weight : float32 Tensor of shape (N,) or None
        Factor of each item's weight in the loss.
    batch : int64 Tensor
        Items of the batch in training, set by whoever makes the batches.
    """

    def __init__(self):
        self.rows = self.weight = self.batch = None


class Batches:
    """Slices of tensors in a fresh random order each epoch, in place of a DataLoader.

    With `strata`, codes (N,) of the items from 0, which need a `generator`, each batch has as many
    items of a stratum as any other, or one more.
    """

    def __init__(self, dataset, batch_size, generator=None, subset=None, strata=None):
        self.dataset, self.batch_size, self.generator = dataset, batch_size, generator
        self.subset, self.strata = subset, strata

    def _n_items(self):
        chosen = None if self.subset is None else self.subset.rows
        return len(self.dataset if chosen is None else chosen)

    def __len__(self):
        return -(-self._n_items() // self.batch_size)

    def __iter__(self):
        n_items = self._n_items()
        if self.generator is None:
            index = torch.arange(n_items)
        else:
            index = torch.randperm(n_items, generator=self.generator)
        if self.subset is not None and self.subset.rows is not None:
            index = self.subset.rows[index]
        # near-equal batches: a last batch of one item would break batch normalisation
        for part in self._parts(index):
            inputs, (targets, weight) = self.dataset.batch(part)
            if self.subset is not None:
                self.subset.batch = part
                if self.subset.weight is not None:
                    factor = self.subset.weight[part].to(targets.device)
                    weight = factor if weight is None else weight * factor
            yield inputs, (targets, weight)

    def _parts(self, index):
        """The batches' items, of shuffled ones."""
        if self.strata is None:
            return torch.tensor_split(index, len(self))
        # dealt out one by one, and a stratum begins where the last one ended, so that sizes differ
        # by one at most; both orders are drawn, or the same would always be large, or come first
        strata = self.strata[index]
        turn = torch.randperm(int(self.strata.max()) + 1, generator=self.generator)
        index = index[torch.argsort(turn[strata], stable=True)]
        hands = torch.randperm(len(self), generator=self.generator)
        return [index[hand :: len(self)] for hand in hands]


def as_tensor(array) -> torch.Tensor:
    """A tensor that shares the array's memory, but for read-only ones, which are copied."""
    return torch.from_numpy(array if array.flags.writeable else array.copy())


def shared_tensor(array) -> torch.Tensor:
    """A tensor that shares the array's memory also where that is read-only: never to be written to.

    torch warns of a read-only array, once, whatever is done with it; seen through another object
    that gives its address, it is none.
    """
    if array.flags.writeable or not array.size:
        return as_tensor(array)
    seen = types.SimpleNamespace(owner=array)
    seen.__array_interface__ = {**array.__array_interface__, "data": (array.ctypes.data, False)}
    return torch.from_numpy(np.asarray(seen))


def is_map(inputs):
    return isinstance(inputs, Mapping)
