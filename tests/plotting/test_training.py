from types import SimpleNamespace

import matplotlib.pyplot as plt
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from sksubsel import ArchitectureEncoder, SubSelNet, SubsetSelector
from sksubsel.plotting import TrainingDisplay
from sksubsel.plotting._style import curve_style


def trained(*losses, valid=None):
    rows = [{"epoch": k, "train_loss": loss, "dur": 0.1} for k, loss in enumerate(losses, 1)]
    for row, loss in zip(rows, valid or ()):
        row |= {"valid_loss": loss, "valid_accuracy": 1 - loss / 10, "valid_loss_best": True}
    return SimpleNamespace(history_=rows)


@pytest.fixture(scope="module")
def classifier(tiny):
    recipe = clone(tiny.recipe).set_params(
        architecture=tiny.archs[0], early_stopping=True, random_state=0, max_epochs=3
    )
    return recipe.fit(tiny.X, tiny.y)


def drawn(display, label, part):
    line = display.lines_[label, part]
    return line.get_xdata().tolist(), line.get_ydata().tolist()


def test_a_classifier(classifier):
    display = TrainingDisplay.from_estimator(classifier)
    assert display.plot() is display
    history = classifier.history_
    for part in ("train", "valid"):
        expected = [1, 2, 3], [row[f"{part}_loss"] for row in history]
        assert drawn(display, "ArchitectureClassifier", part) == expected
    assert display.ax_.get_ylabel() == "Loss"
    assert display.ax_.get_xlabel() == "Epoch"
    assert [t.get_text() for t in display.ax_.get_legend().get_texts()] == ["train", "valid"]
    shown = TrainingDisplay.from_estimator(classifier, measure="accuracy", label="cell").plot()
    assert list(shown.lines_) == [("cell", "valid")]
    assert drawn(shown, "cell", "valid")[1] == [row["valid_accuracy"] for row in history]
    assert shown.ax_.get_ylabel() == "Accuracy"
    assert shown.ax_.get_yscale() == "linear"


def test_a_skorch_net(classifier):
    curves = TrainingDisplay.from_estimator(classifier.net_, measure="accuracy").curves
    assert curves["value"].tolist() == [row["valid_accuracy"] for row in classifier.history_]


def test_parts_of_subselnet(tiny):
    encoder = TrainingDisplay.from_estimator(tiny.encoder).curves
    assert encoder["value"].tolist() == [row["train_loss"] for row in tiny.encoder.history_]
    approximator = TrainingDisplay.from_estimator(tiny.approximator).curves
    assert approximator["part"].tolist() == ["train"] * 2
    selector = SubsetSelector("inductive", diversity="entropy", budget=30, max_epochs=3)
    selector.fit(tiny.seen_predictions, tiny.zoo)
    curves = TrainingDisplay.from_estimator(selector).curves
    assert curves["epoch"].tolist() == [1, 2, 3]
    assert curves["value"].tolist() == [row["train_loss"] for row in selector.scorer_.history]
    plain = SubsetSelector(budget=30).fit(tiny.seen_predictions, tiny.zoo)
    assert plain.history_ == []
    with pytest.raises(ValueError, match="SubsetSelector was trained for no epoch"):
        TrainingDisplay.from_estimator(plain)
    with pytest.raises(NotFittedError):
        _ = SubsetSelector().history_


def test_an_approximator_with_architectures_held_out():
    model = trained(1.0, 0.5)
    model.validation_history_ = trained(1.2, 0.9, 0.8, valid=[1.1, 1.0, 1.3]).history_
    display = TrainingDisplay.from_estimator(model, label="a").plot()
    assert drawn(display, "a", "train") == ([1, 2, 3], [1.2, 0.9, 0.8])
    assert drawn(display, "a", "valid") == ([1, 2, 3], [1.1, 1.0, 1.3])
    assert drawn(display, "a", "final") == ([1, 2], [1.0, 0.5])
    model.history_ = []  # the zoo's mean was better
    assert set(TrainingDisplay.from_estimator(model).curves["part"]) == {"train", "valid"}


def test_several_estimators():
    models = {"a": trained(3.0, 2.0, valid=[3.0, 2.5]), "b": trained(4.0, 1.0, 0.5)}
    figure, axes = plt.subplots(1, 2)
    display = TrainingDisplay.from_estimators(models).plot(axes[1])
    assert display.ax_ is axes[1]
    assert display.figure_ is figure
    assert len(plt.get_fignums()) == 1
    assert list(display.lines_) == [("a", "train"), ("a", "valid"), ("b", "train")]
    assert drawn(display, "b", "train") == ([1, 2, 3], [4.0, 1.0, 0.5])
    assert display.lines_["a", "valid"].get_color() == curve_style(0)["color"]
    assert display.lines_["b", "train"].get_color() == curve_style(1)["color"]
    assert display.lines_["a", "valid"].get_linestyle() == "--"
    names = [t.get_text() for t in axes[1].get_legend().get_texts()]
    assert names == ["a", "b", "train", "valid"]
    assert axes[1].get_yscale() == "log"  # from 0.5 to 4
    assert TrainingDisplay.from_estimators(models).plot(legend=False).ax_.get_legend() is None


def test_the_legend_is_above_narrow_axes():
    models = {"a": trained(3.0, 2.0), "b": trained(2.0, 1.0)}
    for width, above in ((3.5, True), (8.0, False)):
        _, ax = plt.subplots(figsize=(width, 3), layout="constrained")
        display = TrainingDisplay.from_estimators(models).plot(ax)
        display.figure_.draw_without_rendering()
        legend, box = ax.get_legend().get_window_extent(), ax.get_window_extent()
        assert (legend.y0 >= box.y1) == above
        assert (legend.x0 >= box.x1) == (not above)
        assert legend.x1 <= display.figure_.bbox.x1


def test_errors(tiny):
    with pytest.raises(NotFittedError):
        TrainingDisplay.from_estimator(ArchitectureEncoder())
    with pytest.raises(NotFittedError):
        TrainingDisplay.from_estimator(SubSelNet())
    with pytest.raises(TypeError, match="must keep what its epochs recorded .* got ModelZoo"):
        TrainingDisplay.from_estimator(tiny.zoo)
    net = SubSelNet()
    net.encoder_ = tiny.encoder
    with pytest.raises(TypeError, match="of a SubSelNet pass encoder_, approximator_ or sel"):
        TrainingDisplay.from_estimator(net)
    with pytest.raises(TypeError, match="estimators must be a dict"):
        TrainingDisplay.from_estimators([tiny.encoder])
    with pytest.raises(ValueError, match="at least one estimator"):
        TrainingDisplay.from_estimators({})
    message = r"measure must be one that a recorded, \['accuracy', 'loss'\]; got 'speed'"
    with pytest.raises(ValueError, match=message):
        TrainingDisplay.from_estimators({"a": trained(1.0, valid=[1.0])}, measure="speed")


def test_without_matplotlib(no_matplotlib):
    display = TrainingDisplay.from_estimator(trained(1.0))
    with pytest.raises(ImportError, match=r"pip install 'sksubsel\[plot\]'"):
        display.plot()
