"""The argument DATA: files of arrays, tables and images, or a data set by its name."""

from __future__ import annotations

import click

from sksubsel.cli._options import options

_LOADERS = {
    "digits": "load_digits_images",
    "fashion-mnist": "load_fashion_mnist",
    "fashion_mnist": "load_fashion_mnist",
}
_CALLED = {
    "data": "DATA",
    "labels": "--labels",
    "target": "--target",
    "others": ", or one of digits, fashion-mnist",
}

DATA = options(
    click.argument("data"),
    click.option("--labels", metavar="FILE", help="Labels (.npy) beside DATA of .npy."),
    click.option("--target", metavar="COLUMN", help="Column of labels in DATA of .parquet."),
    click.option(
        "--image-size",
        type=click.IntRange(1),
        default=32,
        show_default=True,
        help="Pixels a side that an image folder's files are resized to.",
    ),
)


def read_data(data, labels=None, target=None, image_size=32):
    """Instances and labels of what :func:`read_files` reads, or of a data set by its name."""
    from sksubsel import datasets
    from sksubsel.datasets.files import read_files

    if data in _LOADERS and labels is None and target is None:
        return getattr(datasets, _LOADERS[data])(return_X_y=True)
    return read_files(data, labels, target, image_size, _CALLED)
