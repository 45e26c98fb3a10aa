"""One list of estimators, one list of laws."""

import inspect
import math
import pickle
import re

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch import nn

import sksubsel
from sksubsel import (
    ArchitectureClassifier,
    ArchitectureEncoder,
    ArchitectureRegressor,
    ModelApproximator,
    ModelZoo,
    SubSelNet,
    SubsetClassifier,
    SubsetRegressor,
    SubsetSelector,
)
from sksubsel.baselines import Random, TrainingDynamics
from sksubsel.features import InstanceFeatures


class Case:
    """An estimator, what it is fitted on, and what it then says."""

    def __init__(self, make, data, output):
        self.make, self.data, self.output = make, data, output


def _net(tiny):
    return SubSelNet(
        "inductive",
        budget=30,
        encoder=ArchitectureEncoder(max_epochs=2),
        approximator=ModelApproximator(max_epochs=1),
    )


CASES = {
    "ArchitectureEncoder": Case(
        lambda t: ArchitectureEncoder(max_epochs=2),
        lambda t: (t.archs,),
        lambda e, t: e.transform(t.unseen),
    ),
    "ModelApproximator": Case(
        lambda t: ModelApproximator(max_epochs=2),
        lambda t: (t.encoder.transform(t.archs), t.zoo),
        lambda e, t: e.predict_proba(t.encoder.transform(t.unseen)),
    ),
    "SubsetSelector": Case(
        lambda t: SubsetSelector("hybrid", budget=30, max_epochs=2),
        lambda t: (t.seen_predictions, t.zoo),
        lambda e, t: e.transform(t.predictions),
    ),
    "SubSelNet": Case(_net, lambda t: (t.archs, t.zoo), lambda e, t: e.transform(t.unseen)),
    "ModelZoo": Case(
        lambda t: ModelZoo(t.recipe),
        lambda t: (t.archs[:2], t.X, t.y),
        lambda e, t: e.predictions_,
    ),
    "ArchitectureClassifier": Case(
        lambda t: clone(t.recipe).set_params(architecture=t.archs[0]),
        lambda t: (t.X, t.y),
        lambda e, t: e.predict_proba(t.X_test),
    ),
    "ArchitectureRegressor": Case(
        lambda t: ArchitectureRegressor(t.archs[0], build=t.space.build, max_epochs=1),
        lambda t: (t.X, t.y / 3),
        lambda e, t: e.predict(t.X_test),
    ),
    "Random": Case(
        lambda t: Random(budget=30), lambda t: (t.X, t.y), lambda e, t: e.sample_indices_
    ),
    "TrainingDynamics": Case(
        lambda t: TrainingDynamics(max_epochs=2),
        lambda t: (t.X, t.y),
        lambda e, t: e.proba_,
    ),
    "SubsetClassifier": Case(
        lambda t: SubsetClassifier(selector=Random(40, stratify="equal", random_state=0)),
        lambda t: (t.X.reshape(150, -1), t.y),
        lambda e, t: e.predict_proba(t.X_test.reshape(100, -1)),
    ),
    "SubsetRegressor": Case(
        lambda t: SubsetRegressor(selector=Random(40, random_state=0)),
        lambda t: (t.X.reshape(150, -1), t.y / 3),
        lambda e, t: e.predict(t.X_test.reshape(100, -1)),
    ),
    "InstanceFeatures": Case(
        lambda t: InstanceFeatures(), lambda t: (t.X,), lambda e, t: e.transform(t.X_test)
    ),
}
CLASSES = [
    ArchitectureEncoder, ModelApproximator, SubsetSelector, SubSelNet, ModelZoo,
    ArchitectureClassifier, ArchitectureRegressor, Random, InstanceFeatures, TrainingDynamics,
    SubsetClassifier, SubsetRegressor,
]  # fmt: skip


class TableNetwork:
    """Builds a small network for tables, of no architecture.

    A class, as the address in a function's repr would name the tests anew in each process.
    """

    def __call__(self, arch, in_shape, n_outputs):
        return nn.Sequential(
            nn.Flatten(), nn.Linear(math.prod(in_shape), 16), nn.ReLU(), nn.Linear(16, n_outputs)
        )

    def __repr__(self):
        return "TableNetwork()"


