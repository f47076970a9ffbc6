"""`report.html`: what a person looks at to know a dataset. One file, with nothing outside it."""

import shlex
from collections.abc import Callable
from html import escape

from beam_pipelines.report import charts, thumbnails
from beam_pipelines.report.samples import MAX_ROWS
from beam_pipelines.report.thumbnails import Draw
from headrace import html_page
from input.dataset.dataset_dir import Card

# Beside the style of all reports.
_STYLE = """
.bar { display: inline-flex; width: 14rem; } .bar span { height: .7rem; }
.key { margin-right: 1rem; white-space: nowrap; }
.key i { display: inline-block; width: .7rem; height: .7rem; margin-right: .3rem; }
.charts { display: flex; flex-wrap: wrap; gap: 1.5rem; margin-top: 1.5rem; }
.chart { margin: 0; width: 21rem; max-width: 100%; } .chart figcaption { font-weight: 600; }
.chart svg { width: 100%; border-bottom: 1px solid var(--line); display: block; }
.most { border-bottom: 1px dashed var(--line); }
.axis { display: flex; justify-content: space-between; }
.axis, .most { font-size: .8em; font-variant-numeric: tabular-nums; }
.samples { display: flex; flex-wrap: wrap; gap: .5rem; align-items: end; margin: .3rem 0 1rem; }
.samples img, .group img { min-width: 48px; border-radius: 3px; display: block; }
.groups { display: flex; flex-wrap: wrap; gap: 1rem; align-items: start; }
.group { padding: .6rem .8rem; border: 1px solid var(--line); border-radius: 6px; }
.group p { margin: 0 0 .3rem; } .row { display: flex; flex-wrap: wrap; gap: .5rem 1rem; }
.group figure { margin: 0; width: 9.5rem; }
.group figcaption { font-size: .8em; line-height: 1.35; overflow-wrap: anywhere; }
.group figcaption span { display: block; } .class { font-weight: 600; margin-top: .2rem; }
"""
_BAR_REM = 14.0


def render(card: Card, summary: dict, draw: Draw) -> str:
    """Render the report.

    Args:
        card: card of the dataset.
        summary: summary of the plan: `histograms`, `samples`, `rejected`, `duplicate_samples`,
            `near_bits`.
        draw: returns a JPEG thumbnail of an image that the summary names.

    Returns:
        A whole HTML document.
    """
    title = f"{escape(card.name)}: {sum(s.records for s in card.splits.values()):,} images"
    groups = [group for group in summary["duplicate_samples"] if "pixels" in group]
    near = [group for group in summary["duplicate_samples"] if "distance" in group]
    counts = card.duplicates
    return html_page.render(
        title,
        [
            f"<p>{len(card.classes):,} classes, {_channels(card)}, encoding {card.encoding}</p>",
            f"<p>{_accounts(card)}</p>",
            html_page.section("Classes", _class_table(card)),
            html_page.section("Splits", _split_table(card)),
            html_page.section("Image sizes", _sizes(card, summary["histograms"])),
            html_page.section(
                f"Channels of {_training(card, 'all folds')}, 0-255", _channel_table(card)
            ),
            html_page.section(
                f"Samples of {_training(card, 'the first fold')}",
                thumbnails.sample_grid(card, summary["samples"], draw),
            ),
            html_page.section(
                f"Quarantine: {card.source['quarantined']:,} files left out",
                _quarantine(summary["rejected"], card.source["quarantined"]),
            ),
            html_page.section(
                f"Same pixels: {counts['groups']:,} groups",
                thumbnails.duplicates(card, groups, draw),
            ),
            html_page.section(
                f"Look the same across splits: {counts['near']:,} images",
                thumbnails.near_duplicates(card, near, summary["near_bits"], draw),
            ),
            html_page.section("Where it came from", _origin(card)),
        ],
        _STYLE,
    )


