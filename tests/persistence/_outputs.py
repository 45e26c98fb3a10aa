"""What nets say, for this process and, run as a script, for a fresh one."""

import sys
import warnings
from pathlib import Path

import numpy as np
import torch

from sksubsel import SubSelNet
from sksubsel.spaces import MLP, NASBench101


def unseen(name):
    """Architectures that a net was not fitted on, made without a file."""
    if name == "mlp":
        space = MLP(depths=(1, 2, 3), activations=("relu",), norms=("none",), skips=(False,))
        return space.sample(5, random_state=1)[3:]
    return NASBench101(stem_channels=4, n_stacks=1, n_cells=1).sample(8, random_state=0)[6:]


def outputs(net, archs, zoo):
    """All that a net can be asked; `zoo` is what `score` is asked about."""
    rows = net.transform(archs)
    return {
        "transform": rows,
        "select": net.select(archs[1]),
        "another_budget": np.stack(net.select(archs, 0.3)),
        "fresh_noise": net.select(archs[0], 20, random_state=3),
        "disjoint": net.select_disjoint(archs[0], 2, 20),
        "sampling_proba": net.sampling_proba(archs),
        "predict_proba": net.predict_proba(archs),
        "soft_targets": net.soft_targets(archs[0], rows[0]),
        "novelty": net.novelty(archs),
        "score": np.array(net.score(zoo.architectures_, zoo)),
    }


def main(folder):
    """Load every net in a folder and write what it says beside it."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    for path in sorted(path for path in Path(folder).iterdir() if path.is_dir()):
        net = SubSelNet.load(path)
        np.savez(path.with_suffix(".npz"), **outputs(net, unseen(path.name), net.zoo_))


if __name__ == "__main__":
    main(sys.argv[1])
