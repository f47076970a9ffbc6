"""torch's DataLoader with torchvision on the photographs: two worker processes.

`ImageFolder` decodes with Pillow; transforms v2 crop, resize and flip, and hand over uint8 tensors
[batch, channels, rows, columns]. SOURCE is a folder of class folders.
"""

import measure
import torch
from torchvision import datasets
from torchvision.transforms import v2


def images(source):
    """Yield batches of images, epoch after epoch."""
    vary = v2.Compose(
        [
            v2.RandomResizedCrop(measure.SIZE, scale=measure.AREA, ratio=measure.RATIO),
            v2.RandomHorizontalFlip(),
            v2.PILToTensor(),
        ]
    )
    loader = torch.utils.data.DataLoader(
        datasets.ImageFolder(source, vary),
        measure.BATCH,
        shuffle=True,
        drop_last=True,
        num_workers=measure.WORKERS,
        persistent_workers=True,
    )
    while True:
        for image, _ in loader:
            yield image


if __name__ == "__main__":
    asked = measure.asked()
    measure.rate(images(asked.source), asked)
