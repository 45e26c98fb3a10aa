"""The digits that scikit-learn ships, as images."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import Bunch


def load_digits_images(*, return_X_y: bool = False) -> Any:
    """Load scikit-learn's digits as images (ten classes, embedded, no download).

    Parameters
    ----------
    return_X_y : bool, default=False
        Return `(data, target)` alone.

    Returns
    -------
    images : Bunch
        With

        - ``data`` : float32 ndarray of shape (1797, 1, 8, 8), in [0, 1]
        - ``target`` : int64 ndarray of shape (1797,)
        - ``target_names`` : ndarray of shape (10,)
        - ``DESCR`` : str

    Examples
    --------
    >>> from sksubsel.datasets import load_digits_images
    >>> X, y = load_digits_images(return_X_y=True)
    >>> X.shape, y.shape
    ((1797, 1, 8, 8), (1797,))
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    data = (digits.images / 16.0).astype(np.float32)[:, None]
    target = digits.target.astype(np.int64)
    if return_X_y:
        return data, target
    return Bunch(data=data, target=target, target_names=digits.target_names, DESCR=digits.DESCR)
