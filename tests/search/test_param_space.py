from types import SimpleNamespace

import pytest

from sksubsel import ArchitectureClassifier
from sksubsel.search import optimizer_space
from sksubsel.search.param_space import as_param_space, check_param_names

ALLOWED = set(ArchitectureClassifier().get_params())


class FixedTrial:
    """Suggests the choices given and the lower end of ranges; notes what it is asked."""

    def __init__(self, **chosen):
        self.chosen, self.asked = chosen, {}

    def suggest_categorical(self, name, choices):
        self.asked[name] = choices
        return self.chosen.get(name, choices[0])

    def suggest_float(self, name, low, high, *, step=None, log=False):
        self.asked[name] = (low, high, step, log)
        return low

    suggest_int = suggest_float


@pytest.mark.parametrize(
    "schedule, of_schedule", [("cosine", set()), ("step", {"step_size", "gamma"})]
)
@pytest.mark.parametrize(
    "optimizer, own",
    [("sgd", {"momentum", "nesterov"}), ("adam", set()), ("rmsprop", {"momentum"})],
)
def test_the_papers_space(optimizer, own, schedule, of_schedule):
    params = optimizer_space(FixedTrial(optimizer=optimizer, schedule=schedule))
    shared = {"optimizer", "lr", "weight_decay", "schedule"}
    assert set(params) == shared | own | of_schedule
    assert (params["optimizer"], params["schedule"]) == (optimizer, schedule)
    ArchitectureClassifier(**params)._validate_params()


def test_a_dict_of_domains():
    trial = FixedTrial(batch_size=1)
    space = as_param_space(
        {
            "batch_size": [16, 32],
            "schedule": SimpleNamespace(choices=("onecycle", None)),
            "lr": SimpleNamespace(low=0.1, high=0.5, step=None, log=True),
            "max_epochs": SimpleNamespace(low=1, high=9, step=2, log=False),
        },
        ALLOWED,
    )  # fmt: skip
    found = space(trial)
    assert found == {"batch_size": 32, "schedule": "onecycle", "lr": 0.1, "max_epochs": 1}
    assert trial.asked == {
        "batch_size": [0, 1], "schedule": ("onecycle", None), "lr": (0.1, 0.5, None, True),
        "max_epochs": (1, 9, 2, False),
    }  # fmt: skip


def test_a_function_is_taken_as_it_is():
    assert as_param_space(len, ALLOWED) is len
    assert as_param_space(None, ALLOWED) is optimizer_space


@pytest.mark.parametrize(
    "param_space, problem",
    [
        ({"rate": [1]}, r"param_space must name parameters of the estimator, .*'rate'"),
        ({"lr": []}, r"param_space\['lr'\] must be a list of choices"),
        ({"lr": 0.1}, r"param_space\['lr'\] must be a list of choices"),
        ("lr", "param_space must be a dict, a function"),
    ],
)
def test_what_is_wrong_with_a_space(param_space, problem):
    with pytest.raises(ValueError, match=problem):
        as_param_space(param_space, ALLOWED)


def test_what_a_function_returns_is_checked():
    with pytest.raises(ValueError, match="param_space must return a dict"):
        check_param_names(0.1, ALLOWED)
