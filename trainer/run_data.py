"""The data of a run, as the distributed batches of its strategy."""

import numpy as np
import tensorflow as tf

from input import stream
from input.dataset.dataset_dir import Card
from input.dataset.reader import Reader
from input.loading import cache_policy, read_records
from input.loading.decoded_cache import Kept, keep
from input.sampling import class_sampling
from models.layers import normalization
from trainer import run_dir
from trainer.config import resume
from trainer.config.run import RunConfig
from trainer.distribution import strategies
from trainer.reporting.progress import TrainingProgress


class Data:
    """Opens the splits of a run's dataset, and keeps those that are read again and again.

    Attributes:
        reader: of what is trained on.
        order: in which it is.
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
        self._kept: dict[str, Kept | None] = {}
        self.reader = self._open(config.data.train_split)
        self.order = config.data.order(len(self.reader))

    def training(self, start: int) -> tf.distribute.DistributedDataset:
        """Return training batches from a step on, without end."""
        config, augmentation = self._config, self._config.augmentation
        kept = self._keep(self.reader, augmentation.crop)

        def batches(pipeline: int, pipelines: int) -> tf.data.Dataset:
            return stream.training(
                self.reader,
                self.order,
                config.data.view,
                start_step=start,
                pipeline=pipeline,
                pipelines=pipelines,
                augmentation=augmentation,
                kept=kept,
            )

        return strategies.distribute(self._strategy, batches, config.data.batch_size)

    def evaluation(self, split: str) -> tuple[tf.distribute.DistributedDataset, Reader]:
        """Return every record of a split once, and the reader that they come from."""
        config, reader = self._config, self._open(split)
        kept = self._keep(reader) if split == config.training.validation_split else None

        def batches(pipeline: int, pipelines: int) -> tf.data.Dataset:
            return stream.evaluation(
                reader,
                config.data.view,
                batch_size=config.data.batch_size,
                pipeline=pipeline,
                pipelines=pipelines,
                kept=kept,
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
            self.reader, config.data.view, batch_size=config.data.batch_size
        )
        with read_records.errors_of(self.reader):
            return normalization.compute_mean_image(batches.as_numpy_iterator())

    def _open(self, split: str) -> Reader:
        skips = self._config.data.on_bad_record == "skip"
        return Reader(self._config.data.data_dir, self._card, split, skips)

    def _keep(self, reader: Reader, crop: str = "none") -> Kept | None:
        """Return the decoded records of a split, if they are to be kept."""
        if reader.split not in self._kept:
            config = self._config
            view = cache_policy.keepable(self._card, config.data.view, crop)
            where = cache_policy.choose(config.data.cache, self._card, len(reader), view)
            self._kept[reader.split] = None
            if where != "none":
                what = f"decoding {reader.split} to keep it ({where})"
                advance = self._progress.count(what, len(reader))
                self._kept[reader.split] = keep(reader, view, where, config.data.cache_dir, advance)
        return self._kept[reader.split]
