import matplotlib.pyplot as plt
import numpy as np
import pytest

from sksubsel.plotting import SubsetDisplay
from sksubsel.plotting.subset import _short


def images(n=40, shape=(1, 4, 3), seed=0):
    rng = np.random.default_rng(seed)
    return rng.random((n, *shape)).astype(np.float32), np.arange(n) % 3


def test_shown_images_are_spread_over_the_scores():
    X, y = images()
    scores = np.random.default_rng(1).permutation(40).astype(float)
    rows = np.arange(0, 40, 2)
    display = SubsetDisplay.from_selection(X, y, rows, scores, n_per_class=3)
    cells = display.cells
    assert len(cells) == 3 * 2 * 3
    for (label, group), part in cells.groupby(["class", "group"]):
        own = [i for i in range(40) if y[i] == label and (i in rows) == (group == "selected")]
        own.sort(key=lambda i: -scores[i])
        middle = own[round((len(own) - 1) / 2)]
        assert part["row"].tolist() == [own[0], middle, own[-1]]
        assert part["place"].tolist() == [0, 1, 2]
    np.testing.assert_array_equal(cells["score"], scores[cells["row"]])
    expected = np.repeat(X[cells["row"], 0, :, :, None], 3, axis=3)
    np.testing.assert_array_equal(display.images, expected)


def test_plot():
    X, y = images(shape=(3, 4, 4))
    y = np.array(["ant", "bee", "cow"])[y]
    scores = np.linspace(0, 1, 40)
    figure, axes = plt.subplots(1, 2, figsize=(14, 4))
    display = SubsetDisplay.from_selection(X, y, [0, 1, 3], scores, n_per_class=4)
    assert display.plot(axes[1]) is display
    assert display.ax_ is axes[1]
    assert display.figure_ is figure
    assert len(plt.get_fignums()) == 1
    assert len(display.images_) == len(display.cells) == 2 + 1 + 3 * 4
    for drawn, row in zip(display.images_, display.cells["row"]):
        np.testing.assert_array_equal(drawn.get_array(), X[row].transpose(1, 2, 0))
    assert [t.get_text() for t in display.texts_] == [
        f"{scores[row]:.2f}" for row in display.cells["row"]
    ]
    assert [t.get_text() for t in axes[1].get_yticklabels()] == ["ant", "bee", "cow"]
    assert [t.get_text() for t in axes[1].get_xticklabels()] == ["selected", "rest"]
    assert "none" in [t.get_text() for t in axes[1].texts]  # no cow is selected
    lefts = np.array([each.get_extent()[0] for each in display.images_])
    selected = display.cells["group"].to_numpy() == "selected"
    assert lefts[selected].max() + 1 < lefts[~selected].min()
    tops = [each.get_extent()[3] for each in display.images_]
    assert len(set(tops)) == 3  # a row for each class
    assert np.all(np.diff(tops) >= 0)


def test_scores_that_would_be_illegible_are_left_out():
    X, y = images()
    display = SubsetDisplay.from_selection(X, y, [0, 1, 2], np.arange(40))
    assert display.plot(plt.subplots(figsize=(1.0, 1.0))[1]).texts_ == []
    assert len(display.plot().texts_) == len(display.cells)
    plain = SubsetDisplay.from_selection(X, y, [0, 1, 2]).plot()
    assert plain.texts_ == []


def test_classes_and_none():
    X, y = images()
    display = SubsetDisplay.from_selection(X, y, [0, 1, 2], classes=[2, 0])
    assert display.cells["class"].unique().tolist() == [2, 0]
    whole = SubsetDisplay.from_selection(X, None, np.arange(40) < 4, n_per_class=2)
    assert whole.cells["class"].unique().tolist() == ["all"]
    assert whole.cells["row"].tolist() == [0, 3, 4, 39]  # in the order of rows


def test_flat_instances_with_their_shape():
    X, y = images()
    expected = SubsetDisplay.from_selection(X, y, [0, 1, 2])
    for shape in ((4, 3), (1, 4, 3)):
        display = SubsetDisplay.from_selection(X.reshape(40, 12), y, [0, 1, 2], image_shape=shape)
        np.testing.assert_array_equal(display.images, expected.images)


def test_values_beyond_0_and_1_are_scaled():
    X, y = images()
    display = SubsetDisplay.from_selection((255 * X).astype(np.uint8), y, [0, 1, 2])
    assert display.images.min() == 0
    assert display.images.max() == 1
    plain = SubsetDisplay.from_selection(X, y, [0, 1, 2])
    assert plain.images.min() > 0


def test_scores_as_text():
    assert _short(np.array([0.123, np.nan, -0.5])) == ["0.12", "", "-0.50"]
    assert _short(np.array([12.34, 5.0])) == ["12.3", "5.0"]
    assert _short(np.array([1234.0])) == ["1234"]
    assert _short(np.array([1e-5, 2e6])) == ["1e-05", "2e+06"]


def test_missing_scores_come_last():
    X, _ = images(6)
    scores = np.array([np.nan, 1, 2, 5.0, 3, 4])
    cells = SubsetDisplay.from_selection(X, None, range(6), scores, n_per_class=6).cells
    assert cells["row"].tolist() == [3, 5, 4, 2, 1, 0]


def test_errors():
    X, y = images()
    make = SubsetDisplay.from_selection
    shapes = r"X must be images of shape \(N, channels, height, width\) with 1 or 3 channels, or "
    for bad in (X.reshape(40, 12), X[:, 0], np.zeros((40, 2, 4, 4)), X.astype(str)):
        with pytest.raises(ValueError, match=shapes + ".*got X of shape"):
            make(bad, y, [0])
    for shape in ((5, 3), (12,), (2, 4, 3)):
        with pytest.raises(ValueError, match=r"image_shape must be .* \(12,\); got \("):
            make(X.reshape(40, 12), y, [0], image_shape=shape)
    with pytest.raises(ValueError, match=r"y must have shape \(N,\)=\(40,\); got \(3,\)"):
        make(X, y[:3], [0])
    with pytest.raises(ValueError, match=r"scores must have shape \(N,\)=\(40,\); got \(2,\)"):
        make(X, y, [0], [1, 2])
    with pytest.raises(ValueError, match=r"rows must be in \[0, N=40\); got -1 to 3"):
        make(X, y, [-1, 3])
    with pytest.raises(
        ValueError, match=r"classes must be among those of y, \[0, 1, 2\]; got \[7\]"
    ):
        make(X, y, [0], classes=[1, 7])
    with pytest.raises(ValueError, match="n_per_class must be a positive int; got 0"):
        make(X, y, [0], n_per_class=0)
    X[0] = np.nan
    with pytest.raises(ValueError, match="X must be finite; got nan"):
        make(X, y, [0])


def test_without_matplotlib(no_matplotlib):
    display = SubsetDisplay.from_selection(*images(), [0])
    with pytest.raises(ImportError, match=r"pip install 'sksubsel\[plot\]'"):
        display.plot()
