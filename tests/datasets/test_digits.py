import numpy as np

from sksubsel.datasets import load_digits_images


def test_digits():
    bunch = load_digits_images()
    assert bunch.data.shape == (1797, 1, 8, 8)
    assert bunch.data.dtype == np.float32
    assert bunch.data.min() == 0 and bunch.data.max() == 1
    assert bunch.target.dtype == np.int64
    assert set(bunch.target) == set(range(10)) == set(bunch.target_names)
    assert "digits" in bunch.DESCR
    X, y = load_digits_images(return_X_y=True)
    np.testing.assert_array_equal(X, bunch.data)
    np.testing.assert_array_equal(y, bunch.target)
