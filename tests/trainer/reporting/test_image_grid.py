"""The picture of a grid, pixel by pixel, and what is written under its images."""

import io

import numpy as np
import pytest
from PIL import Image

from trainer.reporting import image_grid


def test_mixed_images_have_both_classes_and_their_shares():
    image = np.zeros((2, 4, 4, 3), np.uint8)
    batch = {"image": image, "label": [0, 1], "other_label": [1, 1], "share": [0.83, 0.5]}
    names = [lines for _, lines in image_grid.with_captions(batch, ["dog", "cat"])]
    assert names == [("dog 0.83", "cat 0.17"), ("cat 0.50", "cat 0.50")]


@pytest.mark.parametrize(
    ("shape", "scale"), [((8, 12, 1), 11), ((300, 200, 3), 1), ((32, 32, 3), 4)]
)
def test_every_pixel_of_an_image_is_in_the_picture(shape, scale):
    rng = np.random.default_rng(0)
    shown = [
        (image, ("a class with a name much longer than its image",))
        for image in rng.integers(0, 256, (5, *shape), dtype=np.uint8)
    ]
    pixels = np.asarray(Image.open(io.BytesIO(image_grid.draw(shown, 3, "PNG"))))
    for number, (image, _) in enumerate(shown):
        top, left = image_grid.pixel_offset(number, 3, shape, 1)
        part = pixels[top : top + shape[0] * scale, left : left + shape[1] * scale]
        for row in range(scale):
            for column in range(scale):
                np.testing.assert_array_equal(
                    part[row::scale, column::scale], np.broadcast_to(image, (*shape[:2], 3))
                )
