"""Grain on the photographs: an ArrayRecord file, two worker processes, OpenCV.

Python transforms, as Grain has them: OpenCV decodes in full; torchvision's rule chooses the part;
area averaging or bilinear resize; uint8 out. SOURCE is the file of `array_record_writer`.
"""

import math
import pickle

import cv2
import grain
import measure
import numpy as np


class Vary(grain.transforms.RandomMap):
    """A random part of an image at the input size, flipped or not."""

    def random_map(self, element: bytes, rng: np.random.Generator) -> np.ndarray:
        """Decode a record to uint8 `[rows, columns, channels]`."""
        encoded, _ = pickle.loads(element)
        image = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR_RGB)
        top, left, rows, columns = _window(*image.shape[:2], rng)
        part = image[top : top + rows, left : left + columns]
        image = cv2.resize(part, (measure.SIZE, measure.SIZE), interpolation=cv2.INTER_AREA)
        return cv2.flip(image, 1) if rng.random() < 0.5 else image


def _window(height: int, width: int, rng: np.random.Generator) -> tuple[int, int, int, int]:
    for _ in range(10):
        pixels = height * width * rng.uniform(*measure.AREA)
        aspect = math.exp(rng.uniform(*map(math.log, measure.RATIO)))
        rows, columns = round(math.sqrt(pixels / aspect)), round(math.sqrt(pixels * aspect))
        if 0 < rows <= height and 0 < columns <= width:
            top, left = rng.integers(height - rows + 1), rng.integers(width - columns + 1)
            return top, left, rows, columns
    side = min(height, width)
    return (height - side) // 2, (width - side) // 2, side, side


def images(source):
    """Return an endless dataset of batches of images."""
    cv2.setNumThreads(0)
    return (
        grain.MapDataset.source(grain.sources.ArrayRecordDataSource(str(source)))
        .seed(1)
        .shuffle()
        .repeat()
        .random_map(Vary())
        .batch(measure.BATCH)
        .to_iter_dataset()
        .mp_prefetch(grain.MultiprocessingOptions(num_workers=measure.WORKERS))
    )


if __name__ == "__main__":
    asked = measure.asked()
    measure.rate(images(asked.source), asked)
