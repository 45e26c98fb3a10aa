"""``sksubsel fit``: a SubSelNet from a zoo, saved without pickle."""

from __future__ import annotations

import click

from sksubsel.cli._data import DATA, read_data
from sksubsel.cli._options import BUDGET, DEVICE, JSON, PATH, SEED, Command, Result, verbosity


@click.command(cls=Command, short_help="Learn from a zoo to select for any architecture.")
@DATA
@click.option(
    "--zoo",
    "zoo_folder",
    type=PATH,
    required=True,
    metavar="FOLDER",
    help="What `zoo` has written, for the same DATA.",
)
@click.option("--out", type=PATH, required=True, metavar="FOLDER", help="Gets the net.")
@click.option(
    "--mode",
    type=click.Choice(["transductive", "inductive", "hybrid"]),
    default="inductive",
    show_default=True,
)
@click.option(
    "--budget",
    type=BUDGET,
    default=0.1,
    show_default=True,
    help="A count of rows, or a fraction of them.",
)
@click.option(
    "--diversity",
    type=click.Choice(["design", "entropy", "coverage"]),
    default="design",
    show_default=True,
)
@click.option(
    "--stratify",
    type=click.Choice(["proportional", "equal", "none"]),
    default="proportional",
    show_default=True,
    help="A class's share of a subset: its own, the same as others', or as it comes.",
)
@click.option(
    "--lam", type=click.FloatRange(0), default=0.5, show_default=True, help="Weight of the entropy."
)
@click.option(
    "--epochs",
    type=click.IntRange(1),
    help="Of the encoder and of the approximator (default: about 1,000 steps of each).",
)
@click.option("--include-zoo", is_flag=True, help="Save the instances and the zoo, too.")
@click.option("--overwrite", is_flag=True, help="Replace a net in the folder.")
@SEED
@DEVICE
@JSON
def fit(data, labels, target, image_size, zoo_folder, out, epochs, include_zoo, overwrite, seed,
        device, **params):  # fmt: skip
    """Learn from a zoo trained on DATA to select for any architecture; trains no network.

    The folder is what SubSelNet.load reads. It holds no code.
    """
    from sksubsel._validation import check_device
    from sksubsel.approximator import ModelApproximator
    from sksubsel.cli._zoo_folder import ZooFolder
    from sksubsel.encoder import ArchitectureEncoder
    from sksubsel.persistence.net import check_folder
    from sksubsel.subselnet import SubSelNet

    check_device(device)
    try:
        check_folder(out, overwrite=overwrite)  # before minutes are spent
    except FileExistsError as error:
        message = str(error).replace("folder must", "--out must", 1)
        raise ValueError(message.replace("overwrite=True", "--overwrite")) from error
    X, y = read_data(data, labels, target, image_size)
    archs, zoo = ZooFolder(zoo_folder).load(X, y, device=device)
    if params["stratify"] == "none":
        params["stratify"] = None
    shown = {"device": device, "verbose": verbosity()}
    net = SubSelNet(**params, **shown, random_state=seed)
    if epochs is not None:
        net.set_params(
            encoder=ArchitectureEncoder(max_epochs=epochs, **shown),
            approximator=ModelApproximator(max_epochs=epochs, **shown),
        )
    net.fit(archs, zoo)
    net.save(out, include_zoo=include_zoo, overwrite=overwrite)
    seconds = {name: round(value, 3) for name, value in net.fit_times_.items() if name != "zoo"}
    print(
        f"{net.mode} net of {len(zoo.trained_)} trained and {len(archs)} known architectures, "
        f"{len(y)} instances; fitted in {sum(seconds.values()):.1f} s\n{out}"
    )
    return Result(
        {
            "net": out,
            "n_samples": len(y),
            "n_outputs": net.selector_.n_outputs_,
            "n_architectures": len(archs),
            "n_trained": len(zoo.trained_),
            "seconds": seconds,
            **params,
        }
    )