@parametrize_with_checks(
    [
        Random(),
        Random(0.5, stratify="equal"),
        InstanceFeatures(n_components=2),
        InstanceFeatures(n_components=None),
        ArchitectureClassifier(build=TableNetwork()),
        ArchitectureRegressor(build=TableNetwork(), max_epochs=40),
    ],
    expected_failed_checks=lambda estimator: (
        {
            "check_sample_weight_equivalence_on_dense_data": "stochastic: a repeated instance "
            "changes the batches, so that a weight of two gives other steps than two copies",
        }
        if hasattr(estimator, "build")
        else {}
    ),
)
def test_sklearn_checks(estimator, check):
    check(estimator)


def seeded(case, tiny, seed=0):
    estimator = case.make(tiny)
    if "random_state" in estimator.get_params():
        estimator.set_params(random_state=seed)
    return estimator


@pytest.fixture(params=CASES, scope="module")
def case(request):
    return CASES[request.param]


def test_the_list_is_complete():
    public = [getattr(sksubsel, name) for name in sksubsel.__all__]
    estimators = {c.__name__ for c in public if inspect.isclass(c) and issubclass(c, BaseEstimator)}
    assert estimators <= set(CASES)
    assert {c.__name__ for c in CLASSES} == set(CASES)


@pytest.mark.parametrize("cls", CLASSES)
def test_constructor_stores_and_does_nothing_else(cls):
    estimator = cls()
    signature = inspect.signature(cls.__init__).parameters
    defaults = {k: p.default for k, p in signature.items() if k != "self"}
    assert vars(estimator) == defaults
    assert estimator.get_params(deep=False) == defaults
    assert set(cls._parameter_constraints) == set(defaults)


@pytest.mark.parametrize("cls", CLASSES)
def test_every_parameter_is_documented(cls):
    doc = inspect.cleandoc(cls.__doc__)
    section = re.search(r"\nParameters\n-+\n(.*?)(?:\n\n\w[^\n]*\n-+\n|\Z)", doc, re.DOTALL)[1]
    names = re.findall(r"^(\w+(?:, \w+)*) : ", section, re.MULTILINE)
    documented = [name for group in names for name in group.split(", ")]
    assert sorted(documented) == sorted(cls().get_params(deep=False))


def test_clone_and_parameters(case, tiny):
    estimator = case.make(tiny)
    copy = clone(estimator)
    assert repr(copy) == repr(estimator)
    for name, value in estimator.get_params(deep=False).items():
        copy.set_params(**{name: value})
    assert vars(copy).keys() == vars(estimator).keys()
    with pytest.raises(ValueError, match="no_such"):
        copy.set_params(no_such=1)


def test_fits(case, tiny, capfd):
    """Silent, the global generators untouched, the same again, and after pickling."""
    data = case.data(tiny)
    np.random.seed(5)
    torch.manual_seed(5)
    before = np.random.get_state()[1].copy(), torch.get_rng_state()
    estimator = seeded(case, tiny)
    params = repr(estimator)
    assert estimator.fit(*data) is estimator
    first = np.array(case.output(estimator, tiny))
    assert (np.random.get_state()[1] == before[0]).all()
    assert (torch.get_rng_state() == before[1]).all()
    assert capfd.readouterr() == ("", "")
    assert repr(estimator) == params
    assert (case.output(pickle.loads(pickle.dumps(estimator)), tiny) == first).all()
    np.random.seed(6)
    torch.manual_seed(6)
    if hasattr(estimator, "fit"):  # a fitted zoo is data
        assert (case.output(estimator.fit(*data), tiny) == first).all()
    assert (case.output(seeded(case, tiny).fit(*data), tiny) == first).all()


@pytest.mark.parametrize("name", ["SubsetSelector", "SubSelNet", "Random"])
def test_selected_rows(name, tiny):
    case = CASES[name]
    rows = case.output(seeded(case, tiny).fit(*case.data(tiny)), tiny)
    for part in np.atleast_2d(rows):
        assert part.shape == (30,)
        assert part.dtype == np.int64
        assert (np.diff(part) > 0).all()
        assert part[0] >= 0
        assert part[-1] < 150


@pytest.mark.parametrize("name", [n for n in CASES if n not in {"Random"}])
def test_not_fitted(name, tiny):
    with pytest.raises((NotFittedError, AttributeError), match="fitted"):
        CASES[name].output(CASES[name].make(tiny), tiny)


@pytest.mark.parametrize("name", [n for n in CASES if n != "InstanceFeatures"])
def test_bad_parameter(name, tiny):
    estimator = CASES[name].make(tiny)
    bad = next(
        p for p in ("random_state", "device", "sample_weight") if p in estimator.get_params()
    )
    with pytest.raises((ValueError, TypeError), match=bad):
        estimator.set_params(**{bad: "nonsense"}).fit(*CASES[name].data(tiny))
