"""Reads records of a split by their numbers, in any order, and checks each of them.

    reader = Reader(data_dir, card, "train")            # or a part of it, "train[:90%]"
    records = reader.read(np.array([17, 3, 18]))
    records.image, records.label        # bytes as encoded, int64

Numbers that follow each other are read at once. A record is checked before it is used: its frame
by checksum, its message by parsing it.
"""

import concurrent.futures
import dataclasses
import logging
import os
import threading
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from headrace import files
from headrace.errors import UserError
from input.dataset import dataset_dir, record_files, split_spec, tfrecord
from input.dataset.dataset_dir import Card

_REQUESTS = 16


class BadRecordError(UserError):
    """A record that fails its checksum or is no record; the message says where it lies."""


@dataclasses.dataclass(frozen=True)
class Records:
    """Some records, in the order they were asked for.

    Attributes:
        image: bytes objects `[records]`, encoded as the card says.
        label: int64 `[records]`; of a multi-label dataset which classes each has, 0 or 1, uint8
            `[records, classes]`.
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
    """The records of one split, or of slices of splits; these follow each other as named.

    Attributes:
        data_dir, card, split: which; `split` is a name that `slices.parse` takes.
        skips: whether a bad record is replaced by the next good one, and counted, or ends the run.
        bad: what is wrong with each bad record met so far, by number.
        failure: the error that ended a stream, if one did; see `fetch.errors_of`.
    """

    def __init__(self, data_dir: str, card: Card, split: str, skips: bool = False) -> None:
        """Read the index.

        Raises:
            UserError: there is no such split or part of one, or the index does not fit the card.
        """
        self.data_dir, self.card, self.split, self.skips = data_dir, card, split, skips
        self.bad: dict[int, str] = {}
        self.failure: UserError | None = None
        self._lock = threading.Lock()
        self._slices = split_spec.parse(data_dir, card, split)
        self._paths: list[str] = []
        parts = [self._places(part) for part in self._slices]
        self._shards, self._in_shard, self._starts, self._ends = map(
            np.concatenate, zip(*parts, strict=True)
        )

    def _places(self, part: split_spec.Slice) -> tuple[np.ndarray, ...]:
        """Return where a slice's records lie: shard (each slice has its own in `_paths`), index,
        first byte and the one after the last."""
        shards = self.card.splits[part.split].shards
        counts = [shard.records for shard in shards]
        shard = np.repeat(np.arange(len(shards), dtype=np.int32), counts)
        first = np.cumsum(counts) - counts
        starts = record_files.read_index(self.data_dir, self.card, part.split).astype(np.int64)
        ends = np.append(starts[1:], 0)
        ends[first + counts - 1] = [shard.bytes for shard in shards]
        in_shard = np.arange(len(starts), dtype=np.int32) - first.astype(np.int32)[shard]
        own = slice(part.start, part.stop)
        shard = shard[own] + np.int32(len(self._paths))
        self._paths += dataset_dir.shard_paths(self.data_dir, self.card, part.split)
        return shard, in_shard[own], starts[own], ends[own]

    @property
    def is_remote(self) -> bool:
        """Whether the shards are far away, so that each request takes long."""
        return files.is_remote(self.data_dir)

    def __len__(self) -> int:
        """Return how many records there are."""
        return len(self._starts)

    def labels(self) -> np.ndarray:
        """Return the labels of all records, by number, without reading these.

        Returns:
            int64 `[records]`; of a multi-label dataset bool `[records, classes]`.

        Raises:
            UserError: the file of labels is missing, or does not fit the card.
        """
        parts = (
            record_files.read_labels(self.data_dir, self.card, part.split)[part.start : part.stop]
            for part in self._slices
        )
        return np.concatenate(list(parts))

    def read(
        self, numbers: np.ndarray, frames: Callable[[np.ndarray], list[bytes]] | None = None
    ) -> Records:
        """Read records.

        Args:
            numbers: which, int64 `[records]`.
            frames: where their frames come from; `self.frames` if not given.

        Raises:
            BadRecordError: one is bad and is not to be skipped, or all are.
            UserError: a shard cannot be read.
        """
        framed = (frames or self.frames)(numbers)
        parsed = [features for _, features in self._parse(numbers, framed)]
        image = np.empty(len(parsed), object)
        image[:] = [features["image"].bytes_list.value[0] for features in parsed]
        return Records(
            image,
            self._labels([features["label"].int64_list.value for features in parsed]),
            np.array([features["shape"].int64_list.value for features in parsed], np.int64),
            np.array([_weight(features) for features in parsed], np.float32),
            np.array([number not in self.bad for number in numbers.tolist()]),
        )

    def sources(self, numbers: np.ndarray) -> list[tuple[int, str]]:
        """Return which records `read` gives, with the names of the files that they were made of.

        Args:
            numbers: which, int64 `[records]`.

        Returns:
            Of each the number, which is that of the next good record where one is bad and is
            skipped, and the path of its file below the source.

        Raises:
            BadRecordError: one is bad and is not to be skipped, or all are.
            UserError: a shard cannot be read.
        """
        parsed = self._parse(numbers, self.frames(numbers))
        return [(number, _file_name(features)) for number, features in parsed]

    def frames(self, numbers: np.ndarray) -> list[bytes]:
        """Return records as they lie in the shards, unchecked; those that lie together at once.

        Args:
            numbers: which, int64 `[records]`.

        Raises:
            UserError: a shard cannot be read.
        """
        order = np.argsort(numbers, kind="stable")
        numbers = numbers[order]
        shards = self._shards[numbers]
        breaks = np.flatnonzero((np.diff(numbers) != 1) | np.diff(shards)) + 1
        framed = [b""] * len(numbers)
        runs = np.split(np.arange(len(numbers)), breaks) if len(numbers) else []

        def read(run: np.ndarray) -> list[bytes]:
            return self._read_run(int(shards[run[0]]), numbers[run])

        if self.is_remote and len(runs) > 1:
            with concurrent.futures.ThreadPoolExecutor(_REQUESTS) as pool:
                found = list(pool.map(read, runs))
        else:
            found = [read(run) for run in runs]
        for run, frames in zip(runs, found, strict=True):
            for place, frame in zip(order[run].tolist(), frames, strict=True):
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

    def _parse(self, numbers: np.ndarray, framed: list[bytes]) -> list[tuple]:
        """Return the number and the features of each record."""
        return [self._good(number, f) for number, f in zip(numbers.tolist(), framed, strict=True)]

    def _good(self, number: int, framed: bytes) -> tuple:
        """Return the number and the features of a record, or of the next good one."""
        tried = number
        while True:
            try:
                return tried, _features(framed, self.card)
            except ValueError as error:
                self._note(tried, str(error))
            tried = (tried + 1) % len(self)
            if tried == number:
                raise BadRecordError(f"split {self.split!r} of {self.data_dir} has no good record")
            (framed,) = self.frames(np.array([tried]))

    def _labels(self, stored: list[Sequence[int]]) -> np.ndarray:
        if self.card.multi_label:
            return record_files.multi_hot(stored, len(self.card.classes))
        return np.array([label for (label,) in stored], np.int64)

    def _note(self, number: int, what: str) -> None:
        where = (
            f"record {self._in_shard[number]} of {self._paths[self._shards[number]]}, at byte "
            f"{self._starts[number]}, is damaged: {what}"
        )
        if not self.skips:
            raise BadRecordError(
                f"{where}; copy the dataset again or prepare it again, or leave such records out "
                "with `on_bad_record`=skip"
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


def _features(framed: bytes, card: Card):
    """Return the features of the record in a frame of a dataset of this card.

    Raises:
        ValueError: it is damaged.
    """
    record = tfrecord.unframe(framed)
    try:
        features = tf.train.Example.FromString(record).features.feature
    except DecodeError:
        raise ValueError("it is no tf.train.Example") from None
    labels = features["label"].int64_list.value if "label" in features else []
    several = card.multi_label and "label" in features
    for name, kind, count in (
        ("image", "bytes", 1),
        ("label", "int64", len(labels) if several else 1),
        ("shape", "int64", 3),
    ):
        if name not in features or len(getattr(features[name], f"{kind}_list").value) != count:
            raise ValueError(f"it has no {name}")
    if several and not all(0 <= label < len(card.classes) for label in labels):
        raise ValueError("it has a label of no class")
    return features


def _weight(features) -> float:
    return features["weight"].float_list.value[0] if "weight" in features else 1.0


def _file_name(features) -> str:
    values = features["file_name"].bytes_list.value if "file_name" in features else ()
    return values[0].decode() if values else ""
