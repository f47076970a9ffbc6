"""Mean and standard deviation of the card: those of the pixels that are stored."""

import math
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from tests.beam_pipelines.image_files import image_bytes, photo
from tests.beam_pipelines.jobs import images_in_order, prepare
from tests.conftest import write_images


@pytest.mark.parametrize("encoding", ["keep", "png", "raw"])
@pytest.mark.parametrize("size", [None, (11, 13)], ids=["as it is", "resized"])
def test_statistics_are_those_of_the_stored_training_pixels_digit_for_digit(
    tmp_path, encoding, size
):
    for number in range(12):
        path = tmp_path / "source" / "ab"[number % 2] / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        image = photo(number, size=(20 + number, 30 - number))
        if number % 3 == 0:
            image = image.convert("L")
        lossless = encoding == "keep" and size  # else the pixels are changed once more
        path.write_bytes(image_bytes(image, "PNG" if lossless or number % 4 == 1 else "JPEG"))
    card = prepare(tmp_path / "source", tmp_path / "data", encoding=encoding, size=size)
    train = [image for _, _, image in images_in_order(tmp_path / "data")["train"]]
    pixels = np.concatenate([image.reshape(-1, 3) for image in train]).astype(object)
    count = len(pixels)
    for channel in range(3):
        total = sum(int(value) for value in pixels[:, channel])
        squares = sum(int(value) ** 2 for value in pixels[:, channel])
        assert card.mean[channel] == float(Fraction(total, count))
        variance = Fraction(squares, count) - Fraction(total, count) ** 2
        # The root of the variance to 40 digits, and then the nearest float.
        root = Fraction(math.isqrt(int(variance * 10**80)), 10**40)
        assert card.std[channel] == pytest.approx(float(root), rel=4e-16, abs=0)


def test_grey_images_among_colour_count_in_all_channels(tmp_path):
    write_images(tmp_path / "source", {"grey": 4, "colour": 4})
    red = np.zeros((8, 8, 3), np.uint8)
    for number in range(4):
        red[..., 0] = 250 + number
        Image.fromarray(red).save(tmp_path / "source/colour" / f"{number:03d}.png")
    card = prepare(tmp_path / "source", tmp_path / "data", splits="train:1")
    grey = [np.asarray(Image.open(p)) for p in (tmp_path / "source/grey").iterdir()]
    assert card.channels == 3
    expected = [(np.mean(grey) + r) / 2 for r in (251.5, 0, 0)]
    assert card.mean == pytest.approx(expected)