def _accounts(card: Card) -> str:
    """Tell where every image of the source went."""
    records = sum(split.records for split in card.splits.values())
    dropped = card.source["duplicates_dropped"] + card.source["near_duplicates_dropped"]
    return (
        f"{card.source['images']:,} files in the source = {records:,} records + "
        f"{card.source['quarantined']:,} quarantined + {dropped:,} duplicates dropped"
    )


def _training(card: Card, otherwise: str) -> str:
    return "the training split" if "train" in card.splits else otherwise


def _class_table(card: Card) -> str:
    """Render the balance: a bar a class, its length the class's share of the largest class.

    An image of several classes counts in each; `share` is of all images.
    """
    per_class = list(zip(*(split.per_class for split in card.splits.values()), strict=True))
    totals = [sum(counts) for counts in per_class]
    everything = sum(split.records for split in card.splits.values())
    largest = max(totals)
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
    several = "<p>An image may have several classes, or none.</p>" if card.multi_label else ""
    more = f"<p>The first {MAX_ROWS:,} of {len(rows):,} classes; all are in card.json.</p>"
    header = ["class", *map(escape, card.splits), "all", "share", ""]
    kinds = "t" + "n" * (len(header) - 2) + "w"
    legend = f"{several}<p>{charts.legend(list(card.splits))}</p>"
    table = html_page.table(header, rows[:MAX_ROWS], kinds)
    return legend + table + (more if len(rows) > MAX_ROWS else "")


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
    return html_page.table(["split", "images", "shards", "megabytes"], rows)


def _sizes(card: Card, histograms: dict) -> str:
    names = list(next(iter(card.image_size.values())))
    rows = [
        [side, *(f"{values[name]:,}" for name in names)] for side, values in card.image_size.items()
    ]
    figures = [
        _distribution(histograms["columns"], "width of the source, in pixels", "{:,.0f}"),
        _distribution(histograms["rows"], "height of the source, in pixels", "{:,.0f}"),
        _distribution(
            histograms["aspect"],
            "aspect of the source: width / height",
            "{:.2f}",
            lambda log: 2**log,
        ),
    ]
    table = html_page.table(["pixels, as stored", *names], rows)
    return f'{table}<div class="charts">{"".join(figures)}</div>'


def _distribution(
    histogram: dict,
    label: str,
    edge_format: str,
    scale: Callable[[float], float] = lambda edge: edge,
) -> str:
    """Draw a histogram, or the value where there is only one. `scale` maps edges to labels."""
    edges, counts = histogram["edges"], histogram["counts"]
    if len(counts) == 1:
        value = edge_format.format(scale(sum(edges) / 2))
        return f'<figure class="chart"><figcaption>{label}</figcaption>all {value}</figure>'
    return charts.histogram([scale(edge) for edge in edges], counts, label, edge_format)


def _channel_table(card: Card) -> str:
    names = ("grey",) if card.channels == 1 else ("red", "green", "blue")
    rows = [
        [name, f"{mean:.3f}", f"{deviation:.3f}"]
        for name, mean, deviation in zip(names, card.mean, card.std, strict=True)
    ]
    return html_page.table(["channel", "mean", "standard deviation"], rows)


def _quarantine(rejected: list[dict[str, str]], total: int) -> str:
    if not rejected:
        return "<p>Every file is a sound image.</p>"
    rows = [[escape(row[column]) for column in ("path", "reason", "detail")] for row in rejected]
    more = f"<p>The first {len(rows):,}; all are in quarantine.jsonl.</p>"
    table = html_page.table(["path", "reason", "detail"], rows, "twt")
    return table + (more if total > len(rows) else "")


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
        ["command", f"<code>{escape(_command(card.command))}</code>"],
    ]
    return html_page.table(["", ""], rows, "wt")


def _command(words: list[str]) -> str:
    """Write the command line, to be pasted into a shell, a flag a line."""
    lines: list[list[str]] = [[]]
    for word in words:
        if word.startswith("--"):
            lines.append([])
        lines[-1].append(word)
    return " \\\n  ".join(map(shlex.join, lines))


def _channels(card: Card) -> str:
    return "grey" if card.channels == 1 else "RGB"
