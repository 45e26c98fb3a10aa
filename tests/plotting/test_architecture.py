import matplotlib.pyplot as plt
import numpy as np
import pytest

from sksubsel import Architecture
from sksubsel.plotting import ArchitectureDisplay
from sksubsel.plotting._layout import isotonic, layered_layout, longest_path_layers
from sksubsel.plotting.architecture import _curves, _sizes
from sksubsel.spaces import DARTS, NASBench101, Transformer

DIAMOND = Architecture(
    ["input", "conv", "pool", "add", "output"], [(0, 1), (0, 2), (0, 4), (1, 3), (2, 3), (3, 4)]
)


def lowered():
    space = DARTS(stem_channels=4, n_layers=3)
    return space.lower(space.sample(1, random_state=0)[0], (1, 8, 8), 10)


def walked(vertices, n=12):
    """Points along cubic Bezier curves."""
    t = np.linspace(0, 1, n)[:, None]
    parts = [vertices[k : k + 4] for k in range(0, len(vertices) - 1, 3)]
    return np.concatenate(
        [
            (1 - t) ** 3 * a + 3 * t * (1 - t) ** 2 * b + 3 * t**2 * (1 - t) * c + t**3 * d
            for a, b, c, d in parts
        ]
    )


def test_layers_are_longest_paths():
    np.testing.assert_array_equal(longest_path_layers(DIAMOND.edges, 5), [0, 1, 1, 2, 3])
    networkx = pytest.importorskip("networkx")
    graph = lowered().to_networkx()
    longest = {}
    for v in networkx.topological_sort(graph):
        longest[v] = 1 + max((longest[u] for u in graph.predecessors(v)), default=-1)
    layers = longest_path_layers(list(graph.edges), len(graph))
    assert layers.tolist() == [longest[v] for v in range(len(graph))]


def test_isotonic_is_scikit_learns():
    from sklearn.isotonic import isotonic_regression

    rng = np.random.default_rng(0)
    for n in (1, 2, 9, 40):
        values, weight = rng.normal(size=n), rng.random(n) + 0.01
        expected = isotonic_regression(values, sample_weight=weight)
        np.testing.assert_allclose(isotonic(values, weight), expected, atol=1e-10)


def drawing(name):
    if name == "cell":
        return NASBench101().sample(3, random_state=1)[2], {}
    if name == "dots":
        return lowered(), {}
    options = {"attributes": {"attributes": True}, "columns": {"n_columns": 4}}
    return Transformer().sample(1, random_state=0)[0], {"labels": True, **options[name]}


@pytest.mark.parametrize("name", ["cell", "attributes", "columns", "dots"])
def test_nothing_overlaps(name):
    arch, options = drawing(name)
    shown = ArchitectureDisplay.from_architecture(arch, **options)
    sizes, at = _sizes(arch, shown.texts), shown.layout.positions
    apart = np.abs(at[:, None] - at) - (sizes[:, None] + sizes) / 2
    assert ((apart > 1) | np.eye(len(at), dtype=bool)[..., None]).any(axis=2).all()
    for (u, v), curve in zip(arch.edges, _curves(shown.layout, shown.texts is None)):
        points = walked(curve)
        distance = np.abs(points[:, None] - at) - sizes / 2  # to each node's border
        inside = (distance < -1e-9).all(axis=2)
        assert not inside.any(), f"edge {u}-{v} is hidden by a node"
        # it leads from the border of one to the border of the other
        for point, node in ((points[0], u), (points[-1], v)):
            assert abs(abs(point[1] - at[node, 1]) - sizes[node, 1] / 2) < 1e-9
            assert abs(point[0] - at[node, 0]) < sizes[node, 0] / 2


def test_flow_leads_down_and_in_the_next_column_up():
    chain = Architecture(["input", *["conv"] * 8, "output"], [(k, k + 1) for k in range(9)])
    y = ArchitectureDisplay.from_architecture(chain, n_columns=1).layout.positions[:, 1]
    assert (np.diff(y) < 0).all()
    x, y = ArchitectureDisplay.from_architecture(chain, n_columns=2).layout.positions.T
    assert (np.diff(y[:5]) < 0).all()
    assert (np.diff(y[5:]) > 0).all()
    assert x[5:].min() > x[:5].max()
    assert y[4] == y[5]


def test_crossings_are_undone():
    sizes = np.full((6, 2), 9.0)
    edges = [(0, 1), (0, 2), (1, 4), (2, 3), (3, 5), (4, 5)]  # 1 - 4 and 2 - 3 cross as numbered
    at = layered_layout(edges, sizes, gap=(4, 9)).positions
    assert (at[1, 0] < at[2, 0]) == (at[4, 0] < at[3, 0])


