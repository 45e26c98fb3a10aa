"""What happens to a batch of images before a network sees it: flips, crops, normalisation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike


class ImageTransform:
    """Random flips and crops, each image its own, then normalisation by channel.

    Without a generator nothing is random: what a test set gets. Works on numpy arrays and on
    torch tensors (also on a GPU), and gives back the same kind.

    Parameters
    ----------
    mean, std : array-likes of float, one for each channel, or None, default=None
        Subtracted, and divided by. None: images stay as they are.
    horizontal_flip, vertical_flip : bool, default=False
        Mirror half of the images, left to right or top to bottom.
    crop_padding : int, default=0
        Pixels of zeros added on each side before a window of the old size is cut out at random.

    Examples
    --------
    >>> import numpy as np
    >>> from sksubsel.datasets import ImageTransform
    >>> transform = ImageTransform(horizontal_flip=True, crop_padding=4)
    >>> images = np.ones((8, 3, 32, 32), np.float32)
    >>> transform(images, np.random.default_rng(0)).shape
    (8, 3, 32, 32)
    """

    def __init__(
        self,
        *,
        mean: ArrayLike | None = None,
        std: ArrayLike | None = None,
        horizontal_flip: bool = False,
        vertical_flip: bool = False,
        crop_padding: int = 0,
    ):
        self.mean = None if mean is None else tuple(np.asarray(mean, dtype=float).tolist())
        self.std = None if std is None else tuple(np.asarray(std, dtype=float).tolist())
        if len(self.mean or ()) != len(self.std or ()):
            raise ValueError(f"mean and std must be of the same channels; got {mean!r} and {std!r}")
        if self.std is not None and min(self.std) <= 0:
            raise ValueError(f"std must be positive; got {std!r}")
        if crop_padding < 0:
            raise ValueError(f"crop_padding must be at least 0; got {crop_padding}")
        self.horizontal_flip = horizontal_flip
        self.vertical_flip = vertical_flip
        self.crop_padding = crop_padding

    def before(self, build: Callable) -> Callable:
        """A function that builds networks which transform their images themselves.

        While a network trains each batch is augmented anew, by its recipe's `random_state`, also
        where statistics for batch normalisation are estimated; when it predicts, images are
        normalised alone.

        Parameters
        ----------
        build : callable
            ``build(architecture, in_shape, n_outputs) -> torch.nn.Module``, such as the ``build``
            of a search space.

        Returns
        -------
        callable
            For ``ArchitectureClassifier(build=)``; it pickles where `build` does.

        Raises
        ------
        TypeError
            If `build` is not callable.

        Examples
        --------
        >>> from sksubsel import ArchitectureClassifier
        >>> from sksubsel.datasets import ImageTransform
        >>> from sksubsel.spaces import NASBench101
        >>> transform = ImageTransform(mean=(0.5,), std=(0.3,), horizontal_flip=True)
        >>> recipe = ArchitectureClassifier(build=transform.before(NASBench101().build))
        """
        from sksubsel.datasets.transformed import TransformedBuild

        if not callable(build):
            raise TypeError(f"build must be callable; got {build!r}")
        return TransformedBuild(self, build)

    def __repr__(self):
        params = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"ImageTransform({params})"

    def __call__(self, images, rng=None):
        """Transform a batch.

        Parameters
        ----------
        images : float ndarray or torch.Tensor of shape (n, channels, height, width)
        rng : numpy.random.Generator or None, default=None
            Draws flips and windows; None leaves them out.

        Returns
        -------
        As `images`; they are left as they are.

        Raises
        ------
        ValueError
            If `images` has another number of axes or of channels.
        """
        if images.ndim != 4:
            raise ValueError(
                f"images must have shape (n, channels, height, width); got {tuple(images.shape)}"
            )
        if self.mean is not None and images.shape[1] != len(self.mean):
            raise ValueError(
                f"images must have {len(self.mean)} channels, as mean and std; "
                f"got {tuple(images.shape)}"
            )
        if rng is not None:
            images = self._augment(images, rng)
        if self.mean is None:
            return images
        return (images - _like(self.mean, images)) / _like(self.std, images)

    def _augment(self, images, rng):
        """Pixels of the flipped and cropped images, gathered in one step from the originals."""
        n, _, height, width = images.shape
        rows, inside_rows = self._coordinates(rng, n, height, self.vertical_flip)
        columns, inside_columns = self._coordinates(rng, n, width, self.horizontal_flip)
        inside = inside_rows[:, None, :, None] & inside_columns[:, None, None, :]
        place = np.arange(n)[:, None, None]
        index = [place, rows[:, :, None], columns[:, None, :]]  # -> (n, height, width, channels)
        if isinstance(images, np.ndarray):
            taken = np.moveaxis(images[index[0], :, index[1], index[2]], -1, 1)
            return np.where(inside, taken, images.dtype.type(0))
        import torch

        index = [torch.from_numpy(part).to(images.device) for part in index]
        taken = images[index[0], :, index[1], index[2]].movedim(-1, 1)
        return taken * torch.from_numpy(inside).to(images.device)

    def _coordinates(self, rng, n, length, flip):
        """Where each pixel along an axis comes from, (n, length), and whether that is inside."""
        place = np.tile(np.arange(length), (n, 1))
        if flip:
            mirrored = rng.random(n) < 0.5
            place[mirrored] = length - 1 - place[mirrored]
        if self.crop_padding:
            place += rng.integers(-self.crop_padding, self.crop_padding + 1, (n, 1))
        inside = (place >= 0) & (place < length)
        return place.clip(0, length - 1), inside


def _like(values, images):
    """Numbers of the channels, of the images' kind and device: (channels, 1, 1)."""
    values = np.asarray(values, np.float32)[:, None, None]
    return values if isinstance(images, np.ndarray) else images.new_tensor(values)
