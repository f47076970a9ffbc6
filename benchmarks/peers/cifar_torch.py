"""torch's DataLoader on CIFAR-10 as a tensor in memory, with torchvision's transforms.

RandomCrop with padding and RandomHorizontalFlip on one uint8 image at a time, in two worker
processes. SOURCE is a folder of class folders, read before the clock starts.
"""

import measure
import numpy as np
import torch
from PIL import Image
from torchvision.transforms import v2


class InMemory(torch.utils.data.Dataset):
    """All images as one tensor, each varied when it is asked for."""

    def __init__(self, source):
        paths = sorted(source.glob("*/*"))
        classes = sorted({path.parent.name for path in paths})
        pixels = np.stack([np.asarray(Image.open(path)) for path in paths])
        self._images = torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()
        self._labels = [classes.index(path.parent.name) for path in paths]
        self._vary = v2.Compose([v2.RandomCrop(32, padding=4), v2.RandomHorizontalFlip()])

    def __len__(self):
        return len(self._labels)

    def __getitem__(self, index):
        return self._vary(self._images[index]), self._labels[index]


def images(source, batch):
    """Yield batches of images, epoch after epoch."""
    loader = torch.utils.data.DataLoader(
        InMemory(source),
        batch,
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
    measure.rate(images(asked.source, asked.batch), asked)
