"""Instances of arrays and data sets, read a batch at a time."""

from __future__ import annotations

import numpy as np
import torch


class Batches(torch.utils.data.Dataset):
    """Runs of instances from row `start` on, each as one array (n, ...)."""

    def __init__(self, data, column, size, start=0):
        self.data, self.column, self.size, self.start = data, column, size, start

    def __len__(self):
        return -(-(len(self.data) - self.start) // self.size)

    def __getitem__(self, k):
        first = self.start + k * self.size
        rows = range(first, min(first + self.size, len(self.data)))
        return self.read(rows)

    def read(self, rows):
        """Instances of a range of rows as one array."""
        if hasattr(self.data, "ndim"):
            # not a view: what comes after must not write to the data
            return _numeric(np.array(self.data[rows.start : rows.stop]))
        if hasattr(self.data, "__getitems__"):
            items = self.data.__getitems__(list(rows))
        else:
            items = [self.data[row] for row in rows]
        instances = [_instance(item, self.column) for item in items]
        for row, instance in zip(rows, instances):
            if instance.shape != instances[0].shape:
                raise ValueError(
                    f"all instances must have one shape; got {instances[0].shape} in row "
                    f"{rows.start} and {instance.shape} in row {row} (resize them in the data "
                    "set's transform)"
                )
        return np.stack(instances)


def _instance(item, column):
    """One instance as an array, out of what a data set's item is."""
    if column is not None:
        if not isinstance(item, dict) or column not in item:
            got = f"a dict of {sorted(item)}" if isinstance(item, dict) else type(item).__name__
            raise TypeError(f"column={column!r} must be a key of the data's items; got {got}")
        item = item[column]
    elif isinstance(item, dict):
        raise TypeError(f"column must name one of {sorted(item)}, the parts of the data's items")
    elif isinstance(item, (tuple, list)) and item:
        item = item[0]
    if hasattr(item, "getbands"):  # a PIL image; Pillow need not be installed
        grey = item.getbands() in (("L",), ("1",))
        pixels = np.asarray(item.convert("L" if grey else "RGB"), np.float32) / 255
        return pixels[None] if grey else pixels.transpose(2, 0, 1)
    if isinstance(item, torch.Tensor):
        return item.detach().cpu().numpy()
    return _numeric(np.asarray(item))


def _numeric(values):
    if values.dtype.kind not in "fiub":
        raise TypeError(f"instances must be numeric arrays, tensors or images; got {values.dtype}")
    return values
