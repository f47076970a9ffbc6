"""The page of a report: one HTML file with nothing outside it, for datasets and for runs.

html_page.render(title, [html_page.section("Splits", html_page.table(header, rows))])
"""

from collections.abc import Iterable
from html import escape

STYLE = """
:root { color-scheme: light dark; --line: #8886; --soft: #8882; --warn: #c2504c; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2, h3 { overflow-wrap: anywhere; } h1 { margin-bottom: 0; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1em; margin: .8rem 0 0; }
table { border-collapse: collapse; }
th, td { padding: .2rem 1rem .2rem 0; text-align: left; vertical-align: top; }
td { overflow-wrap: anywhere; } td:first-child { min-width: 6rem; }
td.number, td.word { white-space: nowrap; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
tr + tr { border-top: 1px solid var(--soft); }
.scroll { max-height: 32rem; overflow: auto; }
.warn { color: var(--warn); font-weight: 600; }
code { background: var(--soft); padding: .1rem .3rem; border-radius: 3px; overflow-wrap: anywhere;
  white-space: pre-wrap; display: inline-block; }
@media print { .scroll { max-height: none; } }
"""


def render(title: str, parts: Iterable[str], style: str = "") -> str:
    """Render a whole document.

    Args:
        title: title, as HTML.
        parts: what stands under it, as HTML.
        style: style sheet, beside that of all reports.
    """
    return "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{title}</title><style>{STYLE}{style}</style></head><body>",
            f"<h1>{title}</h1>",
            *parts,
            "</body></html>\n",
        ]
    )


def section(title: str, body: str) -> str:
    """Render a part of the page; the title is text, the body HTML."""
    return f"<section><h2>{escape(title)}</h2>\n{body}</section>"


def table(header: list[str], rows: list[list[str]], kinds: str = "") -> str:
    """Render a table of cells that are HTML already.

    Args:
        header: names of the columns.
        rows: rows of as many cells.
        kinds: a letter a column: t for text, w for a short text that is not wrapped, n for a
            number. By default a text and then numbers.
    """
    names = {"t": "", "w": ' class="word"', "n": ' class="number"'}
    classes = [names[kind] for kind in kinds or "t" + "n" * (len(header) - 1)]

    def cells(tag: str, row: list[str]) -> str:
        return "".join(f"<{tag}{c}>{cell}</{tag}>" for c, cell in zip(classes, row, strict=True))

    body = "\n".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    head = f"<thead><tr>{cells('th', header)}</tr></thead>" if any(header) else ""
    return f'<div class="scroll"><table>{head}<tbody>{body}</tbody></table></div>'
