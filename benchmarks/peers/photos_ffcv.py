"""FFCV on the photographs: a .beton file in the page cache, two worker threads.

`RandomResizedCropRGBImageDecoder` and a flip, as in FFCV's ImageNet example: as uint8 tensors
[batch, channels, rows, columns], or normalised to float32. SOURCE is a file of
`ffcv_writer`.
"""

import measure
import numpy as np
from ffcv.fields import RGBImageField
from ffcv.fields.decoders import IntDecoder, RandomResizedCropRGBImageDecoder
from ffcv.loader import Loader, OrderOption
from ffcv.transforms import NormalizeImage, RandomHorizontalFlip, ToTensor, ToTorchImage

MEAN = np.array([0.485, 0.456, 0.406]) * 255
STD = np.array([0.229, 0.224, 0.225]) * 255


def images(source, dtype):
    """Yield batches of images, epoch after epoch."""
    size = (measure.SIZE, measure.SIZE)
    decoder = RandomResizedCropRGBImageDecoder(size, scale=measure.AREA, ratio=measure.RATIO)
    steps = [decoder, RandomHorizontalFlip()]
    if dtype == "float32":
        steps.append(NormalizeImage(MEAN, STD, np.float32))
    steps += [ToTensor(), ToTorchImage(convert_back_int16=False)]
    loader = Loader(
        str(source),
        batch_size=measure.BATCH,
        num_workers=measure.WORKERS,
        order=OrderOption.RANDOM,
        os_cache=True,
        drop_last=True,
        custom_fields={"image": RGBImageField},  # which kept JPEG files are, to the reader
        pipelines={"image": steps, "label": [IntDecoder(), ToTensor()]},
    )
    while True:
        for image, _ in loader:
            yield image


if __name__ == "__main__":
    asked = measure.asked()
    measure.rate(images(asked.source, asked.dtype), asked)
