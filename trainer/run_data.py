"""The data of a run, as the distributed batches of its strategy."""

import functools
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from input import stream
from input.dataset.dataset_dir import Card
from input.dataset.reader import Reader
from input.loading import cache_policy, read_records
from input.loading.decoded_cache import DecodedCache, build_cache
from input.sampling import class_sampling, even_sample, index_shuffle
from models.layers import normalization
from trainer import run_dir
from trainer.config import resume, splits
from trainer.config.run import RunConfig
from trainer.distribution import strategies
from trainer.reporting.progress import TrainingProgress

# Of which weights are made: as many images as Jordan, 94% on CIFAR-10, 2024, takes.
_SAMPLE_RECORDS, _SAMPLE_BATCH = 5_000, 50


class Data:
    """The splits of a run's dataset; those that are read again and again are cached.

    Attributes:
        reader: reader of what is trained on.
        order: order in which it is.
    """

    def __init__(
        self,
        config: RunConfig,
        card: Card,
        strategy: tf.distribute.Strategy,
        progress: TrainingProgress,
    ) -> None:
        self._config, self._card = config, card
        self._strategy, self._progress = strategy, progress
        self._caches: dict[str, DecodedCache | None] = {}
        self.reader = self._open(config.data.train_split)
        self.order = config.data.order(len(self.reader))

    def training(self, start: int) -> tf.distribute.DistributedDataset:
        """Return training batches from a step on, without end."""
        batches = functools.partial(self._training, start)
        return strategies.distribute(self._strategy, batches, self._config.data.batch_size)

    def batch(self, step: int) -> dict[str, np.ndarray]:
        """Return the whole batch that is trained on at a step, and as `record` the indices of its
        records, int64 `[batch]`."""
        with read_records.reader_errors(self.reader):
            batch = next(self._training(step, 0, 1).take(1).as_numpy_iterator())
        return {**batch, "record": stream.record_indices(self.reader, self.order, step)}

    def evaluation(
        self, split: str, step: int = 0
    ) -> tuple[tf.distribute.DistributedDataset, Reader]:
        """Return every record of a split once, and the reader that they come from.

        Args:
            split: name of the split; or `splits.ROTATING`, where records are held out in turn.
            step: steps that the run has trained: of its last epoch are those that were held out.
        """
        config, records = self._config, None
        if self.order.held_out and split == splits.ROTATING:
            reader = self._open(config.data.train_split)
            records = index_shuffle.held_out(self.order, self.order.last_epoch(step))
            crop = config.augmentation.crop
            # For resized crops images are cached as they are, if at all.
            decoded_cache = None if crop == "resized" else self._cache(reader, crop)
        else:
            reader, watched = self._open(split), config.training.validation_split
            decoded_cache = self._cache(reader) if split == watched else None

        def batches(pipeline: int, pipelines: int) -> tf.data.Dataset:
            return stream.evaluation(
                reader,
                config.data.preprocessing,
                batch_size=config.data.batch_size,
                pipeline=pipeline,
                pipelines=pipelines,
                records=records,
                decoded_cache=decoded_cache,
            )

        return strategies.distribute(self._strategy, batches, config.data.batch_size), reader

    def class_weights(self) -> np.ndarray | None:
        """Return what the loss of each class's records is multiplied by, if it is."""
        if self._config.optimization.class_weights == "none":
            return None
        return class_sampling.class_weights(self.reader.labels(), len(self._card.classes))

    def mean_image(self, workdir: str) -> np.ndarray | None:
        """Return the mean of each pixel of what is trained on, if the network subtracts it."""
        if self._config.model.normalization != "mean_image":
            return None
        config, found = self._config, run_dir.read_mean_image(workdir)
        if found is not None and resume.agree(workdir, config, "mean_image"):
            return found
        batches = stream.evaluation(
            self.reader, config.data.preprocessing, batch_size=config.data.batch_size
        )
        with read_records.reader_errors(self.reader):
            return normalization.compute_mean_image(batches.as_numpy_iterator())

    def sample(self) -> Iterator[np.ndarray]:
        """Yield images of a fixed part of what is trained on, which no flag but that of the split
        changes; they are read as they are asked for.

        Returns:
            Images at the size of the model's input, uint8 `[batch, rows, columns, channels]`.
        """
        batches = stream.evaluation(
            self.reader,
            self._config.data.preprocessing,
            batch_size=_SAMPLE_BATCH,
            records=even_sample.record_indices(len(self.reader), _SAMPLE_RECORDS),
        )
        with read_records.reader_errors(self.reader):
            for batch in batches.as_numpy_iterator():
                yield batch["image"][batch["weight"] > 0]

    def _training(self, start: int, pipeline: int, pipelines: int) -> tf.data.Dataset:
        """Return a pipeline's parts of the training batches from a step on."""
        augmentation = self._config.augmentation
        return stream.training(
            self.reader,
            self.order,
            self._config.data.preprocessing,
            start_step=start,
            pipeline=pipeline,
            pipelines=pipelines,
            augmentation=augmentation,
            decoded_cache=self._cache(self.reader, augmentation.crop),
        )

    def _open(self, split: str) -> Reader:
        skips = self._config.data.on_bad_record == "skip"
        return Reader(self._config.data.data_dir, self._card, split, skips)

    def _cache(self, reader: Reader, crop: str = "none") -> DecodedCache | None:
        """Return the decoded records of a split, if they are to be cached."""
        if reader.split not in self._caches:
            config = self._config
            cacheable = cache_policy.cacheable_preprocessing(
                self._card, config.data.preprocessing, crop
            )
            where = cache_policy.choose(config.data.cache, self._card, len(reader), cacheable)
            self._caches[reader.split] = None
            if where != "none":
                what = f"decoding {reader.split} to keep it ({where})"
                advance = self._progress.count(what, len(reader))
                self._caches[reader.split] = build_cache(
                    reader, cacheable, where, config.data.cache_dir, advance
                )
        return self._caches[reader.split]
