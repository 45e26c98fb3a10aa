"""Where the parameters of a training are searched for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["as_param_space", "check_param_names", "optimizer_space"]

_LEARNING_RATES = {"sgd": (3e-3, 0.3), "adam": (3e-4, 3e-2), "rmsprop": (1e-4, 1e-2)}


def optimizer_space(trial: Any) -> dict:
    """Optimisers and schedules, the space of the paper's appendix D.4.

    The paper tunes learning rate and weight decay of SGD, Adam and RMSprop, the momentum of SGD
    and RMSprop, and StepLR's step size and factor beside cosine annealing. The ranges are ours.

    Parameters
    ----------
    trial : optuna.Trial
        Or whatever else has its ``suggest_float`` and ``suggest_categorical``.

    Returns
    -------
    dict
        Parameters of an ArchitectureClassifier: ``optimizer``; ``lr``, log-uniform in [3e-3, 0.3]
        for "sgd", [3e-4, 3e-2] for "adam" and [1e-4, 1e-2] for "rmsprop"; ``weight_decay``,
        log-uniform in [1e-6, 1e-2]; ``momentum`` in [0.5, 0.99] and ``nesterov`` of "sgd",
        ``momentum`` in [0, 0.95] of "rmsprop"; ``schedule``, "cosine" or "step", of the latter
        ``step_size`` in [0.1, 0.5] of the training and ``gamma``, log-uniform in [0.05, 0.5].

    References
    ----------
    Jain, Nandy, Aggarwal, Tendulkar, Iyer, De. Efficient Data Subset Selection to Generalize
    Training Across Models: Transductive and Inductive Networks. NeurIPS 2023, appendix D.4.

    Examples
    --------
    More is searched for by a function that adds to it:

    >>> def space(trial):
    ...     batch_size = trial.suggest_categorical("batch_size", [16, 32, 64])
    ...     return {**optimizer_space(trial), "batch_size": batch_size}
    """
    optimizer = trial.suggest_categorical("optimizer", list(_LEARNING_RATES))
    low, high = _LEARNING_RATES[optimizer]
    params = {
        "optimizer": optimizer,
        # a name of its own for each range, so that TPE learns from rates of the same optimiser
        "lr": trial.suggest_float(f"lr of {optimizer}", low, high, log=True),
        "weight_decay": trial.suggest_float("weight_decay", 1e-6, 1e-2, log=True),
    }
    if optimizer == "sgd":
        params["momentum"] = trial.suggest_float("momentum of sgd", 0.5, 0.99)
        params["nesterov"] = trial.suggest_categorical("nesterov", [False, True])
    elif optimizer == "rmsprop":
        params["momentum"] = trial.suggest_float("momentum of rmsprop", 0.0, 0.95)
    params["schedule"] = trial.suggest_categorical("schedule", ["cosine", "step"])
    if params["schedule"] == "step":
        params["step_size"] = trial.suggest_float("step_size", 0.1, 0.5)
        params["gamma"] = trial.suggest_float("gamma", 0.05, 0.5, log=True)
    return params


class _DictSpace:
    """Parameters that do not depend on one another, each with a domain of its own."""

    def __init__(self, domains):
        self.domains = domains

    def __call__(self, trial):
        return {name: _suggest(trial, name, domain) for name, domain in self.domains.items()}


def _suggest(trial, name, domain):
    if isinstance(domain, (list, tuple)):  # by place, since choices may be of any type
        return domain[trial.suggest_categorical(name, list(range(len(domain))))]
    if hasattr(domain, "choices"):
        return trial.suggest_categorical(name, domain.choices)
    suggest = trial.suggest_int if isinstance(domain.low, int) else trial.suggest_float
    return suggest(name, domain.low, domain.high, step=domain.step, log=domain.log)


def as_param_space(param_space, allowed):
    """The function of a trial that `param_space` stands for.

    Parameters
    ----------
    param_space : callable, dict or None
    allowed : collection of str
        Names of the parameters there are.

    Raises
    ------
    ValueError
        If it is none of these, or a dict has another name or a domain that is neither a list of
        choices nor a distribution.
    """
    if param_space is None:
        return optimizer_space
    if isinstance(param_space, Mapping):
        check_param_names(param_space, allowed)
        for name, domain in param_space.items():
            is_list = isinstance(domain, (list, tuple)) and len(domain) > 0
            if not is_list and not hasattr(domain, "choices") and not hasattr(domain, "low"):
                raise ValueError(
                    f"param_space[{name!r}] must be a list of choices or a distribution of "
                    f"optuna.distributions; got {domain!r}"
                )
        return _DictSpace(dict(param_space))
    if callable(param_space):
        return param_space
    raise ValueError(
        "param_space must be a dict, a function of an Optuna trial that returns one, or None; got "
        f"{param_space!r}"
    )


def check_param_names(params, allowed) -> None:
    """Raise ValueError unless `params` is a dict of the estimator's parameters."""
    if not isinstance(params, Mapping):
        raise ValueError(f"param_space must return a dict of parameters; got {params!r}")
    unknown = sorted(set(params) - set(allowed))
    if unknown:
        raise ValueError(
            f"param_space must name parameters of the estimator, {sorted(allowed)}; got {unknown}"
        )
