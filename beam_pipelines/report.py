"""`report.html`: what a person looks at to know a dataset. One file, with nothing outside it."""

import base64
import shlex
from html import escape

from input.dataset_dir import Card

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --bar: #3b82c4; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { margin-bottom: 0; } h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
table { border-collapse: collapse; } th, td { padding: .2rem .8rem .2rem 0; text-align: left; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
tr + tr { border-top: 1px solid var(--soft); }
.bar { display: inline-block; height: .7rem; background: var(--bar); border-radius: 2px; }
.scroll { max-height: 32rem; overflow: auto; }
.samples { display: flex; flex-wrap: wrap; gap: .5rem; align-items: end; margin: .3rem 0 1rem; }
.samples img { min-width: 48px; image-rendering: auto; border-radius: 3px; display: block; }
code { background: var(--soft); padding: .1rem .3rem; border-radius: 3px; word-break: break-all; }
@media print { .scroll { max-height: none; } }
"""
_BAR_REM = 14.0


def render(
    card: Card, samples: dict[str, list[tuple[str, bytes]]], rejected: list[dict[str, str]]
) -> str:
    """Draws the report.

    Args:
        card: the dataset's card.
        samples: for some classes, file names and JPEG thumbnails.
        rejected: the lines of `quarantine.jsonl`: path, reason, detail.

    Returns:
        A whole HTML document.
    """
    title = f"{escape(card.name)}: {sum(s.records for s in card.splits.values()):,} images"
    return "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{title}</title><style>{_STYLE}</style></head><body>",
            f"<h1>{title}</h1>",
            f"<p>{len(card.classes):,} classes, {_channels(card)}, encoding {card.encoding}</p>",
            _section("Classes", _class_table(card)),
            _section("Splits", _split_table(card)),
            _section("Image sizes", _size_table(card)),
            _section("Channels of the training split, 0-255", _channel_table(card)),
            _section("Samples of the training split", _sample_grid(samples)),
            _section(f"Quarantine: {len(rejected):,} files left out", _quarantine(rejected)),
            _section("Where it came from", _origin(card)),
            "</body></html>\n",
        ]
    )


def _section(title: str, body: str) -> str:
    return f"<section><h2>{escape(title)}</h2>\n{body}</section>"


def _table(header: list[str], rows: list[list[str]], numbers_from: int = 1) -> str:
    """A table of cells that are HTML already; columns from `numbers_from` on are numbers."""

    def cells(tag: str, row: list[str]) -> str:
        kinds = ["" if column < numbers_from else ' class="number"' for column in range(len(row))]
        return "".join(f"<{tag}{k}>{cell}</{tag}>" for k, cell in zip(kinds, row, strict=True))

    body = "\n".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    head = f"<tr>{cells('th', header)}</tr>"
    return f'<div class="scroll"><table><thead>{head}</thead><tbody>{body}</tbody></table></div>'


def _class_table(card: Card) -> str:
    """Balance: a bar a class, its length the class's share of the largest class."""
    totals = [
        sum(counts) for counts in zip(*(s.per_class for s in card.splits.values()), strict=True)
    ]
    everything, largest = sum(totals), max(totals)
    rows = []
    for label, name in enumerate(card.classes):
        width = _BAR_REM * totals[label] / largest
        rows.append(
            [
                escape(name),
                *(f"{split.per_class[label]:,}" for split in card.splits.values()),
                f"{totals[label]:,}",
                f"{totals[label] / everything:.1%}",
                f'<span class="bar" style="width:{width:.2f}rem"></span>',
            ]
        )
    header = ["class", *map(escape, card.splits), "all", "share", ""]
    return _table(header, rows)


def _split_table(card: Card) -> str:
    rows = [
        [
            escape(name),
            f"{split.records:,}",
            f"{len(split.shards):,}",
            f"{sum(shard.bytes for shard in split.shards) / 1e6:,.1f}",
        ]
        for name, split in card.splits.items()
    ]
    return _table(["split", "images", "shards", "megabytes"], rows)


def _size_table(card: Card) -> str:
    names = list(next(iter(card.image_size.values())))
    rows = [
        [side, *(f"{values[name]:,}" for name in names)] for side, values in card.image_size.items()
    ]
    return _table(["pixels", *names], rows)


def _channel_table(card: Card) -> str:
    names = ("grey",) if card.channels == 1 else ("red", "green", "blue")
    rows = [
        [name, f"{mean:.3f}", f"{deviation:.3f}"]
        for name, mean, deviation in zip(names, card.mean, card.std, strict=True)
    ]
    return _table(["channel", "mean", "standard deviation"], rows)


def _sample_grid(samples: dict[str, list[tuple[str, bytes]]]) -> str:
    parts = []
    for name, thumbnails in samples.items():
        images = "".join(
            f'<img src="data:image/jpeg;base64,{base64.b64encode(data).decode()}" '
            f'alt="{escape(file)}" title="{escape(file)}">'
            for file, data in thumbnails
        )
        parts.append(f'<h3>{escape(name)}</h3><div class="samples">{images}</div>')
    return "\n".join(parts)


def _quarantine(rejected: list[dict[str, str]]) -> str:
    if not rejected:
        return "<p>Every file is a sound image.</p>"
    rows = [[escape(row[column]) for column in ("path", "reason", "detail")] for row in rejected]
    return _table(["path", "reason", "detail"], rows, numbers_from=3)


def _origin(card: Card) -> str:
    fractions = ", ".join(f"{name} {share:g}" for name, share in card.split_fractions.items())
    rows = [
        ["source", f"<code>{escape(str(card.source['spec']))}</code>"],
        ["split", escape(fractions) or "as the source's folders"],
        ["seed", str(card.seed)],
        ["fingerprint", f"<code>{card.fingerprint}</code>"],
        ["written by", f"Headrace {escape(card.headrace)}"],
        ["command", f"<code>{escape(shlex.join(card.command))}</code>"],
    ]
    return _table(["", ""], rows, numbers_from=2)


def _channels(card: Card) -> str:
    return "grey" if card.channels == 1 else "RGB"
