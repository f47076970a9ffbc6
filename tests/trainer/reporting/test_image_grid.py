"""The grid of images: what stands where, and under what."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from trainer.reporting import image_grid


def batch(*labels: int, **more) -> dict[str, Any]:
    """Return a batch of random 4×4 images."""
    rng = np.random.default_rng(labels)
    return {
        "image": rng.integers(0, 256, (len(labels), 4, 4, 3), np.uint8),
        "label": labels,
        **more,
    }


def test_the_first_images_are_those_of_as_many_batches_as_it_takes():
    batches = [batch(0, 1), batch(1, 1), batch(0, 0)]
    rest = iter(batches)
    images = image_grid.first_images(rest, ["dog", "cat"], 3)
    assert [lines for _, lines in images] == [("dog",), ("cat",), ("cat",)]
    np.testing.assert_array_equal(images[2][0], batches[1]["image"][0])
    assert next(rest) is batches[2]


def test_mixed_images_have_both_classes_and_their_shares():
    mixed = batch(0, 1, other_label=[1, 1], share=[0.83, 0.5])
    captions = [lines for _, lines in image_grid.with_captions(mixed, ["dog", "cat"])]
    assert captions == [("dog 0.83", "cat 0.17"), ("cat 0.50", "cat 0.50")]


def test_images_of_several_classes_have_all_of_them():
    several = batch(0, 1) | {"label": [[1, 1], [0, 0]]}
    captions = [lines for _, lines in image_grid.with_captions(several, ["dog", "cat"])]
    assert captions == [("dog|cat",), ("no class",)]
    mixed = several | {"other_label": [[0, 1], [1, 0]], "share": [0.83, 0.5]}
    captions = [lines for _, lines in image_grid.with_captions(mixed, ["dog", "cat"])]
    assert captions == [("dog|cat 0.83", "cat 0.17"), ("no class 0.50", "dog 0.50")]


@pytest.mark.parametrize(
    ("shape", "scale"), [((8, 12, 1), 11), ((300, 200, 3), 1), ((32, 32, 3), 4)]
)
def test_every_pixel_of_an_image_is_in_the_picture(shape, scale):
    rng = np.random.default_rng(0)
    images = [
        (image, ("a class with a name much longer than its image",))
        for image in rng.integers(0, 256, (5, *shape), dtype=np.uint8)
    ]
    pixels = np.asarray(Image.open(io.BytesIO(image_grid.draw(images, 3, "PNG"))))
    for index, (image, _) in enumerate(images):
        top, left = image_grid.pixel_offset(index, 3, shape, 1)
        part = pixels[top : top + shape[0] * scale, left : left + shape[1] * scale]
        for row in range(scale):
            for column in range(scale):
                np.testing.assert_array_equal(
                    part[row::scale, column::scale], np.broadcast_to(image, (*shape[:2], 3))
                )
