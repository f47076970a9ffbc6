"""FFCV on CIFAR-10 as its own example reads it: raw pixels, flip, translate; uint8 out.

Two worker threads; `RandomTranslate` with a padding of 4 is pad-and-crop. SOURCE is a .beton file.
"""

import measure
from ffcv.fields.decoders import IntDecoder, SimpleRGBImageDecoder
from ffcv.loader import Loader, OrderOption
from ffcv.transforms import RandomHorizontalFlip, RandomTranslate, ToTensor, ToTorchImage


def images(source, batch):
    """Yield batches of images, epoch after epoch."""
    steps = [
        SimpleRGBImageDecoder(),
        RandomHorizontalFlip(),
        RandomTranslate(padding=4),
        ToTensor(),
        ToTorchImage(convert_back_int16=False),
    ]
    loader = Loader(
        str(source),
        batch_size=batch,
        num_workers=measure.WORKERS,
        order=OrderOption.RANDOM,
        os_cache=True,
        drop_last=True,
        pipelines={"image": steps, "label": [IntDecoder(), ToTensor()]},
    )
    while True:
        for image, _ in loader:
            yield image


if __name__ == "__main__":
    asked = measure.asked()
    measure.rate(images(asked.source, asked.batch), asked)
