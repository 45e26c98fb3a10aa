"""The folder of ``sksubsel zoo``: settings, architectures, and the store of what is trained."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from sksubsel._validation import is_continuous
from sksubsel.benchmark.config import make_space
from sksubsel.cli._architectures import read_architectures, to_line
from sksubsel.zoo import ArchitectureClassifier, ArchitectureRegressor, ModelZoo
from sksubsel.zoo.folders import write_atomically
from sksubsel.zoo.store import ForeignStoreError

_SETTINGS, _ARCHITECTURES, _STORE = "zoo.json", "architectures.jsonl", "store"
_FORMAT = 1


class ZooFolder:
    """A zoo on a disk, which a killed run goes on with.

    Parameters
    ----------
    path : path
    """

    def __init__(self, path):
        self.path = Path(path)

    def begin(self, settings: dict, draw) -> list:
        """The architectures, drawn where the folder is new.

        Parameters
        ----------
        settings : dict
            All that determines the zoo but its data, which the store knows; and "on_error",
            which may be another one than the folder was begun with.
        draw : callable
            ``draw() -> list of Architecture``

        Raises
        ------
        ValueError
            If something was trained in the folder with other settings, or it holds other files.
        """
        if self.path.exists() and not self.path.is_dir():
            raise ValueError(f"--store must be a folder; {self.path} is a file")
        begun = (self.path / _SETTINGS).exists()
        if begun:
            kept, finished = self.read()
            changed = sorted(
                name
                for name in (kept.keys() | settings.keys()) - {"on_error"}
                if kept.get(name) != settings.get(name)
            )
            if not changed:
                if kept != settings:
                    self._write_settings(settings, finished=False)
                return read_architectures(self.path / _ARCHITECTURES)
            if finished or any((self.path / _STORE).glob("*.npz")):
                name = changed[0]
                raise ValueError(
                    f"{self.path} was begun with {name} {kept.get(name)!r}; got "
                    f"{settings.get(name)!r} (give another folder, or the same settings)"
                )
            shutil.rmtree(self.path / _STORE, ignore_errors=True)  # nothing is trained yet
        elif self.path.exists() and any(
            one.name != _ARCHITECTURES and not one.name.endswith(".tmp")
            for one in self.path.iterdir()
        ):
            raise ValueError(f"--store {self.path} has other files in it; give a new folder")
        archs = draw()
        if settings["n_pretrained"] > len(archs):
            raise ValueError(
                f"--n-pretrained must be at most the number of architectures, {len(archs)}; got "
                f"{settings['n_pretrained']}"
            )
        self.path.mkdir(parents=True, exist_ok=True)
        self._write(_ARCHITECTURES, "".join(to_line(arch) + "\n" for arch in archs))
        self._write_settings(settings, finished=False)  # last: with it the folder is whole
        return archs

    def finish(self, settings: dict) -> None:
        """Say that all that could be trained is in the store."""
        self._write_settings(settings, finished=True)

    def read(self):
        """Settings, and whether all is trained.

        Raises
        ------
        ValueError
            If it is no such folder.
        """
        path = self.path / _SETTINGS
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content["format"] != _FORMAT:
                raise ValueError(f"its format is {content['format']}")
            settings = dict(content["settings"])
            # that of a folder of before there was a choice lacks it
            settings["recipe"] = {"stratify_batches": False, **settings["recipe"]}
            return settings, bool(content["finished"])
        except FileNotFoundError as error:
            raise ValueError(
                f"{self.path} is no folder that `sksubsel zoo` has written: there is no {path}"
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path} is damaged: {error}") from error

    def load(self, X, y, *, device):
        """The architectures, and their zoo from the store.

        Raises
        ------
        ValueError
            If something is still to be trained, or the data are others.
        """
        settings, finished = self.read()
        if not finished:
            raise ValueError(
                f"{self.path} is not finished; `sksubsel zoo` with the same arguments goes on"
            )
        archs = read_architectures(self.path / _ARCHITECTURES)
        zoo = self.make(settings, y, n_jobs=1, device=device, verbose=0)
        try:
            return archs, zoo.fit(archs, X, y)
        except ForeignStoreError as error:
            raise ValueError(
                f"{self.path} was made for other data: DATA, --labels, --target and --image-size "
                "must be those of `sksubsel zoo`"
            ) from error

    def make(self, settings: dict, y, *, n_jobs, device, verbose) -> ModelZoo:
        """The unfitted zoo of some settings.

        Where the space has no parameters, its networks are the small ones of `PROXY_PARAMS`.
        """
        continuous = is_continuous(y)
        cls = ArchitectureRegressor if continuous else ArchitectureClassifier
        recipe = dict(settings["recipe"])
        if continuous and recipe.pop("stratify_batches"):
            raise ValueError(
                "--stratify-batches must be left out for a regression, whose targets are no classes"
            )
        space = settings["space"]
        build = make_space(space).build if len(space) > 1 and "name" in space else None
        return ModelZoo(
            cls(build=build, **recipe),
            n_pretrained=settings["n_pretrained"],
            store=self.path / _STORE,
            on_error=settings["on_error"],
            n_jobs=n_jobs,
            device=device,
            random_state=settings["seed"],
            verbose=verbose,
        )

    def _write_settings(self, settings, *, finished):
        content = {"format": _FORMAT, "finished": finished, "settings": settings}
        self._write(_SETTINGS, json.dumps(content, indent=1) + "\n")

    def _write(self, name, text):
        write_atomically(self.path / name, lambda file: file.write(text.encode()))
