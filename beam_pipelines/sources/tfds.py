"""`tfds:NAME`: any image classification dataset of TensorFlow Datasets, by name or by folder.

A name such as `tf_flowers` is downloaded first where it is not there yet; a path is the folder of a
dataset that is.
"""

import dataclasses
import logging as stdlib_logging
import os
from collections.abc import Iterator

from absl import logging

from beam_pipelines.images.decode import BadImageError
from beam_pipelines.rows import SourceImage
from beam_pipelines.sources.source import Source
from headrace import files
from headrace.errors import UserError
from headrace.tensorflow_import import import_tensorflow

_RANGE = 1024
# TFDS tries each file eleven times, for minutes, where there is no network.
_RETRIES = 3


@dataclasses.dataclass(frozen=True)
class Tfds:
    """The images of one dataset."""

    folder: str
    image_key: str
    label_key: str
    file_name_key: str | None
    classes: tuple[str, ...]
    records: tuple[tuple[str, int], ...]

    def ranges(self) -> list[tuple[str, int, int]]:
        """Return split, first and last (exclusive) record of each part."""
        return [
            (split, first, min(first + _RANGE, records))
            for split, records in self.records
            for first in range(0, records, _RANGE)
        ]

    def unpack(
        self, part: tuple[str, int, int]
    ) -> Iterator[tuple[SourceImage, bytes | BadImageError]]:
        """Yield image files as the dataset holds them."""
        split, first, last = part
        tfds, builder = _builder(self.folder)
        examples = builder.as_dataset(
            split=f"{split}[{first}:{last}]",
            decoders={self.image_key: tfds.decode.SkipDecoding()},
        )
        source_split = split if len(self.records) > 1 else None
        for number, example in enumerate(examples.as_numpy_iterator(), first):
            path = f"{split}/{number:08d}"
            if self.file_name_key:
                path += f"/{example[self.file_name_key].decode()}"
            label = int(example[self.label_key])
            if label < 0:  # TFDS's mark for what has no label, such as the images of a contest
                unlabelled = BadImageError("unlabelled", f"its label is {label}")
                yield SourceImage(path, self.classes[0], source_split), unlabelled
                continue
            listed = SourceImage(path, self.classes[label], source_split)
            yield listed, bytes(example[self.image_key])


def read(name: str) -> Source:
    """Open the dataset, after downloading it where need be.

    Raises:
        UserError: there is no such dataset, it cannot be downloaded, or it has no image with a
            class label.
    """
    tfds, builder = _builder(name)
    features = builder.info.features
    image_key = _only(features, tfds.features.Image, name)
    label_key = _only(features, tfds.features.ClassLabel, name)
    records = tuple((split, info.num_examples) for split, info in builder.info.splits.items())
    container = Tfds(
        str(builder.data_path),
        image_key,
        label_key,
        next((key for key in ("file_name", "filename", "image/filename") if key in features), None),
        tuple(features[label_key].names),
        records,
    )
    return Source(
        f"tfds:{name}",
        classes=list(features[label_key].names),
        container=container,
        num_images=sum(count for _, count in records),
        splits=frozenset(split for split, _ in records) if len(records) > 1 else frozenset(),
    )


def _builder(name: str):
    """Return TFDS and the builder of a dataset whose files are there."""
    import_tensorflow()
    import tensorflow_datasets as tfds  # with TensorFlow, takes seconds

    tfds.display_progress_bar(False)
    folder = files.absolute(name)
    try:
        if "://" in name or os.path.isdir(folder):
            return tfds, tfds.builder_from_directory(folder)
        if name.startswith(("/", "~", ".")):
            raise FileNotFoundError("there is no such folder")
        return tfds, _download(tfds.builder(name))
    except Exception as error:  # names unknown, no network, manual downloads: each its own type
        reason = " ".join(str(error).split()).partition(" Available datasets:")[0]
        reason = (reason or type(error).__name__)[:200]
        raise UserError(f"`source`=tfds:{name} cannot be opened: {reason}") from None


def _download(builder):
    """Return the builder, after downloading its files; warnings are not of use meanwhile."""
    from tensorflow_datasets.core.download import downloader  # with TFDS

    downloader.MAX_RETRIES = _RETRIES
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    stdlib_logging.getLogger("urllib3").setLevel(stdlib_logging.ERROR)
    try:
        builder.download_and_prepare()
    finally:
        logging.set_verbosity(verbosity)
    return builder


def _only(features, kind: type, name: str) -> str:
    keys = [key for key, feature in features.items() if isinstance(feature, kind)]
    if len(keys) != 1:
        raise UserError(
            f"`source`=tfds:{name} has {len(keys)} features of kind {kind.__name__}, expected one: "
            "it is no dataset for classification"
        )
    return keys[0]
