"""FFCV's writer: a folder of class folders to one .beton file of JPEG images, two processes.

FFCV takes pixels, so it decodes and encodes every image; JPEG at quality 90 is what its
documentation uses for photographs.
"""

import pathlib
import sys

from ffcv.fields import IntField, RGBImageField
from ffcv.writer import DatasetWriter
from PIL import Image

WORKERS = 2


class Folder:
    """The images of a folder as FFCV wants them: by number, each with its label."""

    def __init__(self, source: pathlib.Path):
        self._paths = sorted(source.glob("*/*"))
        self._labels = sorted({path.parent.name for path in self._paths})

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        path = self._paths[index]
        return Image.open(path).convert("RGB"), self._labels.index(path.parent.name)


if __name__ == "__main__":
    fields = {
        "image": RGBImageField(write_mode="jpg", jpeg_quality=90),
        "label": IntField(),
    }
    beton = pathlib.Path(sys.argv[2]) / "images.beton"
    writer = DatasetWriter(str(beton), fields, num_workers=WORKERS)
    writer.from_indexed_dataset(Folder(pathlib.Path(sys.argv[1])))
