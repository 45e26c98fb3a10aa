"""Selectors that do not depend on an architecture, to compare with: one class a file."""

from sksubsel.baselines.random import Random

__all__ = ["Random"]
