"""Features of data that do not fit in memory: extracted once, and kept on disk."""

from sksubsel.extraction.extract import extract_features
from sksubsel.extraction.stored import StoredFeatures

__all__ = ["StoredFeatures", "extract_features"]
