"""The files of a dataset directory that have a row for each record: index and labels.

    record_files.read_index(data_dir, card, "train")        # where each record begins
    record_files.read_labels(data_dir, card, "train")       # without reading a record

No TensorFlow is imported here.
"""

import itertools
import os
from collections.abc import Sequence

import numpy as np

from headrace import files
from headrace.errors import UserError
from input.dataset.dataset_dir import AGAIN, Card

# Of a record, in an index file and in a labels file.
_OFFSET, _LABEL = np.dtype("<u8"), np.dtype("<u4")


def index_file(name: str, split: str) -> str:
    """Return `digits-train.index`."""
    return f"{name}-{split}.index"


def index_bytes(offsets: Sequence[Sequence[int]]) -> bytes:
    """Return an index file: the records' offsets as little-endian uint64, shard after shard."""
    return _joined(offsets, _OFFSET)


def labels_file(name: str, split: str) -> str:
    """Return `digits-train.labels`."""
    return f"{name}-{split}.labels"


def labels_bytes(labels: Sequence[Sequence[int]]) -> bytes:
    """Return a labels file: the records' labels as little-endian uint32, shard after shard."""
    return _joined(labels, _LABEL)


def label_sets_bytes(label_sets: Sequence[Sequence[Sequence[int]]], classes: int) -> bytes:
    """Return the labels file of a multi-label dataset: a bit for each class of each record.

    Args:
        label_sets: indices of each record's classes, shard after shard.
        classes: number of classes; a record takes that many bits, the first class the lowest of the
            first byte, filled up with zeros to whole bytes.
    """
    return b"".join(
        np.packbits(multi_hot(shard, classes), axis=1, bitorder="little").tobytes()
        for shard in label_sets
    )


def multi_hot(label_sets: Sequence[Sequence[int]], classes: int) -> np.ndarray:
    """Return which classes each record has, of the indices of these: uint8 `[records, classes]`."""
    hot = np.zeros((len(label_sets), classes), np.uint8)
    rows = np.repeat(np.arange(len(label_sets)), [len(indices) for indices in label_sets])
    hot[rows, np.fromiter(itertools.chain.from_iterable(label_sets), np.int64)] = 1
    return hot


def read_index(data_dir: str, card: Card, split: str) -> np.ndarray:
    """Return the byte offsets of a split's records: uint64 `[records]`, shard after shard.

    Raises:
        UserError: the file is missing, or does not have one offset per record.
    """
    path = os.path.join(data_dir, index_file(card.name, split))
    return np.frombuffer(_read(path, card.splits[split].records, _OFFSET.itemsize), _OFFSET)


def read_labels(data_dir: str, card: Card, split: str) -> np.ndarray:
    """Return labels of a split's records, in the order of `read_index`.

    Returns:
        int64 `[records]`; of a multi-label dataset which classes each has, bool
        `[records, classes]`.

    Raises:
        UserError: the file is missing, does not have one label per record, or has others than the
            card says.
    """
    path = os.path.join(data_dir, labels_file(card.name, split))
    per_class = card.splits[split].per_class
    unpack = _unpack_label_sets if card.multi_label else _unpack_labels
    labels, largest = unpack(path, card.splits[split].records, len(per_class))
    if largest >= len(per_class):
        raise UserError(
            f"{path} has the label {largest}, the card has {len(per_class)} classes; {AGAIN}"
        )
    found = labels.sum(0) if card.multi_label else np.bincount(labels, minlength=len(per_class))
    for name, count, expected in zip(card.classes, found, per_class, strict=True):
        if count != expected:
            raise UserError(
                f"{path} has {count} records of class {name!r}, the card says {expected}; {AGAIN}"
            )
    return labels


def _unpack_labels(path: str, records: int, classes: int) -> tuple[np.ndarray, int]:
    """Return labels, int64 `[records]`, and the largest."""
    labels = np.frombuffer(_read(path, records, _LABEL.itemsize), _LABEL).astype(np.int64)
    return labels, int(labels.max())


def _unpack_label_sets(path: str, records: int, classes: int) -> tuple[np.ndarray, int]:
    """Return which classes each record has, bool `[records, classes]`, and the largest of all."""
    rows = np.frombuffer(_read(path, records, -(-classes // 8)), np.uint8).reshape(records, -1)
    bits = np.unpackbits(rows, axis=1, bitorder="little").astype(bool)
    return bits[:, :classes], int(np.flatnonzero(bits.any(0)).max(initial=0))


def _joined(shards: Sequence[Sequence[int]], dtype: np.dtype) -> bytes:
    return np.concatenate([np.asarray(shard, dtype) for shard in shards]).tobytes()


def _read(path: str, records: int, size: int) -> bytes:
    """Return the content of a file that has so many bytes for each record."""
    try:
        data = files.read(path)
    except FileNotFoundError:
        raise UserError(f"{path} is missing; {AGAIN}") from None
    if len(data) != records * size:
        raise UserError(
            f"{path} has {len(data)} bytes, {records} records take {records * size}; {AGAIN}"
        )
    return data
