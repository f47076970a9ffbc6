"""What stands beside the shards: TensorFlow Datasets' metadata, the statistics and the card."""

import math

import numpy as np
from etils import epath

import headrace
from beam_pipelines.scan import Row
from input import dataset_dir
from input.dataset_dir import Card

_PERCENTILES = {"min": 0, "p5": 5, "p50": 50, "p95": 95, "max": 100}


def channel_statistics(rows: list[Row], channels: int) -> tuple[list[float], list[float]]:
    """Mean and standard deviation per channel, over all pixels, 0-255.

    From exact integer sums, so they do not depend on the order of images. A grey image of an RGB
    dataset counts in all three channels.

    Args:
        rows: of the training split.
        channels: of the dataset, 1 or 3.
    """
    pixels = sum(row.rows * row.columns for row in rows)
    means, deviations = [], []
    for channel in range(channels):
        total = sum(row.sums[channel % row.channels] for row in rows)
        squares = sum(row.squares[channel % row.channels] for row in rows)
        means.append(total / pixels)
        deviations.append(math.sqrt(pixels * squares - total**2) / pixels)
    return means, deviations


def class_counts(rows: list[Row], classes: int) -> list[int]:
    """Images per class."""
    return np.bincount([row.label for row in rows], minlength=classes).tolist()


def image_sizes(rows: list[Row]) -> dict[str, dict[str, int]]:
    """Percentiles of rows and columns, as in `Card.image_size`."""
    return {
        side: {
            name: int(np.percentile([getattr(row, side) for row in rows], q, method="nearest"))
            for name, q in _PERCENTILES.items()
        }
        for side in ("rows", "columns")
    }


def write_tfds(output_dir: str, card: Card) -> None:
    """Writes what `tfds.builder_from_directory` reads."""
    headrace.import_tensorflow()
    import tensorflow_datasets as tfds  # with TensorFlow, takes seconds

    template = tfds.core.ShardedFileTemplate(
        data_dir=output_dir,
        dataset_name=card.name,
        filetype_suffix="tfrecord",
        template="{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
    )
    tfds.folder_dataset.write_metadata(
        data_dir=output_dir,
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
    """Writes `card.json`, which makes the directory a finished dataset."""
    path = epath.Path(output_dir) / dataset_dir.CARD
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(card.to_json())
    temporary.replace(path)


def _features(tfds, card: Card):
    """TFDS features for each encoding; unequal sizes of bare pixels are left as bytes."""
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
    return tfds.features.FeaturesDict(
        {
            "image": image,
            "label": tfds.features.ClassLabel(names=card.classes),
            "shape": tfds.features.Tensor(shape=(3,), dtype=np.int64),
            "file_name": tfds.features.Text(),
        }
    )
