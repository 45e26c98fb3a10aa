"""What a saved net says of itself: numbers, training curves, predictions, selected rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from sksubsel.cli._architectures import given_architectures
from sksubsel.subselnet import SubSelNet

_N_DRAWN = 6  # architectures
_MAX_CLASSES = 20  # with boxes and images of their own
_LEFT_OUT = (
    "Left out, since the net was saved without its zoo (`sksubsel fit --include-zoo`): the zoo's "
    "architectures and accuracies, their map, the approximator's calibration, and images."
)


class NetReport:
    """A net, and a selection of it.

    Rows are selected for the architecture asked for, else for one of the zoo, at best one that was
    not trained. Without a zoo, for a stand-in amid the fitted architectures' embeddings.

    Parameters
    ----------
    path : Path
        Folder that `SubSelNet.save` has written.
    architecture : str or None
        See `given_architectures`.
    budget : int, float or None
    device : str or None
        See `SubSelNet.load`.
    """

    def __init__(self, path, architecture=None, budget=None, device=None):
        self.path, self.budget = path, budget
        self.net = SubSelNet.load(path, device=device)
        self.zoo: Any = getattr(self.net, "zoo_", None)
        self.y = self.net.selector_.y_
        if self.zoo is not None and self.zoo.classes_ is not None:
            self.y = self.zoo.classes_[self.y]
        self.arch, self.of = None, "an architecture amid those fitted"
        if architecture is not None:
            self.arch = given_architectures([architecture])[0]
            self.of = f"architecture {self.arch.hash}, as asked for"
        elif self.zoo is not None:
            others = np.setdiff1d(np.arange(len(self.zoo)), self.zoo.trained_)
            place = int(others[0]) if len(others) else 0
            self.arch = self.zoo.architectures_[place]
            kind = "an untrained one" if len(others) else "one"
            self.of = f"architecture {self.arch.hash}, {kind} of the zoo"
        self.predictions = self._predictions()
        if self.arch is not None:
            self.rows = self.net.select(self.arch, budget)
        else:
            self.rows = self.net.selector_.select(self.predictions, budget)
        if self.net._is_shared(budget):
            self.of = "any architecture, by a design that all share"

    @property
    def title(self):
        return f"SubSelNet {self.path.name}"

    def facts(self) -> dict:
        """Numbers about the net, by name."""
        net, selector = self.net, self.net.selector_
        facts = {
            "mode": selector.mode,
            "diversity": selector.diversity,
            "budget": selector.budget,
            "instances": net.n_samples_,
            "outputs": selector.n_outputs_,
            "features": selector.features_.shape[1],
            "task": selector.task_,
            "epochs of the encoder": len(getattr(net.encoder_, "history_", [])),
            "epochs of the approximator": len(getattr(net.approximator_, "history_", [])),
        }
        if selector.oof_gain_ is not None:
            facts["gain of a second judge"] = round(selector.oof_gain_, 4)
        if selector.label_noise_ is not None:
            facts["share of labels that sure judges contradict"] = round(selector.label_noise_, 4)
        for name, seconds in net.fit_times_.items():
            facts[f"seconds of the {name}"] = round(float(seconds), 2)
        if self.zoo is not None:
            facts["architectures"] = len(self.zoo)
            facts["trained"] = len(self.zoo.trained_)
            facts["mean accuracy of the trained"] = round(float(self.zoo.accuracies_.mean()), 4)
        return facts

    def selection(self) -> pd.DataFrame:
        """Instances and selected rows of each class; of continuous labels, of all."""
        if self.net.selector_.task_ != "classification":
            return pd.DataFrame(
                {"class": ["all"], "instances": [len(self.y)], "selected": [len(self.rows)]}
            )
        classes, counts = np.unique(self.y, return_counts=True)
        of_class = [int((self.y[self.rows] == label).sum()) for label in classes]
        return pd.DataFrame({"class": classes, "instances": counts, "selected": of_class})

    def print(self):
        """Numbers as text."""
        for name, value in self.facts().items():
            print(f"{name:<28} {value}")
        print(f"\n{len(self.rows)} rows for {self.of}")
        print(self.selection().to_string(index=False))

    def document(self) -> dict:
        """The same as plain values."""
        selection = self.selection().to_dict("records")
        return {"net": self.path, **self.facts(), "selected for": self.of, "selection": selection}

    def fill(self, page):
        """Put tables and figures on a page."""
        facts = self.facts()
        page.table(pd.DataFrame({"net": list(facts), "": list(map(str, facts.values()))}))
        if self.zoo is None:
            page.text(_LEFT_OUT)
        else:
            self._fill_zoo(page)
        self._fill_training(page)
        page.heading("Selected rows")
        page.text(f"{len(self.rows)} of {len(self.y)} rows, for {self.of}.")
        page.table(self.selection())
        self._fill_scores(page)

    def _predictions(self):
        if self.arch is not None:
            embeddings = self.net.encoder_.transform([self.arch])
        else:
            if not hasattr(self.net.encoder_, "novelty_"):
                raise ValueError("--architecture must be given for an encoder of your own")
            embeddings = self.net.encoder_.novelty_.center_[None, None]
        return self.net.approximator_.transform(embeddings)

    def _fill_zoo(self, page):
        from sksubsel.plotting import (
            ApproximatorCalibrationDisplay,
            ArchitectureDisplay,
            LatentMapDisplay,
        )

        zoo = self.zoo
        page.heading("The zoo")
        order = np.argsort(-zoo.accuracies_, kind="stable")
        known = [zoo.architectures_[zoo.trained_[k]] for k in order]
        measure = "accuracy" if zoo.task_ == "classification" else "R²"
        page.table(
            pd.DataFrame(
                {
                    measure: zoo.accuracies_[order],
                    "parameters": zoo.n_parameters_[order],
                    "training/s": zoo.train_times_[order],
                    "architecture": [arch.hash for arch in known],
                }
            )
        )
        places = np.unique(np.linspace(0, len(known) - 1, min(_N_DRAWN, len(known))).astype(int))
        ops = sorted({op for place in places for op in known[place].ops})
        page.row(
            [
                ArchitectureDisplay.from_architecture(known[place], vocabulary=ops).plot()
                for place in places
            ],
            [
                f"{measure} {zoo.accuracies_[order[place]]:.3f}, number {place + 1} of "
                f"{len(known)}: {known[place].hash}"
                for place in places
            ],
        )
        if self._can_map():
            display: Any = LatentMapDisplay.from_zoo(self.net, zoo).plot()
            page.figure(display, "Architectures by the encoder, with what the trained ones attain")
        if zoo.task_ == "classification":
            display = ApproximatorCalibrationDisplay.from_estimator(
                self.net, zoo.architectures_, zoo
            ).plot()
            page.figure(display, "The approximator on the very networks that it was fitted on")

    def _can_map(self):
        points = np.nanmean(self.net.encoder_.transform(self.zoo.architectures_), axis=1)
        return len(points) > 1 and points.shape[1] > 1 and bool(np.ptp(points, axis=0).any())

    def _fill_training(self, page):
        from sksubsel.plotting import TrainingDisplay

        page.heading("Training")
        untrained = []
        for name in ("encoder", "approximator", "selector"):
            part = getattr(self.net, f"{name}_")
            if not len(getattr(part, "history_", [])):
                untrained.append(name)
                continue
            page.figure(TrainingDisplay.from_estimator(part).plot(), f"Loss of the {name}")
        if untrained:
            page.text(f"Without epochs of their own: {', '.join(untrained)}.")

    def _fill_scores(self, page):
        from sksubsel.plotting import ScoreDistributionDisplay, SubsetDisplay

        outputs = np.asarray(self.predictions)[0]
        if self.net.selector_.task_ != "classification":
            scores, name = np.abs(outputs[:, 0] - self.y), "Predicted error"
            errors = ScoreDistributionDisplay.from_scores(scores, None, self.rows, score_name=name)
            page.figure(errors.plot(), "What the network would miss the targets by")
            return
        codes, name = self.net.selector_.y_, "Predicted probability of the label"
        scores = outputs[np.arange(len(codes)), codes]
        few = len(np.unique(codes)) <= _MAX_CLASSES
        display: Any = ScoreDistributionDisplay.from_scores(
            scores, self.y if few else None, self.rows, score_name=name
        )
        page.figure(display.plot(), "How sure the network would be of each label")
        if self.zoo is not None and self.zoo.X_.ndim == 4 and self.zoo.X_.shape[1] in (1, 3):
            classes = None if few else np.unique(self.y)[:_MAX_CLASSES]
            display = SubsetDisplay.from_selection(
                self.zoo.X_, self.y, self.rows, scores, classes=classes
            )
            page.figure(display.plot(), "Selected images beside the rest")
