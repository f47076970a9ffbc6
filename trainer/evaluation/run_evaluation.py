"""The evaluation of a run: what its labels and its loss ask for."""

import logging
from collections.abc import Callable

import keras
import tensorflow as tf

from headrace import files
from headrace.errors import UserError
from input import stream
from input.dataset import dataset_dir
from input.dataset.reader import Reader
from input.loading import read_records
from trainer import run_dir
from trainer.config.run import RunConfig
from trainer.distribution import strategies
from trainer.evaluation import eval_step, multi_label, multi_label_step
from trainer.optimization import losses


def make_evaluate(
    config: RunConfig,
    strategy: tf.distribute.Strategy,
    model: keras.Model,
    on_predictions: eval_step.OnPredictions | None = None,
) -> eval_step.Evaluate:
    """Make the evaluation of a model, see `eval_step` and, for images of several labels,
    `multi_label_step`.

    Args:
        config: configuration of the run.
        strategy: strategy under which the model was made.
        model: model to logits.
        on_predictions: see there.
    """
    label_losses = losses.make_eval_losses(config.optimization)
    if config.dataset.multi_label:
        return multi_label_step.make_evaluate(strategy, model, label_losses, on_predictions)
    return eval_step.make_evaluate(
        strategy, model, on_predictions, label_losses=label_losses, is_binary=config.is_binary
    )


def evaluate_reader(
    config: RunConfig,
    strategy: tf.distribute.Strategy,
    model: keras.Model,
    reader: Reader,
    *,
    crops: int = 1,
    on_predictions: eval_step.OnPredictions | None = None,
    **threshold: float,
) -> dict[str, float]:
    """Evaluate a model on the records of a reader, in a program that runs by itself.

    Args:
        config: configuration of the run.
        strategy: strategy under which the model was made.
        model: model to logits.
        reader: reader of a split, or of slices.
        crops: 1, or 5 or 10 of each image, whose probabilities are averaged.
        on_predictions: see `make_evaluate`.
        **threshold: `threshold` of a label, where images have several; the best one if left out.

    Raises:
        UserError: a record is damaged.
    """
    batch_size = strategies.dividing_batch_size(strategy, config.data.batch_size)

    def dataset(pipeline: int, pipelines: int) -> tf.data.Dataset:
        return stream.evaluation(
            reader,
            config.data.preprocessing,
            batch_size=batch_size,
            crops=crops,
            pipeline=pipeline,
            pipelines=pipelines,
        )

    evaluate = make_evaluate(config, strategy, model, on_predictions)
    with read_records.reader_errors(reader):
        return evaluate(strategies.distribute(strategy, dataset, batch_size), **threshold)


def choose_threshold(
    config: RunConfig,
    workdir: str,
    model: keras.Model,
    step: int,
    average: bool,
    *,
    given: float | None = None,
    strategy: tf.distribute.Strategy | None = None,
    note: Callable[[str], object] = logging.warning,
) -> float | None:
    """Return the threshold of a label, where images have several; None where they have one.

    If none is given it is the one that is best on the validation split of the run: that which the
    run has logged of a checkpoint, or else the split is evaluated.

    Args:
        config: configuration of the run.
        workdir: the run directory.
        model: model with the weights of the checkpoint.
        step: step of the checkpoint.
        average: whether these are the average.
        given: threshold that the user gives.
        strategy: strategy under which the model was made; None for no other than TensorFlow's.
        note: function that is called with a line, where there is no validation split.

    Raises:
        UserError: the dataset of the run is to be evaluated, and cannot be read.
    """
    if given is not None or not config.dataset.multi_label:
        return given
    split = config.training.validation_split
    if split is None:
        note(
            f"{workdir} has no validation split to choose the threshold of a label by: it is "
            f"{multi_label.DEFAULT_THRESHOLD}"
        )
        return multi_label.DEFAULT_THRESHOLD
    if average == config.optimization.keeps_average:  # these are the weights that it evaluates
        for row in run_dir.read_metrics(workdir):
            if (row["step"], row["split"]) == (step, split) and "threshold" in row:
                return row["threshold"]
    try:
        files.check(config.data.data_dir, "data_dir")
        card = dataset_dir.read_card(config.data.data_dir)
        skips = config.data.on_bad_record == "skip"
        reader = Reader(config.data.data_dir, card, split, skips)
    except UserError as error:
        raise UserError(
            f"{split}, which chooses the threshold of a label, cannot be read ({error}); put it "
            "there, or say `threshold`"
        ) from None
    strategy = strategy or tf.distribute.get_strategy()
    return evaluate_reader(config, strategy, model, reader)["threshold"]
