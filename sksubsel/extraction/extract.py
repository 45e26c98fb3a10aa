"""From a data set and an extractor to features on disk."""

from __future__ import annotations

from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted
from torch.utils.data import DataLoader

from sksubsel._digest import digest
from sksubsel._parallel import Progress
from sksubsel._validation import check_finite, check_positive
from sksubsel.extraction.batches import Batches
from sksubsel.extraction.files import FeatureFile
from sksubsel.features import FeatureExtractor

_FORMAT = 1


def extract_features(
    data: Any,
    extractor: Any,
    cache: str | Path,
    *,
    column: str | None = None,
    batch_size: int = 256,
    num_workers: int = 0,
    key: str | None = None,
    verbose: int = 0,
) -> np.memmap:
    """Features of every instance, a batch at a time, into a file that the next call finds again.

    A run that was killed goes on from the last finished batch. Of several at the same time, also
    in other processes, one extracts and the others wait for it.

    Parameters
    ----------
    data : array-like, map-style torch Dataset or Hugging Face `datasets.Dataset`, of length N
        An array, also a memory-mapped one or :class:`~sksubsel.datasets.ImageFiles`, is read by
        slices. Of a data set's items, the first of a tuple or list is taken, and `column` of a
        dict; PIL images become float32 arrays (1 or 3, height, width) in [0, 1], all else stays
        as it is. All instances must have one shape, and random augmentation must be off.
    extractor : transformer
        Fitted, such as ``InstanceFeatures().fit(images[:5000])``; or a
        :class:`~sksubsel.features.FeatureExtractor`, which learns nothing and need not be.
    cache : str or path
        Folder in which each pair of data and extractor gets one of its own.
    column : str or None, default=None
        Of items that are dicts.
    batch_size : int, default=256
        Instances read, and kept, at a time.
    num_workers : int, default=0
        Processes that read instances ahead, as of a torch DataLoader.
    key : str or None, default=None
        Stands for the data's content. None: an array, or a torch data set as it would be pickled,
        by its values; image files by names, sizes and times of change; a Hugging Face data set by
        its fingerprint. Files behind a torch data set are not looked at: give a new key when they
        change.
    verbose : int, default=0
        1 shows progress with the remaining time.

    Returns
    -------
    float32 memmap of shape (N, F)
        Its ``filename`` is what :class:`StoredFeatures` takes. It may be written to, which changes
        the copy in memory alone.

    Raises
    ------
    TypeError
        If `data` has no length or no items, `column` does not fit its items, or its content has no
        digest and no `key` is given.
    ValueError
        If instances differ in shape, or they or their features are not finite.
    sklearn.exceptions.NotFittedError
        If the extractor has something to learn and is not fitted.

    Warns
    -----
    CorruptEntryWarning
        If a file in the cache is damaged; its features are extracted again.

    Notes
    -----
    Memory is that of a batch. Of the extractor, the cache knows its class, parameters and weights,
    not the code of functions and classes that are imported: delete the folder when that changes.

    Examples
    --------
    >>> import tempfile, torch
    >>> from sksubsel.datasets import load_digits_images
    >>> from sksubsel.extraction import extract_features
    >>> from sksubsel.features import FeatureExtractor
    >>> X, _ = load_digits_images(return_X_y=True)
    >>> network = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.Flatten())
    >>> with tempfile.TemporaryDirectory() as cache:
    ...     extract_features(X, FeatureExtractor(network), cache).shape
    (1797, 144)
    """
    check_positive(batch_size=batch_size)
    if not isinstance(num_workers, Integral) or num_workers < 0:
        raise ValueError(f"num_workers must be an int of at least 0; got {num_workers!r}")
    if not hasattr(data, "__len__") or not hasattr(data, "__getitem__"):
        raise TypeError(
            "data must be an array or a data set with a length and items by row (not an iterable "
            f"one); got {type(data).__name__}"
        )
    if len(data) == 0:
        raise ValueError("data must not be empty")
    batches = Batches(data, column, batch_size)
    extractor = _fitted(extractor, batches)
    # of an extractor of ours, not how fast it is to run
    content = (
        (type(extractor), extractor.module_, extractor.layer, extractor.preprocess)
        if isinstance(extractor, FeatureExtractor)
        else extractor
    )
    try:
        name = digest(_FORMAT, len(data), column, content)
    except TypeError as error:
        raise TypeError(f"extractor must be something that pickles: {error}") from error
    name = digest(name, _data_key(data) if key is None else key)
    file = FeatureFile(Path(cache).expanduser() / name, len(data))
    found = file.open()
    if found is not None:
        return found
    with file.alone():
        found = file.open()  # another run may have made them meanwhile
        if found is not None:
            return found
        done = file.resume()
        batches = Batches(data, column, batch_size, done)
        progress = Progress("features", "batches", len(batches), verbose)
        loader = DataLoader(
            batches,
            batch_size=None,
            num_workers=num_workers,
            generator=torch.Generator().manual_seed(0),  # or it would draw from torch's own
        )
        with progress:
            for batch in loader:
                try:
                    features = _features(extractor, batch.numpy())
                except ValueError as error:
                    raise ValueError(
                        f"instances {done} to {done + len(batch) - 1} of the data: {error}"
                    ) from error
                file.append(done, features)
                done += len(features)
                progress.step()
        return file.finish()


def _features(extractor, batch):
    """What the extractor makes of one batch: float32 (n, F), checked."""
    features = np.asarray(extractor.transform(batch), dtype=np.float32)
    if features.ndim != 2 or len(features) != len(batch):
        raise ValueError(
            f"extractor must give features of shape (n={len(batch)}, F); got {features.shape}"
        )
    check_finite(features, "features")
    return features


def _fitted(extractor, batches):
    """The extractor, fitted; a FeatureExtractor is by its first instance where it is not yet."""
    if not hasattr(extractor, "transform"):
        raise TypeError(
            f"extractor must be a transformer; got {type(extractor).__name__} (wrap a network: "
            "FeatureExtractor(network, layer))"
        )
    try:
        check_is_fitted(extractor)
    except NotFittedError as error:
        if isinstance(extractor, FeatureExtractor):
            return clone(extractor).fit(batches.read(range(1)))
        raise NotFittedError(
            f"{extractor!r} must be fitted, on as many instances as fit in memory: "
            "extractor.fit(X[:5000])"
        ) from error
    return extractor


def _data_key(data):
    """What stands for the data's content in the name of the cache's entry."""
    if hasattr(data, "fingerprint"):
        return data.fingerprint()
    if isinstance(getattr(data, "_fingerprint", None), str):  # a datasets.Dataset
        return data._fingerprint
    try:
        return digest(data)
    except TypeError as error:
        raise TypeError(
            f"key must be given for this data, a text that stands for its content: {error}"
        ) from error
