"""What the workers of a cluster import in the tests: networks that tell what is done with them."""

import os
import signal
import time
from pathlib import Path

import numpy as np

from sksubsel import ArchitectureClassifier, ModelZoo
from sksubsel.spaces import MLP
from sksubsel.zoo.store import architecture_key

SPACE = MLP(depths=(1, 2), widths=(4, 8), activations=("relu",), norms=("none",), dropouts=(0.0,))
ARCHS = SPACE.sample(6, random_state=0)
KEYS = [architecture_key(arch) for arch in ARCHS]


class Build:
    """Builds networks; leaves a file for each, and for each time that it is pickled or unpickled.

    Parameters
    ----------
    folder : path
        Of the files.
    deadly : dict of str to int
        By keys of architectures, how often their process dies of them.
    waiting : tuple of str
        Keys of architectures which wait until there is a file "go".
    """

    def __init__(self, folder, deadly=None, waiting=()):
        self.folder, self.deadly, self.waiting = Path(folder), deadly or {}, waiting

    def __call__(self, arch, in_shape, n_outputs):
        key = architecture_key(arch)
        self._note(key)
        if self.count(f"{key}-died") < self.deadly.get(key, 0):
            self._note(f"{key}-died")
            time.sleep(1)  # so that nothing that was finished before is still here
            os.kill(os.getpid(), signal.SIGKILL)
        deadline = time.monotonic() + 100
        while key in self.waiting and not (self.folder / "go").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return SPACE.build(arch, in_shape, n_outputs)

    def __getstate__(self):
        self._note("pickled")
        return vars(self)

    def __setstate__(self, state):
        vars(self).update(state)
        self._note("unpickled")

    def __deepcopy__(self, memo):  # by clone, which is no pickling
        return self

    def count(self, name):
        return len(list(self.folder.glob(f"{name}.*")))

    def _note(self, name):
        (self.folder / f"{name}.{os.getpid()}-{time.time_ns()}").touch()


def data():
    """A hundred instances."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 64)).astype(np.float32)
    return X, X[:, :3].argmax(1)


def fit(build, archs=ARCHS, **params):
    """A zoo of small networks, each trained for an epoch."""
    recipe = ArchitectureClassifier(build=build, max_epochs=1)
    return ModelZoo(recipe, **{"random_state": 0} | params).fit(archs, *data())
