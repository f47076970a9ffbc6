"""Reads records of a split by their numbers, in any order, and checks each of them.

    reader = Reader(data_dir, card, "train")
    records = reader.read(np.array([17, 3, 18]))
    records.image, records.label        # bytes as encoded, int64

Numbers that follow each other are read at once. A record is checked before it is used: its frame
by checksum, its message by parsing it.
"""

import dataclasses
import logging
import os
import threading
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from headrace import UserError
from input import dataset_dir, files, tfrecord
from input.dataset_dir import Card


class BadRecordError(UserError):
    """A record that fails its checksum or is no record; the message says where it lies."""


@dataclasses.dataclass(frozen=True)
class Records:
    """Some records, in the order they were asked for.

    Attributes:
        image: bytes objects `[records]`, encoded as the card says.
        label: int64 `[records]`.
        shape: int64 `[records, 3]`: rows, columns and channels.
        weight: float32 `[records]`; 1 where the dataset has no weights.
        good: whether it is the one that was asked for, and not another in place of a bad one; bool
            `[records]`.
    """

    image: np.ndarray
    label: np.ndarray
    shape: np.ndarray
    weight: np.ndarray
    good: np.ndarray


class Reader:
    """The records of one split.

    Attributes:
        data_dir, card, split: which.
        skips: whether a bad record is replaced by the next good one, and counted, or ends the run.
        bad: what is wrong with each bad record met so far, by number.
        failure: the error that ended a stream, if one did; see `fetch.errors_of`.
    """

    def __init__(self, data_dir: str, card: Card, split: str, skips: bool = False) -> None:
        """Reads the index.

        Raises:
            UserError: there is no such split, or the index does not fit the card.
        """
        self.data_dir, self.card, self.split, self.skips = data_dir, card, split, skips
        self.bad: dict[int, str] = {}
        self.failure: UserError | None = None
        self._lock = threading.Lock()
        self._paths = dataset_dir.shard_paths(data_dir, card, split)
        shards = card.splits[split].shards
        self._first = np.cumsum([0] + [shard.records for shard in shards])
        self._starts = dataset_dir.read_index(data_dir, card, split).astype(np.int64)
        self._ends = np.append(self._starts[1:], 0)
        self._ends[self._first[1:] - 1] = [shard.bytes for shard in shards]

    @property
    def is_remote(self) -> bool:
        """Whether the shards are far away, so that each request takes long."""
        return files.is_remote(self.data_dir)

    def __len__(self) -> int:
        """How many records there are."""
        return len(self._starts)

    def labels(self) -> np.ndarray:
        """The labels of all records, by number, without reading these: int64 `[records]`.

        Raises:
            UserError: the file of labels is missing, or does not fit the card.
        """
        return dataset_dir.read_labels(self.data_dir, self.card, self.split)

    def read(
        self, numbers: np.ndarray, frames: Callable[[np.ndarray], list[bytes]] | None = None
    ) -> Records:
        """Reads records.

        Args:
            numbers: which, int64 `[records]`.
            frames: where their frames come from; `self.frames` if not given.

        Raises:
            BadRecordError: one is bad and is not to be skipped, or all are.
            UserError: a shard cannot be read.
        """
        framed = (frames or self.frames)(numbers)
        parsed = [self._good(number, f) for number, f in zip(numbers.tolist(), framed, strict=True)]
        image = np.empty(len(parsed), object)
        image[:] = [features["image"].bytes_list.value[0] for features in parsed]
        return Records(
            image,
            np.array([features["label"].int64_list.value[0] for features in parsed], np.int64),
            np.array([features["shape"].int64_list.value for features in parsed], np.int64),
            np.array([_weight(features) for features in parsed], np.float32),
            np.array([number not in self.bad for number in numbers.tolist()]),
        )

    def frames(self, numbers: np.ndarray) -> list[bytes]:
        """Records as they lie in the shards, not yet checked; those that lie together at once.

        Args:
            numbers: which, int64 `[records]`.

        Raises:
            UserError: a shard cannot be read.
        """
        order = np.argsort(numbers, kind="stable")
        numbers = numbers[order]
        shards = np.searchsorted(self._first, numbers, side="right") - 1
        breaks = np.flatnonzero((np.diff(numbers) != 1) | np.diff(shards)) + 1
        framed = [b""] * len(numbers)
        for run in np.split(np.arange(len(numbers)), breaks) if len(numbers) else []:
            found = self._read_run(int(shards[run[0]]), numbers[run])
            for place, frame in zip(order[run].tolist(), found, strict=True):
                framed[place] = frame
        return framed

    def _read_run(self, shard: int, numbers: np.ndarray) -> list[bytes]:
        start, end = int(self._starts[numbers[0]]), int(self._ends[numbers[-1]])
        try:
            data = _read(self._paths[shard], start, end - start)
        except OSError as error:
            raise UserError(f"{self._paths[shard]} cannot be read: {error}") from None
        cuts = (self._starts[numbers] - start).tolist()
        return [data[a:b] for a, b in zip(cuts, [*cuts[1:], len(data)], strict=True)]

    def _good(self, number: int, framed: bytes):
        """The features of a record, or of the next good one."""
        tried = number
        while True:
            try:
                return _features(framed)
            except ValueError as error:
                self._note(tried, str(error))
            tried = (tried + 1) % len(self)
            if tried == number:
                raise BadRecordError(f"split {self.split!r} of {self.data_dir} has no good record")
            (framed,) = self.frames(np.array([tried]))

    def _note(self, number: int, what: str) -> None:
        shard = int(np.searchsorted(self._first, number, side="right")) - 1
        where = (
            f"record {number - self._first[shard]} of {self._paths[shard]}, at byte "
            f"{self._starts[number]}, is damaged: {what}"
        )
        if not self.skips:
            raise BadRecordError(
                f"{where}; copy the dataset again or prepare it again, or leave such records out "
                "with --on_bad_record=skip"
            )
        with self._lock:
            if number not in self.bad:
                self.bad[number] = what
                logging.warning("%s; another takes its place", where)


def _read(path: str, start: int, length: int) -> bytes:
    if files.is_remote(path):
        return files.read(path, start, length)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.pread(descriptor, length, start)
    finally:
        os.close(descriptor)


def _features(framed: bytes):
    """The features of the record in a frame.

    Raises:
        ValueError: it is damaged.
    """
    record = tfrecord.unframe(framed)
    try:
        features = tf.train.Example.FromString(record).features.feature
    except DecodeError:
        raise ValueError("it is no tf.train.Example") from None
    for name, kind, count in (("image", "bytes", 1), ("label", "int64", 1), ("shape", "int64", 3)):
        if name not in features or len(getattr(features[name], f"{kind}_list").value) != count:
            raise ValueError(f"it has no {name}")
    return features


def _weight(features) -> float:
    return features["weight"].float_list.value[0] if "weight" in features else 1.0
