"""Metadata beside the shards: TensorFlow Datasets' own, and the card."""

import pathlib
import tempfile

import numpy as np

from headrace import files
from input.dataset import dataset_dir
from input.dataset.dataset_dir import Card


def write_tfds(output_dir: str, card: Card) -> None:
    """Write what `tfds.builder_from_directory` reads."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        # TFDS looks for the shards' names, and has its own way to remote files.
        shards = [folder / shard.file for split in card.splits.values() for shard in split.shards]
        for shard in shards:
            shard.touch()
        _write_tfds(name, card)
        for path in sorted(set(folder.iterdir()) - set(shards)):
            files.write_atomic(f"{output_dir}/{path.name}", path.read_bytes())


def _write_tfds(folder: str, card: Card) -> None:
    import tensorflow_datasets as tfds  # takes a second, and only the end of a job needs it

    template = tfds.core.ShardedFileTemplate(
        data_dir=folder,
        dataset_name=card.name,
        filetype_suffix="tfrecord",
        template="{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
    )
    tfds.folder_dataset.write_metadata(
        data_dir=folder,
        features=_features(tfds, card),
        split_infos=[
            tfds.core.SplitInfo(
                name=name,
                shard_lengths=[shard.records for shard in split.shards],
                num_bytes=sum(shard.bytes for shard in split.shards),
                filename_template=template.replace(split=name),
            )
            for name, split in card.splits.items()
        ],
        filename_template=template,
        description="Prepared by Headrace; see card.json.",
        check_data=False,
    )


def write_card(output_dir: str, card: Card) -> None:
    """Write `card.json`, which makes the directory a finished dataset."""
    files.write_atomic(f"{output_dir}/{dataset_dir.CARD}", card.to_json().encode())


def _features(tfds, card: Card):
    """Return the TFDS features of an encoding; bare pixels of unequal sizes are left as bytes."""
    size = card.uniform_size
    dtypes = {"raw": np.uint8, "float": np.float32}
    if card.encoding not in dtypes:
        image = tfds.features.Image(shape=(None, None, card.channels))
    elif size:
        image = tfds.features.Tensor(
            shape=(*size, card.channels),
            dtype=dtypes[card.encoding],
            encoding=tfds.features.Encoding.BYTES,
        )
    else:
        image = tfds.features.Scalar(np.object_)
    label = tfds.features.ClassLabel(names=card.classes)
    weight = {"weight": tfds.features.Scalar(np.float32)} if card.weighted else {}
    return tfds.features.FeaturesDict(
        {
            "image": image,
            "label": tfds.features.Sequence(label) if card.multi_label else label,
            "shape": tfds.features.Tensor(shape=(3,), dtype=np.int64),
            "file_name": tfds.features.Text(),
            **weight,
        }
    )
