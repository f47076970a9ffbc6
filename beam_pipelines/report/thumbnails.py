"""The pictures of the report: samples by class, and duplicates side by side."""

import base64
from collections.abc import Callable
from html import escape

from input.dataset.dataset_dir import Card

# A JPEG thumbnail of a picture that the plan names.
Draw = Callable[[dict], bytes]


def sample_grid(card: Card, samples: list[dict], draw: Draw) -> str:
    """A row of pictures for each class."""
    grids: dict[int, list[str]] = {}
    for sample in samples:
        grids.setdefault(sample["label"], []).append(_picture(sample, draw))
    parts = [
        f'<h3>{escape(card.classes[label])}</h3><div class="samples">{"".join(pictures)}</div>'
        for label, pictures in grids.items()
    ]
    if len(grids) < len(card.classes):
        parts.append(f"<p>and {len(card.classes) - len(grids):,} more classes</p>")
    return "\n".join(parts)


def duplicates(card: Card, groups: list[dict], draw: Draw) -> str:
    """Groups of images with the same pixels."""
    if not groups:
        return "<p>No two images have the same pixels.</p>"
    found, dropped = card.duplicates, card.source["duplicates_dropped"]
    notes = [
        f"{found['conflicts']:,} of them under more than one class",
        f"{found['leaks']:,} in more than one split",
        f"{dropped:,} images dropped",
    ]
    return f"<p>{', '.join(notes)}. {_shown(groups, found['groups'])}</p>" + _groups(
        card, groups, draw
    )


def near_duplicates(card: Card, pairs: list[dict], bits: int | None, draw: Draw) -> str:
    """Pairs of images that look alike, `bits` of 64 or fewer apart; None if not looked for."""
    if bits is None:
        return "<p>Not looked for; --near_duplicates=BITS does.</p>"
    if not pairs:
        return f"<p>No image is within {bits} of 64 bits of one of another split.</p>"
    dropped = card.source["near_duplicates_dropped"]
    shown = _shown(pairs, card.duplicates["near"])
    return (
        f"<p>Within {bits} of 64 bits, the nearest first; {dropped:,} images dropped. {shown}</p>"
    ) + _groups(card, pairs, draw)


def _shown(groups: list[dict], total: int) -> str:
    if len(groups) == total:
        return "They are in duplicates.jsonl, too."
    return f"The first {len(groups):,} are here, all in duplicates.jsonl."


def _groups(card: Card, groups: list[dict], draw: Draw) -> str:
    return f'<div class="groups">{"".join(_group(card, group, draw) for group in groups)}</div>'


def _group(card: Card, group: dict, draw: Draw) -> str:
    """Pictures side by side, each with its class, split and path."""
    splits = list(card.splits)
    labels = {image["label"] for image in group["images"]}
    said = f"<p>{group['distance']} of 64 bits differ</p>" if "distance" in group else ""
    if len(labels) > 1:
        picture = "the same picture" if "pixels" in group else "alike, but"
        said += f'<p class="warn">{picture} under more than one class</p>'
    if group["size"] > len(group["images"]):
        said += f"<p>{len(group['images'])} of {group['size']:,} images</p>"
    figures = []
    for image in group["images"]:
        where = "dropped" if image["dropped"] else splits[image["split"]]
        figures.append(
            f"<figure>{_picture(image, draw)}<figcaption>"
            f'<span class="class">{escape(card.classes[image["label"]])}</span>'
            f"<span>{escape(where)}</span><span>{escape(image['path'])}</span>"
            "</figcaption></figure>"
        )
    return f'<div class="group">{said}<div class="row">{"".join(figures)}</div></div>'


def _picture(picture: dict, draw: Draw) -> str:
    path = escape(picture["path"])
    data = base64.b64encode(draw(picture)).decode()
    return f'<img src="data:image/jpeg;base64,{data}" alt="{path}" title="{path}">'