def test_plot():
    display = ArchitectureDisplay.from_architecture(DIAMOND)
    assert display.plot() is display
    assert [text.get_text() for text in display.labels_] == list(DIAMOND.ops)
    for text, at in zip(display.labels_, display.layout.positions):
        np.testing.assert_array_equal(text.get_position(), at)
    assert len(display.nodes_) == 5
    assert len(display.edges_) == 6
    assert display.ax_.get_legend() is None
    assert display.figure_ is display.ax_.figure
    faces = [box.get_facecolor() for box in display.nodes_]
    assert len(set(faces[1:4])) == 3
    assert faces[0] == faces[4]


def test_text_of_attributes():
    conv = {"kernel": (1, 7), "stride": 2, "groups": 1, "norm": True, "act": "relu", "bias": False}
    arch = Architecture(["input", "conv", "output"], [(0, 1), (1, 2)], [{}, conv, {}])
    display = ArchitectureDisplay.from_architecture(arch, attributes=True)
    assert display.texts == ["input", "conv\nrelu, kernel 1×7\nnorm, stride 2", "output"]
    assert ArchitectureDisplay.from_architecture(arch).texts == ["input", "conv", "output"]


def test_text_fits_into_its_box():
    arch = Transformer().sample(1, random_state=0)[0]
    display = ArchitectureDisplay.from_architecture(arch, attributes=True, labels=True).plot()
    channels = arch.attributes[1]["channels"]
    assert display.labels_[1].get_text() == f"patch\nchannels {channels}"
    display.figure_.draw_without_rendering()
    for text, box in zip(display.labels_, display.nodes_):
        inner, outer = text.get_window_extent(), box.get_window_extent()
        assert outer.x0 < inner.x0
        assert inner.x1 < outer.x1
        assert outer.y0 < inner.y0
        assert inner.y1 < outer.y1


def test_many_nodes_are_dots_with_a_legend():
    arch = lowered()
    display = ArchitectureDisplay.from_architecture(arch)
    assert display.texts is None
    figure, axes = plt.subplots(1, 2, figsize=(7, 3.5), layout="constrained")
    display.plot(axes[1])
    assert display.ax_ is axes[1]
    assert display.figure_ is figure
    assert len(plt.get_fignums()) == 1
    assert not axes[0].patches
    for op, dots in display.nodes_.items():
        own = [k for k, each in enumerate(arch.ops) if each == op]
        np.testing.assert_array_equal(dots.get_offsets(), display.layout.positions[own])
    names = [text.get_text() for text in axes[1].get_legend().get_texts()]
    assert f"conv ({arch.ops.count('conv')})" in names
    assert len(names) == len(set(arch.ops))


def test_text_too_small_to_read_is_left_out():
    cell = NASBench101().sample(2, random_state=0)[1]
    _, ax = plt.subplots(figsize=(0.9, 0.9))
    display = ArchitectureDisplay.from_architecture(cell).plot(ax)
    assert display.labels_ == []
    assert isinstance(display.nodes_, dict)
    assert display.texts is not None  # it comes back in larger axes
    display.plot(plt.subplots(figsize=(3.5, 5))[1])
    assert len(display.labels_) == cell.n_nodes


def test_colours_by_a_given_vocabulary():
    display = ArchitectureDisplay.from_architecture(DIAMOND, vocabulary=["pool", "other"])
    assert display.vocabulary == ("pool", "other", "add", "conv")
    other = Architecture(["input", "pool", "output"], [(0, 1), (1, 2)])
    same = ArchitectureDisplay.from_architecture(other, vocabulary=["pool"]).plot()
    assert same.nodes_[1].get_facecolor() == display.plot().nodes_[2].get_facecolor()


def test_errors():
    with pytest.raises(TypeError, match="an architecture must be"):
        ArchitectureDisplay.from_architecture(3)
    with pytest.raises(ValueError, match="labels must be True, False or \"auto\"; got 'yes'"):
        ArchitectureDisplay.from_architecture(DIAMOND, labels="yes")
    for n_columns in (0, 1.5, True):
        with pytest.raises(ValueError, match=f"n_columns must be an int .* got {n_columns}"):
            ArchitectureDisplay.from_architecture(DIAMOND, n_columns=n_columns)


def test_without_matplotlib(no_matplotlib):
    display = ArchitectureDisplay.from_architecture(DIAMOND)
    with pytest.raises(ImportError, match=r"pip install 'sksubsel\[plot\]'"):
        display.plot()
