"""Thumbnails of the report: samples by class, and duplicates side by side."""

import base64
from collections.abc import Callable
from html import escape

from beam_pipelines.planning import label_sets
from input.dataset.dataset_dir import Card

# Returns a JPEG thumbnail of an image that the plan's summary names.
Draw = Callable[[dict], bytes]


def sample_grid(card: Card, samples: list[dict], draw: Draw) -> str:
    """Render a row of thumbnails for each class."""
    grids: dict[int, list[str]] = {}
    for sample in samples:
        grids.setdefault(sample["class"], []).append(_thumbnail(sample, draw))
    parts = [
        f'<h3>{escape(card.classes[index])}</h3><div class="samples">{"".join(thumbnails)}</div>'
        for index, thumbnails in grids.items()
    ]
    if len(grids) < len(card.classes):
        parts.append(f"<p>and {len(card.classes) - len(grids):,} more classes</p>")
    return "\n".join(parts)


def duplicates(card: Card, groups: list[dict], draw: Draw) -> str:
    """Render groups of images with the same pixels."""
    if not groups:
        return "<p>No two images have the same pixels.</p>"
    counts, dropped = card.duplicates, card.source["duplicates_dropped"]
    notes = [
        f"{counts['conflicts']:,} of them under {_several(card)}",
        f"{counts['leaks']:,} in more than one split",
        f"{dropped:,} images dropped",
    ]
    return f"<p>{', '.join(notes)}. {_extent(groups, counts['groups'])}</p>" + _groups(
        card, groups, draw
    )


def near_duplicates(card: Card, pairs: list[dict], bits: int | None, draw: Draw) -> str:
    """Render pairs of images `bits` of 64 or fewer apart; None if they were not looked for."""
    if bits is None:
        return "<p>Not looked for; --near_duplicates=BITS does.</p>"
    if not pairs:
        return f"<p>No image is within {bits} of 64 bits of one of another split.</p>"
    dropped = card.source["near_duplicates_dropped"]
    extent = _extent(pairs, card.duplicates["near"])
    return (
        f"<p>Within {bits} of 64 bits, the nearest first; {dropped:,} images dropped. {extent}</p>"
    ) + _groups(card, pairs, draw)


def _extent(groups: list[dict], total: int) -> str:
    """Tell whether these groups are all there are."""
    if len(groups) == total:
        return "They are in duplicates.jsonl, too."
    return f"The first {len(groups):,} are here, all in duplicates.jsonl."


def _groups(card: Card, groups: list[dict], draw: Draw) -> str:
    return f'<div class="groups">{"".join(_group(card, group, draw) for group in groups)}</div>'


def _group(card: Card, group: dict, draw: Draw) -> str:
    """Render thumbnails side by side, each with its class, split and path."""
    splits = list(card.splits)
    notes = f"<p>{group['distance']} of 64 bits differ</p>" if "distance" in group else ""
    if group["labels"] > 1:  # the images that are shown may all be of one
        picture = "the same picture" if "pixels" in group else "alike, but"
        notes += f'<p class="warn">{picture} under {_several(card)}</p>'
    if group["size"] > len(group["images"]):
        notes += f"<p>{len(group['images'])} of {group['size']:,} images</p>"
    figures = []
    for image in group["images"]:
        names = label_sets.text([card.classes[index] for index in image["classes"]])
        where = "dropped" if image["dropped"] else splits[image["split"]]
        figures.append(
            f"<figure>{_thumbnail(image, draw)}<figcaption>"
            f'<span class="class">{escape(names)}</span>'
            f"<span>{escape(where)}</span><span>{escape(image['path'])}</span>"
            "</figcaption></figure>"
        )
    return f'<div class="group">{notes}<div class="row">{"".join(figures)}</div></div>'


def _several(card: Card) -> str:
    return "more than one set of classes" if card.multi_label else "more than one class"


def _thumbnail(image: dict, draw: Draw) -> str:
    path = escape(image["path"])
    data = base64.b64encode(draw(image)).decode()
    return f'<img src="data:image/jpeg;base64,{data}" alt="{path}" title="{path}">'
