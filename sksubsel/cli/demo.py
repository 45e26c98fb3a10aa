"""``sksubsel demo``: the main job from end to end."""

from __future__ import annotations

from pathlib import Path

import click

from sksubsel.cli._options import DEVICE, JSON, N_JOBS, PATH, SEED, Command, Result, verbosity


@click.command(cls=Command, short_help="Run the main job on digits, in some minutes.")
@click.option("--figure", type=PATH, default=Path("sksubsel_demo.png"), show_default=True)
@click.option("--table", type=PATH, help="Also write every training's row to this CSV.")
@N_JOBS
@SEED
@DEVICE
@JSON
def demo(figure, table, n_jobs, seed, device):
    """Train a zoo on scikit-learn's digits, select for unseen architectures, compare.

    Takes some minutes; prints a table and saves a figure.
    """
    from sksubsel import demo as job
    from sksubsel.benchmark import summarize

    rows = job.run_demo(
        figure=figure, table=table, n_jobs=n_jobs, seed=seed, device=device, verbose=verbosity()
    )
    summary = summarize(rows).to_dict("records")
    return Result({"summary": summary, "figure": figure, "table": table})
