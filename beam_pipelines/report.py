"""`report.html`: what a person looks at to know a dataset. One file, with nothing outside it."""

import base64
import shlex
from collections.abc import Callable
from html import escape

from beam_pipelines import charts
from input.dataset_dir import Card

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --warn: #c2504c; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { margin-bottom: 0; } h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1em; margin: .8rem 0 0; }
table { border-collapse: collapse; } th, td { padding: .2rem .8rem .2rem 0; text-align: left; }
td { overflow-wrap: anywhere; } td.number { white-space: nowrap; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
tr + tr { border-top: 1px solid var(--soft); }
.bar { display: inline-flex; width: 14rem; } .bar span { height: .7rem; }
.key { margin-right: 1rem; } .key i { display: inline-block; width: .7rem; height: .7rem;
  margin-right: .3rem; }
.scroll { max-height: 32rem; overflow: auto; }
.charts { display: flex; flex-wrap: wrap; gap: 1.5rem; }
.chart { margin: 0; width: 21rem; max-width: 100%; }
.chart svg { width: 100%; border-bottom: 1px solid var(--line); display: block; }
.axis { display: flex; justify-content: space-between; font-variant-numeric: tabular-nums; }
.samples { display: flex; flex-wrap: wrap; gap: .5rem; align-items: end; margin: .3rem 0 1rem; }
.samples img, .group img { min-width: 48px; border-radius: 3px; display: block; }
.group { display: flex; flex-wrap: wrap; gap: 1rem; padding: .6rem 0;
  border-bottom: 1px solid var(--soft); }
.group figure { margin: 0; max-width: 12rem; } .group figcaption { font-size: .8em;
  overflow-wrap: anywhere; }
.group p { flex-basis: 100%; margin: 0; } .warn { color: var(--warn); font-weight: 600; }
code { background: var(--soft); padding: .1rem .3rem; border-radius: 3px; word-break: break-all; }
@media print { .scroll { max-height: none; } }
"""
_BAR_REM = 14.0

Draw = Callable[[dict], bytes]


def render(card: Card, summary: dict, draw: Draw) -> str:
    """Draws the report.

    Args:
        card: the dataset's card.
        summary: what the plan found: `histograms`, `samples`, `rejected`, `shown_duplicates`.
        draw: a JPEG thumbnail of a picture that the summary names.

    Returns:
        A whole HTML document.
    """
    title = f"{escape(card.name)}: {sum(s.records for s in card.splits.values()):,} images"
    groups = [group for group in summary["shown_duplicates"] if "pixels" in group]
    near = [group for group in summary["shown_duplicates"] if "distance" in group]
    found = card.duplicates
    return "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{title}</title><style>{_STYLE}</style></head><body>",
            f"<h1>{title}</h1>",
            f"<p>{len(card.classes):,} classes, {_channels(card)}, encoding {card.encoding}</p>",
            _section("Classes", _class_table(card)),
            _section("Splits", _split_table(card)),
            _section("Image sizes", _sizes(card, summary["histograms"])),
            _section("Channels of the training split, 0-255", _channel_table(card)),
            _section("Samples of the training split", _sample_grid(card, summary, draw)),
            _section(
                f"Quarantine: {card.source['quarantined']:,} files left out",
                _quarantine(summary["rejected"], card.source["quarantined"]),
            ),
            _section(f"Same pixels: {found['groups']:,} groups", _duplicates(card, groups, draw)),
            _section(
                f"Look the same across splits: {found['near']:,} images",
                _near_duplicates(card, near, draw),
            ),
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
    per_class = list(zip(*(split.per_class for split in card.splits.values()), strict=True))
    totals = [sum(counts) for counts in per_class]
    everything, largest = sum(totals), max(totals)
    rows = [
        [
            escape(name),
            *(f"{count:,}" for count in counts),
            f"{total:,}",
            f"{total / everything:.1%}",
            charts.stacked_bar(list(counts), largest, _BAR_REM),
        ]
        for name, counts, total in zip(card.classes, per_class, totals, strict=True)
    ]
    header = ["class", *map(escape, card.splits), "all", "share", ""]
    return f"<p>{charts.legend(list(card.splits))}</p>" + _table(header, rows)


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


def _sizes(card: Card, histograms: dict) -> str:
    names = list(next(iter(card.image_size.values())))
    rows = [
        [side, *(f"{values[name]:,}" for name in names)] for side, values in card.image_size.items()
    ]
    aspect = histograms["aspect"]
    drawn = [
        charts.histogram(**histograms["columns"], label="columns of the source, in pixels"),
        charts.histogram(**histograms["rows"], label="rows of the source, in pixels"),
        charts.histogram(
            [2**edge for edge in aspect["edges"]],
            aspect["counts"],
            "aspect: columns by rows of the source",
            "{:.2f}",
        ),
    ]
    table = _table(["pixels, as stored", *names], rows)
    return f'{table}<div class="charts">{"".join(drawn)}</div>'


def _channel_table(card: Card) -> str:
    names = ("grey",) if card.channels == 1 else ("red", "green", "blue")
    rows = [
        [name, f"{mean:.3f}", f"{deviation:.3f}"]
        for name, mean, deviation in zip(names, card.mean, card.std, strict=True)
    ]
    return _table(["channel", "mean", "standard deviation"], rows)


def _sample_grid(card: Card, summary: dict, draw: Draw) -> str:
    grids: dict[int, list[str]] = {}
    for sample in summary["samples"]:
        grids.setdefault(sample["label"], []).append(_picture(sample, draw))
    parts = [
        f'<h3>{escape(card.classes[label])}</h3><div class="samples">{"".join(pictures)}</div>'
        for label, pictures in grids.items()
    ]
    if len(grids) < len(card.classes):
        parts.append(f"<p>and {len(card.classes) - len(grids):,} more classes</p>")
    return "\n".join(parts)


def _picture(picture: dict, draw: Draw) -> str:
    path = escape(picture["path"])
    data = base64.b64encode(draw(picture)).decode()
    return f'<img src="data:image/jpeg;base64,{data}" alt="{path}" title="{path}">'


def _quarantine(rejected: list[dict[str, str]], total: int) -> str:
    if not rejected:
        return "<p>Every file is a sound image.</p>"
    rows = [[escape(row[column]) for column in ("path", "reason", "detail")] for row in rejected]
    more = f"<p>The first {len(rows):,}; all are in quarantine.jsonl.</p>"
    table = _table(["path", "reason", "detail"], rows, numbers_from=3)
    return table + (more if total > len(rows) else "")


def _duplicates(card: Card, groups: list[dict], draw: Draw) -> str:
    if not groups:
        return "<p>No two images have the same pixels.</p>"
    found, dropped = card.duplicates, card.source["duplicates_dropped"]
    notes = [
        f"{found['conflicts']:,} of them under more than one class",
        f"{found['leaks']:,} in more than one split",
        f"{dropped:,} images dropped",
        "all are in duplicates.jsonl",
    ]
    return f"<p>{', '.join(notes)}.</p>" + "".join(_group(card, group, draw) for group in groups)


def _near_duplicates(card: Card, pairs: list[dict], draw: Draw) -> str:
    if not pairs:
        return "<p>None found, or not looked for (--near_duplicates).</p>"
    dropped = card.source["near_duplicates_dropped"]
    note = f"<p>{dropped:,} images dropped; all are in duplicates.jsonl, the nearest here.</p>"
    return note + "".join(_group(card, pair, draw) for pair in pairs)


def _group(card: Card, group: dict, draw: Draw) -> str:
    """Pictures side by side, each with its class, split and path."""
    splits = list(card.splits)
    labels = {image["label"] for image in group["images"]}
    said = f"<p>{group['distance']} of 64 bits differ</p>" if "distance" in group else ""
    if len(labels) > 1 and "pixels" in group:
        said += '<p class="warn">the same picture under more than one class</p>'
    figures = []
    for image in group["images"]:
        where = "dropped" if image["dropped"] else splits[image["split"]]
        caption = f"{card.classes[image['label']]} · {where} · {image['path']}"
        figures.append(
            f"<figure>{_picture(image, draw)}<figcaption>{escape(caption)}</figcaption></figure>"
        )
    return f'<div class="group">{said}{"".join(figures)}</div>'


def _origin(card: Card) -> str:
    fractions = ", ".join(f"{name} {share:g}" for name, share in card.split_fractions.items())
    rows = [
        ["source", f"<code>{escape(str(card.source['spec']))}</code>"],
        ["images", f"{card.source['images']:,}"],
        ["with a colour profile", f"{card.source['with_profile']:,} (not applied)"],
        ["split", escape(fractions) or "as the source's own"],
        ["seed", str(card.seed)],
        ["fingerprint", f"<code>{card.fingerprint}</code>"],
        ["written by", f"Headrace {escape(card.headrace)}"],
        ["command", f"<code>{escape(shlex.join(card.command))}</code>"],
    ]
    return _table(["", ""], rows, numbers_from=2)


def _channels(card: Card) -> str:
    return "grey" if card.channels == 1 else "RGB"
