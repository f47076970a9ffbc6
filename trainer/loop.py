"""The training loop: restore, train, log, evaluate, save, and finish with `result.json`.

At every stop the order is log, evaluate, save: so what a checkpoint's step has logged is all there
when a run resumes from it, and what came after it is dropped and made again.
"""

import dataclasses
import math
import time

import keras
import numpy as np
import tensorflow as tf

from headrace import UserError
from input import cache, fetch, sampling, stream
from input.augmentation import Augmentation
from input.dataset_dir import Card
from input.kept import Kept, keep
from input.reader import Reader
from models import normalization
from trainer import checkpoints, curves, network, optimizers, run_dir, schedule, steps, strategies
from trainer import config as run_config
from trainer.config import RunConfig
from trainer.journal import Journal
from trainer.progress import TrainingProgress
from trainer.splits import evaluated

_LOG_EVERY_STEPS = 50
_SECONDS_PER_CALL = 1.0


@dataclasses.dataclass
class _Rate:
    """Images per second of the calls so far, the first left out: it traces and compiles."""

    images: int = 0
    seconds: float = 0.0
    calls: int = 0

    def add(self, images: int, seconds: float) -> float:
        """Counts a call; the rate of this call alone."""
        self.calls += 1
        if self.calls == 2:
            self.images, self.seconds = 0, 0.0
        self.images += images
        self.seconds += seconds
        return images / seconds

    @property
    def mean(self) -> float:
        return self.images / self.seconds if self.seconds else 0.0


def train(config: RunConfig, card: Card, workdir: str, flagfile: str) -> dict[str, object]:
    """Trains to `config.steps`, from the last checkpoint in `workdir` where there is one.

    The config is written once the model stands and fits the checkpoint, so that a start that
    fails does not claim the run directory.

    Args:
        config: of the run.
        card: of the dataset in `config.data_dir`.
        workdir: the run directory; made if need be.
        flagfile: flags that repeat the run, for `flags.txt`.

    Returns:
        What `result.json` holds: `steps`, `images_per_second`, under `splits` `rank1`, `rank5`,
        `loss` and `records` of what was watched and of every split that was not trained on, and
        `bad_records`, how many training records were found damaged since this start.

    Raises:
        UserError: the batch does not divide over the replicas, the checkpoint is of another
            model, a record is damaged, or the loss is no longer finite.
    """
    keras.utils.set_random_seed(config.seed)
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    strategy = strategies.create(config.strategy)
    strategies.check_batch_size(strategy, config.batch_size)
    mean_image = _mean_image(config, card, workdir)
    with strategy.scope():
        model = network.build(config, mean_image)
        optimizer = optimizers.create(config.optimizer, config.learning_rate)
        optimizer.build(model.trainable_variables)
        saved = checkpoints.Checkpoints(workdir, model, optimizer)
        start = saved.restore()
    run_dir.make(workdir, flagfile)
    if mean_image is not None:
        run_dir.write_mean_image(workdir, mean_image)
    run_config.write(workdir, config)
    with TrainingProgress(start, config.steps) as progress:
        run = _Run(config, card, workdir, strategy, model, optimizer, saved, progress)
        run.train_from(start)
        return run.finish()


def _mean_image(config: RunConfig, card: Card, workdir: str) -> np.ndarray | None:
    """The mean of each pixel of the training split, if the network subtracts it."""
    if config.normalization != "mean_image":
        return None
    found = run_dir.read_mean_image(workdir)
    if found is not None:
        return found
    reader = Reader(config.data_dir, card, config.train_split, config.on_bad_record == "skip")
    batches = stream.evaluation(reader, config.view, batch_size=config.batch_size)
    with fetch.errors_of(reader):
        return normalization.mean_image(batches.as_numpy_iterator())


