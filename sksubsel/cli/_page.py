"""One self-contained HTML page: text, tables, and figures as SVG inside it."""

from __future__ import annotations

import base64
import html

import pandas as pd

from sksubsel._version import __version__

_STYLE = """\
body{font:16px/1.5 system-ui,sans-serif;color:#222;background:#fff;margin:0 auto;padding:1rem;
max-width:60rem}
h1{font-size:1.5rem;line-height:1.2}h2{font-size:1.15rem;margin:2rem 0 .5rem}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:.875rem;
font-variant-numeric:tabular-nums}
th,td{padding:.25rem .6rem;text-align:right;border-bottom:1px solid #ddd;white-space:nowrap}
th:first-child,td:first-child{text-align:left}
figure{margin:1rem 0}img{max-width:100%;height:auto}figcaption,.note{color:#555;font-size:.875rem}
figcaption{overflow-wrap:anywhere}.row{display:flex;flex-wrap:wrap;gap:0 1.5rem}
.row figure{flex:1 1 16rem;max-width:28rem}
pre{overflow-x:auto;font-size:.8rem;color:#555}"""


class Page:
    """A page that is put together from top to bottom; all that is given is escaped.

    Parameters
    ----------
    title : str
    """

    def __init__(self, title):
        self.title = title
        self.parts = [f"<h1>{html.escape(title)}</h1>"]

    def heading(self, text):
        self.parts.append(f"<h2>{html.escape(text)}</h2>")

    def text(self, text, *, fixed=False):
        tag, end = ("<pre>", "</pre>") if fixed else ('<p class="note">', "</p>")
        self.parts.append(f"{tag}{html.escape(text)}{end}")

    def table(self, frame):
        """A DataFrame without its index; missing numbers are dashes."""
        cells = [[_cell(value) for value in row] for row in frame.itertuples(index=False)]
        head = "".join(f"<th>{html.escape(str(name))}</th>" for name in frame.columns)
        rows = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
            for row in cells
        )
        self.parts.append(f'<div class="wide"><table><tr>{head}</tr>{rows}</table></div>')

    def figure(self, display, caption):
        """A drawn display; its figure is closed."""
        self.parts.append(_figure(display, caption))

    def row(self, displays, captions):
        """Drawn displays side by side, as many as the width has room for."""
        figures = "".join(map(_figure, displays, captions))
        self.parts.append(f'<div class="row">{figures}</div>')

    def __str__(self):
        body = "\n".join(self.parts)
        return (
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{html.escape(self.title)}</title>\n<style>\n{_STYLE}\n</style></head>\n"
            f"<body>\n{body}\n</body></html>\n"
        )


def _figure(display, caption):
    from sksubsel.plotting._style import figure_svg

    data = base64.b64encode(figure_svg(display.figure_)).decode()
    caption = html.escape(caption)
    return (
        f'<figure><img alt="{caption}" src="data:image/svg+xml;base64,{data}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def write_page(path, found) -> None:
    """The page of what has a ``fill(page)`` and a ``title``, into a file.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    page = Page(found.title)
    found.fill(page)
    page.text(f"sksubsel {__version__}")
    path.write_text(str(page), encoding="utf-8")


def _cell(value) -> str:
    if value is None or (isinstance(value, float) and pd.isna(value)):
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
