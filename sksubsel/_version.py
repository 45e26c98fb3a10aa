"""The version, where all parts find it, installed or not."""

__version__ = "0.1.0"
