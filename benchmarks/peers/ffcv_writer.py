"""FFCV's writer: a folder of class folders to OUTPUT_DIR/images.beton, two processes.

    python ffcv_writer.py FOLDER OUTPUT_DIR           # JPEG, encoded anew at quality 90
    python ffcv_writer.py FOLDER OUTPUT_DIR keep      # JPEG, the files' own bytes
    python ffcv_writer.py FOLDER OUTPUT_DIR raw       # pixels

FFCV takes pixels, so it decodes and encodes every image; JPEG at quality 90 is what its
documentation uses for photographs. `keep` leaves that out, so that FFCV's reader decodes the same
bytes as all others.
"""

import pathlib
import sys

import numpy as np
from ffcv.fields import IntField, RGBImageField
from ffcv.fields.rgb_image import IMAGE_MODES
from ffcv.writer import DatasetWriter
from PIL import Image

WORKERS = 2


class KeptJpeg(RGBImageField):
    """Takes a path, and stores the file's bytes where FFCV's own field stores what it encoded."""

    def encode(self, destination, path, malloc):
        """Write one image."""
        data = np.frombuffer(path.read_bytes(), np.uint8)
        destination["mode"] = IMAGE_MODES["jpg"]
        destination["width"], destination["height"] = Image.open(path).size
        destination["data_ptr"], storage = malloc(data.nbytes)
        storage[:] = data


class Folder:
    """The images of a folder of class folders, by number, each with its label."""

    def __init__(self, source: pathlib.Path, as_paths: bool):
        self._paths = sorted(source.glob("*/*"))
        self._labels = sorted({path.parent.name for path in self._paths})
        self._as_paths = as_paths

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int):
        path = self._paths[index]
        image = path if self._as_paths else Image.open(path).convert("RGB")
        return image, self._labels.index(path.parent.name)


if __name__ == "__main__":
    source, output, mode = [*sys.argv[1:], "jpg"][:3]
    field = KeptJpeg() if mode == "keep" else RGBImageField(write_mode=mode, jpeg_quality=90)
    beton = str(pathlib.Path(output) / "images.beton")
    writer = DatasetWriter(beton, {"image": field, "label": IntField()}, num_workers=WORKERS)
    writer.from_indexed_dataset(Folder(pathlib.Path(source), mode == "keep"))
