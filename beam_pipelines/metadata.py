"""What stands beside the shards: TensorFlow Datasets' metadata, the statistics and the card."""

import math
import pathlib
import sqlite3
import tempfile
from collections.abc import Sequence

import numpy as np

from beam_pipelines import catalog
from input import dataset_dir, files
from input.dataset_dir import Card

_PERCENTILES = {"min": 0, "p5": 5, "p50": 50, "p95": 95, "max": 100}
_BINS = 24


def statistics(db: sqlite3.Connection, names: list[str]) -> dict:
    """What the card and the report say of pixels and sizes.

    Args:
        db: the catalog, with splits.
        names: of the splits; channel statistics are those of `train`, or of all folds together.

    Returns:
        `channels`, `mean`, `std`, `image_size` as in `Card`, and `histograms` of the source
        (`aspect` is the binary logarithm of columns by rows).
    """
    channels = catalog.one(db, "SELECT max(channels) FROM images WHERE dropped IS NULL")
    training = f"split = {names.index('train')}" if "train" in names else "1"
    mean, std = channel_statistics(db, channels, f"{training} AND dropped IS NULL")
    return {
        "channels": channels,
        "mean": mean,
        "std": std,
        "image_size": {side: _percentiles(db, side) for side in ("rows", "columns")},
        "histograms": {
            "rows": histogram(_frequencies(db, "source_rows")),
            "columns": histogram(_frequencies(db, "source_columns")),
            "aspect": histogram(
                [
                    (math.log2(ratio), images)
                    for ratio, images in _frequencies(
                        db, "round(1.0 * source_columns / source_rows, 4)"
                    )
                    if ratio
                ]
            ),
        },
    }


def channel_statistics(
    db: sqlite3.Connection, channels: int, condition: str
) -> tuple[list[float], list[float]]:
    """Mean and standard deviation per channel, over all pixels, 0-255.

    From exact integer sums, so they are the same digits whatever the order of images. A grey image
    of an RGB dataset counts in all three channels.

    Args:
        db: the catalog.
        channels: of the dataset, 1 or 3.
        condition: SQL, selects the images.
    """
    pixels = catalog.exact_sum(db, "(rows * columns)", condition)
    means, deviations = [], []
    for channel in range(channels):
        total = catalog.exact_sum(db, f"sum{channel}", condition)
        squares = catalog.exact_sum(db, f"square{channel}", condition)
        means.append(total / pixels)
        deviations.append(math.sqrt(pixels * squares - total**2) / pixels)
    return means, deviations


def class_counts(db: sqlite3.Connection, split: int, classes: int) -> list[int]:
    """Images per class of a split."""
    found = dict(
        db.execute(
            "SELECT label, count(*) FROM images WHERE split = ? AND dropped IS NULL GROUP BY label",
            (split,),
        )
    )
    return [found.get(label, 0) for label in range(classes)]


def histogram(frequencies: Sequence[tuple[float, int]]) -> dict[str, list]:
    """At most 24 bins of equal width: `edges` (one more than bins) and `counts`."""
    values, counts = np.array(frequencies, np.float64).T
    bins = min(_BINS, len(values))
    found, edges = np.histogram(values, bins, weights=counts)
    return {"edges": edges.tolist(), "counts": found.astype(np.int64).tolist()}


def _frequencies(db: sqlite3.Connection, value: str) -> list[tuple[float, int]]:
    return db.execute(
        f"SELECT {value} AS value, count(*) FROM images WHERE dropped IS NULL GROUP BY 1 ORDER BY 1"
    ).fetchall()


def _percentiles(db: sqlite3.Connection, column: str) -> dict[str, int]:
    """The smallest values that at least so many per cent of the images do not exceed."""
    values, counts = np.array(_frequencies(db, column), np.int64).T
    upto = np.cumsum(counts)
    return {
        name: int(values[np.searchsorted(upto * 100, q * upto[-1])])
        for name, q in _PERCENTILES.items()
    }


def write_tfds(output_dir: str, card: Card) -> None:
    """Writes what `tfds.builder_from_directory` reads."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        # TFDS looks for the shards' names, and has its own way to remote files.
        shards = [folder / shard.file for split in card.splits.values() for shard in split.shards]
        for shard in shards:
            shard.touch()
        _write_tfds(name, card)
        for path in sorted(set(folder.iterdir()) - set(shards)):
            files.write(f"{output_dir}/{path.name}", path.read_bytes())


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
    """Writes `card.json`, which makes the directory a finished dataset."""
    files.write(f"{output_dir}/{dataset_dir.CARD}", card.to_json().encode())


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
    weight = {"weight": tfds.features.Scalar(np.float32)} if card.weighted else {}
    return tfds.features.FeaturesDict(
        {
            "image": image,
            "label": tfds.features.ClassLabel(names=card.classes),
            "shape": tfds.features.Tensor(shape=(3,), dtype=np.int64),
            "file_name": tfds.features.Text(),
            **weight,
        }
    )
