"""NVIDIA DALI on the photographs, on the CPU alone: `device_id=None`, two threads.

The fused `image_random_crop` decoder and `resize`; uint8 by `flip`, or float32 by
`crop_mirror_normalize`, the operator of DALI's own ImageNet example. SOURCE is a folder of class
folders.
"""

import measure
import numpy as np
from nvidia.dali import fn, pipeline_def, types


@pipeline_def(
    batch_size=measure.BATCH, num_threads=measure.WORKERS, device_id=None, prefetch_queue_depth=2
)
def photos(source, dtype):
    """Yield batches of images and labels."""
    encoded, label = fn.readers.file(file_root=str(source), random_shuffle=True)
    image = fn.decoders.image_random_crop(
        encoded,
        device="cpu",
        output_type=types.RGB,
        random_area=list(measure.AREA),
        random_aspect_ratio=list(measure.RATIO),
        num_attempts=10,
    )
    image = fn.resize(image, size=[measure.SIZE, measure.SIZE], interp_type=types.INTERP_TRIANGULAR)
    mirror = fn.random.coin_flip()
    if dtype == "uint8":
        return fn.flip(image, horizontal=mirror), label
    image = fn.crop_mirror_normalize(
        image,
        dtype=types.FLOAT,
        output_layout="CHW",
        mean=[0.485 * 255, 0.456 * 255, 0.406 * 255],
        std=[0.229 * 255, 0.224 * 255, 0.225 * 255],
        mirror=mirror,
    )
    return image, label


def images(source, dtype):
    """Yield batches of images, without end."""
    pipeline = photos(source, dtype)
    pipeline.build()
    while True:
        image, _ = pipeline.run()
        yield np.asarray(image.as_tensor())


if __name__ == "__main__":
    asked = measure.asked()
    measure.rate(images(asked.source, asked.dtype), asked)
