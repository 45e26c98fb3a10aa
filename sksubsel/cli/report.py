"""``sksubsel report``: what a comparison or a fitted net says, as text or as one page."""

from __future__ import annotations

from typing import Any

import click

from sksubsel.cli._options import BUDGET, DEVICE_OF_FIT, JSON, PATH, Command, Result


@click.command(cls=Command, short_help="Tables and figures, as text or as one page.")
@click.argument("source", type=PATH)
@click.option(
    "--html",
    type=PATH,
    metavar="FILE",
    help="Write one page with tables and figures, which needs no other file.",
)
@click.option(
    "--reference",
    metavar="NAME",
    default="class-balanced random",
    show_default=True,
    help="Of a comparison: the method that gains are over.",
)
@click.option(
    "--only",
    multiple=True,
    metavar="NAME",
    help="Of a comparison: methods to speak of, beside the reference (default: all); no figures "
    "are saved then but those of --html.",
)
@click.option(
    "--architecture",
    metavar="SPEC",
    help="Of a net: the architecture to select for, as `select` takes it.",
)
@click.option("--budget", type=BUDGET, help="Of a net: how many rows (default: its own).")
@DEVICE_OF_FIT
@JSON
def report(source, html, reference, only, architecture, budget, device):
    """Tables and figures of SOURCE, a comparison's CSV file or the folder of a saved net.

    Without --html a comparison's figures are saved beside its table.
    """
    if html is not None and not html.resolve().parent.is_dir():
        raise click.BadParameter(
            f"{str(html)!r} must be in a folder that is there", param_hint="--html"
        )
    if source.is_dir():
        if only:
            raise click.UsageError("--only belongs to a comparison's table")
        from sksubsel.cli._net_report import NetReport

        tables = sorted(source.glob("*.csv"))
        if tables and not (source / "net.json").exists():
            raise click.UsageError(
                f"{source} is no saved net; of a comparison give the table, such as {tables[0]}"
            )
        found: Any = NetReport(source, architecture, budget, device)
    else:
        from sksubsel.cli._comparison import Comparison, check_reference

        if any(given is not None for given in (architecture, budget, device)):
            raise click.UsageError("--architecture, --budget and --device belong to a saved net")
        found = Comparison(source, reference, only)
        check_reference(reference, found.table.method)
    found.print()
    document = found.document()
    if html is not None:
        from sksubsel.cli._page import write_page

        write_page(html, found)
        print(f"page saved to {html}")
        document["html"] = html
    elif not source.is_dir():
        # those of a part would replace those of all
        document["figures"] = [] if only else found.save_figures()
    return Result(document)
