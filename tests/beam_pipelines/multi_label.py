"""A small multi-label source, and the dataset directory made of it."""

import pathlib

import numpy as np
from PIL import Image

CLASSES = ["cat", "dog", "eel", "fox"]


def write_source(folder: pathlib.Path, images: int = 48) -> dict[str, list[str]]:
    """Writes grey images of 8 x 8 pixels; returns the classes of each by its path: none to four."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    found = {}
    for number in range(images):
        pixels = rng.integers(0, 256, (8, 8), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:03d}.png")
        chosen = rng.random(4) < (0.6, 0.4, 0.25, 0.15)
        found[f"{number:03d}.png"] = [
            name for name, has in zip(CLASSES, chosen, strict=True) if has
        ]
    return found


def rows(classes: dict[str, list[str]]) -> list[dict]:
    """Rows of a CSV listing."""
    return [{"path": path, "labels": "|".join(names)} for path, names in classes.items()]


def multi_hot(names: list[str]) -> list[int]:
    """Returns which classes these are."""
    return [int(name in names) for name in CLASSES]