class _Run:
    """The state of one start of a run."""

    def __init__(
        self,
        config: RunConfig,
        card: Card,
        workdir: str,
        strategy: tf.distribute.Strategy,
        model: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        saved: checkpoints.Checkpoints,
        progress: TrainingProgress,
    ) -> None:
        self.config, self.card, self.workdir = config, card, workdir
        self.strategy, self.model, self.saved, self.progress = strategy, model, saved, progress
        self.reader = self._open(config.train_split)
        self.order = config.order(len(self.reader))
        self.per_epoch = self.order.steps_per_epoch
        self.journal = Journal(workdir, self.per_epoch)
        self.rate = _Rate()
        self.train_steps = steps.make_train_steps(
            strategy, model, optimizer, config.batch_size, self._class_weights()
        )
        self.evaluate_dataset = steps.make_evaluate(strategy, model, len(card.classes))
        self.watched = config.validation_split
        self.kept: dict[str, Kept | None] = {}
        self.results: dict[str, dict[str, float]] = {}

    def train_from(self, start: int) -> None:
        config, step = self.config, start
        run_dir.forget_metrics_after(self.workdir, start)
        self._announce(start)
        batches = iter(self._batches(start)) if start < config.steps else None
        while step < config.steps:
            step = self._train_to_next_log(step, batches)
            if step == config.steps or step % (self.per_epoch * config.eval_every) == 0:
                self._evaluate_watched(step)
            if step == config.steps or step % config.save_every_steps == 0:
                self.saved.save(step)

    def finish(self) -> dict[str, object]:
        """Evaluates what is still to be evaluated and writes `result.json`."""
        for split in evaluated(self.config, self.card):
            if split not in self.results:
                self.results[split] = self._evaluate(split)
        result = {
            "steps": self.config.steps,
            "images_per_second": round(self.rate.mean, 1) or self._logged_rate(),
            "splits": self.results,
            "bad_records": len(self.reader.bad),
        }
        run_dir.write_result(self.workdir, result)
        return result

    def _logged_rate(self) -> float:
        """The last rate in the log: of a run that was killed with nothing left to train."""
        rows = run_dir.read_metrics(self.workdir)
        return next((r["images_per_second"] for r in rows[::-1] if r["split"] == "train"), 0.0)

    def _announce(self, start: int) -> None:
        replicas = self.strategy.num_replicas_in_sync
        self.progress.note(
            f"{self.config.model}: {self.model.count_params():,} parameters, {replicas} "
            f"replica{'s' * (replicas > 1)}, {len(self.reader):,} training "
            f"images, {self.per_epoch} steps an epoch"
        )
        if start:
            self.progress.note(f"resuming from the checkpoint at step {start}")
        if self.watched == "test" and "validation" not in self.card.splits:
            self.progress.note("no validation split: the test split is watched in its place")

    def _open(self, split: str) -> Reader:
        skips = self.config.on_bad_record == "skip"
        return Reader(self.config.data_dir, self.card, split, skips)

    def _class_weights(self) -> np.ndarray | None:
        if self.config.class_weights == "none":
            return None
        return sampling.class_weights(self.reader.labels(), len(self.card.classes))

    def _keep(self, reader: Reader, crop: str = "none") -> Kept | None:
        """The decoded records of a split that is read again and again, if they are to be kept."""
        if reader.split not in self.kept:
            config = self.config
            view = cache.keepable(self.card, config.view, crop)
            where = cache.choose(config.cache, self.card, len(reader), view)
            self.kept[reader.split] = None
            if where != "none":
                advance = self.progress.count(
                    f"decoding {reader.split} to keep it ({where})", len(reader)
                )
                self.kept[reader.split] = keep(reader, view, where, config.cache_dir, advance)
        return self.kept[reader.split]

    def _batches(self, start: int) -> tf.data.Dataset:
        augmentation = Augmentation(**self.config.augmentation)
        dataset = stream.training(
            self.reader,
            self.order,
            self.config.view,
            start_step=start,
            augmentation=augmentation,
            kept=self._keep(self.reader, augmentation.crop),
        )
        return self.strategy.experimental_distribute_dataset(dataset)

    def _train_to_next_log(self, step: int, batches) -> int:
        """Trains up to the next stop, in calls of about a second; logs the means over them."""
        config, first, seconds = self.config, step, 0.0
        sums = tf.zeros([2], tf.float64)
        stop = schedule.next_stop(
            step,
            config.steps,
            min(_LOG_EVERY_STEPS, self.per_epoch),
            self.per_epoch,
            config.save_every_steps,
        )
        while step < stop:
            pace = seconds / (step - first) if step > first else self._seconds_per_step()
            count = schedule.steps_in_call(stop - step, pace, _SECONDS_PER_CALL)
            started = time.perf_counter()
            with fetch.errors_of(self.reader):
                sums = self.train_steps(batches, tf.constant(count, tf.int64), sums)
            loss, rank1 = (sums.numpy() / ((step + count - first) * config.batch_size)).tolist()
            call_seconds = time.perf_counter() - started
            step, seconds = step + count, seconds + call_seconds
            self._check_finite(loss, step)
            self.progress.update(
                step,
                loss=loss,
                rank1=rank1,
                images_per_second=self.rate.add(count * config.batch_size, call_seconds),
                learning_rate=config.learning_rate,
            )
        values = {
            "loss": loss,
            "rank1": rank1,
            "images_per_second": round((step - first) * config.batch_size / seconds, 1),
            "learning_rate": config.learning_rate,
        }
        self.journal.log(step, "train", values)
        return step

    def _seconds_per_step(self) -> float:
        """The pace so far; before the first call one step is run by itself."""
        if not self.rate.calls:
            return _SECONDS_PER_CALL
        return self.config.batch_size / self.rate.mean

    def _check_finite(self, loss: float, step: int) -> None:
        if not math.isfinite(loss):
            raise UserError(
                f"the loss is {loss} at step {step}; lower --learning_rate "
                f"(now {self.config.learning_rate:g}) and start again in another --workdir"
            )

    def _evaluate_watched(self, step: int) -> None:
        if self.watched is None:
            return
        result = self._evaluate(self.watched)
        if step == self.config.steps:
            self.results[self.watched] = result
        self.journal.log(step, self.watched, result)
        self.saved.save_if_best(step, result["rank1"])
        curves.draw(self.workdir)
        self.progress.note(
            f"epoch {step / self.per_epoch:g}  {self.watched}: loss {result['loss']:.4f}  "
            f"rank-1 {result['rank1']:.4f}  rank-5 {result['rank5']:.4f}"
        )

    def _evaluate(self, split: str) -> dict[str, float]:
        config = self.config
        reader = self._open(split)
        kept = self._keep(reader) if split == self.watched else None
        dataset = stream.evaluation(reader, config.view, batch_size=config.batch_size, kept=kept)
        with fetch.errors_of(reader):
            result = self.evaluate_dataset(dataset)
        return {name: result[name] for name in ("rank1", "rank5", "loss", "records")}
