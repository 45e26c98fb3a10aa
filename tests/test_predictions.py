import numpy as np
import pytest

from sksubsel.predictions import as_predictions


def test_parts_are_the_whole(tiny):
    whole = np.asarray(tiny.seen_predictions)
    assert whole.shape == tiny.seen_predictions.shape == (6, 150, 10)
    assert whole.dtype == np.float32
    for predictions in (tiny.seen_predictions, as_predictions(whole)):
        parts = list(predictions.chunks(size=60))  # ten instances of six architectures
        assert len(parts) == 15
        np.testing.assert_allclose(np.concatenate([p for _, p in parts], axis=1), whole, rtol=1e-5)
        np.testing.assert_allclose(predictions.rows([5, 2]), whole[:, [5, 2]], rtol=1e-5)
        for index in (2, slice(1, 4), [4, 0], np.array([True] + 5 * [False])):
            part = predictions[index]
            expected = whole[index].reshape(-1, 150, 10)
            assert len(part) == len(expected)
            np.testing.assert_allclose(np.asarray(part), expected, rtol=1e-4, atol=1e-6)
    assert as_predictions(whole).embeddings is None
    assert tiny.seen_predictions[1:3].embeddings.shape[0] == 2


def test_parts_are_small_where_there_are_many_outputs(tiny, monkeypatch):
    monkeypatch.setattr("sksubsel.predictions._MAX_OUTPUTS", 300)
    parts = list(tiny.seen_predictions.chunks())
    assert {part.shape for _, part in parts} == {(6, 5, 10)} and len(parts) == 30


def test_probabilities():
    array = np.full((2, 4, 3), 1 / 3, dtype=np.float16)
    as_predictions(array, task="classification")
    array[1, 2] = [2, -1, 0]
    as_predictions(array, task="regression")
    with pytest.raises(ValueError, match=r"predictions\[1\] must be probabilities, at least 0"):
        as_predictions(array, task="classification")
    with pytest.raises(ValueError, match=r"C=4 outputs; got shape \(2, 4, 3\)"):
        as_predictions(array, 4, 4, "classification")


@pytest.mark.parametrize(
    "array", [np.zeros(3), np.zeros((0, 4, 2)), np.zeros((1, 4, 2), int), np.zeros((1, 1, 4, 2))]
)
def test_bad_arrays(array):
    with pytest.raises(ValueError, match="shape"):
        as_predictions(array)
    with pytest.raises(ValueError, match="N=5"):
        as_predictions(np.zeros((1, 4, 2)), 5)
