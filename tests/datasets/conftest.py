"""Small image files for the tests of image folders."""

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def no_data_home(monkeypatch):
    monkeypatch.delenv("SKSUBSEL_DATA", raising=False)


@pytest.fixture
def save_image():
    """Write an image of one grey value (or of given pixels), its folders made where missing."""
    Image = pytest.importorskip("PIL.Image")

    def save(path, value, size=(8, 8), mode="RGB"):
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.full((*size, 3), value, np.uint8) if np.isscalar(value) else value
        image = Image.fromarray(pixels).convert(mode)
        image.save(path, format="PNG")  # lossless, whatever the name says
        return pixels

    return save
