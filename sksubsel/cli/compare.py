"""``sksubsel compare``: selectors beside one another, as a TOML file describes."""

from __future__ import annotations

from pathlib import Path

import click

from sksubsel.cli._options import (
    BUDGET,
    JSON,
    N_JOBS,
    PATH,
    Command,
    Result,
    counted,
    verbosity,
)


@click.command(cls=Command, short_help="Selectors beside one another, as a file says.")
@click.argument("config", type=PATH)
@click.option(
    "--folder", type=PATH, help="For the zoo, records and tables (default: the file's name)."
)
@click.option("--only", multiple=True, metavar="NAME", help="Selectors to run now.")
@click.option("--budgets", multiple=True, type=BUDGET, help="Budgets to run now.")
@click.option("--seeds", multiple=True, type=int, help="Seeds to run now.")
@click.option(
    "--validation",
    is_flag=True,
    help="On the validation architectures and instances, to choose settings by.",
)
@click.option(
    "--labels-only",
    is_flag=True,
    help="No soft targets, also where the file names some.",
)
@click.option(
    "--reference",
    metavar="NAME",
    default="class-balanced random",
    show_default=True,
    help="Method that gains are over.",
)
@N_JOBS
@click.option("--device", help="Where torch computes (default: as the file says).")
@JSON
def compare(
    config, folder, only, budgets, seeds, validation, labels_only, reference, n_jobs, device
):
    """Train what each selector chooses, as the file CONFIG says, and report.

    The zoo is trained first where a SubSelNet is among them or gives soft targets. A stopped run
    goes on where it was. --only, --budgets and --seeds take one or several values.
    """
    from sksubsel.benchmark.compare import SOFT
    from sksubsel.benchmark.config import read_config
    from sksubsel.benchmark.run import run_config, table_path
    from sksubsel.cli._comparison import Comparison, check_reference
    from sksubsel.zoo import TrainingFailedWarning

    specs = read_config(config)["selectors"]
    softly = [name + SOFT for name in specs if "soft_targets" in specs[name]]
    check_reference(reference, [*specs, *softly])
    folder = Path(config.stem) if folder is None else folder
    parts = {"only": only, "budgets": budgets, "seeds": seeds}
    parts = {name: list(values) or None for name, values in parts.items()}
    with counted(TrainingFailedWarning) as failed:
        run_config(
            config, folder, **parts, validation=validation, soft_targets=not labels_only,
            n_jobs=n_jobs, device=device, verbose=verbosity(),
        )  # fmt: skip
    found = Comparison(table_path(config, folder, validation), reference)
    found.print()
    figures = found.save_figures()
    document = {**found.document(), "figures": figures, "failed": failed}
    return Result(document, 3 if failed else 0)
