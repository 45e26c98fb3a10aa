"""Image data sets: the digits of scikit-learn, and those of the paper from a local copy."""

from sksubsel.datasets.caltech256 import load_caltech256
from sksubsel.datasets.cifar import load_cifar10, load_cifar100
from sksubsel.datasets.digits import load_digits_images
from sksubsel.datasets.fashion_mnist import load_fashion_mnist
from sksubsel.datasets.image_files import ImageFiles
from sksubsel.datasets.image_folder import load_image_folder
from sksubsel.datasets.imagenet import load_imagenet
from sksubsel.datasets.splits import split_rows
from sksubsel.datasets.tiny_imagenet import load_tiny_imagenet
from sksubsel.datasets.transforms import ImageTransform

__all__ = [
    "ImageFiles",
    "ImageTransform",
    "load_caltech256",
    "load_cifar10",
    "load_cifar100",
    "load_digits_images",
    "load_fashion_mnist",
    "load_image_folder",
    "load_imagenet",
    "load_tiny_imagenet",
    "split_rows",
]
