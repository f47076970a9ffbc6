"""Evaluates a trained model on a split: rank-1, rank-5, per class, confusion.

    python -m trainer.evaluate --workdir=RUN --split=test

Every image of the split counts exactly once. Prints a table, of many classes the worst, and writes
RUN/evaluation-SPLIT.json with all numbers and the confusion matrix (rows true, columns predicted).

Where images have several labels, these are the classes of at least the --threshold, which is chosen
on the validation split; the table then has F1 and average precision, and there is no such matrix.
"""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from absl import flags

from headrace import config_flags, files, program
from headrace.errors import UserError, check
from headrace.tensorflow_import import import_tensorflow
from input.dataset import dataset_dir, split_spec
from trainer import run_dir
from trainer.config import trained_model
from trainer.config.run import RunConfig
from trainer.distribution import devices
from trainer.evaluation import class_report, multi_label

if TYPE_CHECKING:  # with TensorFlow, takes seconds
    from input.dataset.reader import Reader

FLAGS = flags.FLAGS

# Up to so many classes the table has all of them; of more, so many of the worst.
_TABLE_ROWS, _WORST_ROWS = 100, 20
_MEAN = "mean of classes"

trained_model.define()
flags.DEFINE_string(
    "split", "test", "The split to evaluate on, or slices of splits, such as train[90%:]."
)
config_flags.define_path(
    "data_dir", None, "The dataset directory. Default: the one that the run was trained on."
)
flags.DEFINE_enum(
    "crops",
    "1",
    ["1", "5", "10"],
    "Crops of each image whose predictions are averaged: the centre, or the corners and the centre "
    "(5), and these mirrored (10). Cut from the size of --resize_to that the run was trained with.",
)


def main() -> None:
    """Run the program."""
    config, average = trained_model.parse()
    data_dir = FLAGS.data_dir or config.data.data_dir
    card = _read_card(data_dir, config)
    split_spec.parse(data_dir, card, FLAGS.split)
    check(
        FLAGS.crops == "1" or config.data.preprocessing.crops,
        f"--crops={FLAGS.crops}: the run in {FLAGS.workdir} sees whole images; more than one crop "
        "needs a run that was trained with a larger --resize_to",
    )
    import_tensorflow()
    devices.configure()
    from input.dataset.reader import Reader  # with TensorFlow, takes seconds

    reader = Reader(data_dir, card, FLAGS.split, skips=config.data.on_bad_record == "skip")
    result = evaluate(
        FLAGS.workdir,
        config,
        reader,
        FLAGS.checkpoint,
        int(FLAGS.crops),
        average,
        FLAGS.threshold,
    )
    path = f"{FLAGS.workdir}/evaluation-{FLAGS.split}.json"
    run_dir.write_atomic(path, (json.dumps(result, indent=2) + "\n").encode())
    _print_table(result, path)


def evaluate(
    workdir: str,
    config: RunConfig,
    reader: "Reader",
    checkpoint: str,
    crops: int = 1,
    average: bool = False,
    threshold: float | None = None,
) -> dict[str, Any]:
    """Evaluate a checkpoint of a run on the records of a reader.

    Args:
        workdir: the run directory.
        config: configuration of the run.
        reader: reader of the split, or of slices.
        checkpoint: `latest`, `best` or `auto`.
        crops: 1, or 5 or 10 of each image, whose probabilities are averaged.
        average: whether to take the moving average of the weights.
        threshold: least probability of a label, where images have several; None for the best one of
            the validation split.

    Returns:
        `split`, `checkpoint`, `weights` (`raw` or `ema`), `step`, `crops`, the numbers of
        `eval_step.NUMBERS`, and what `class_report.make` gives, or `multi_label.report`.

    Raises:
        UserError: there is no such checkpoint, or a record is damaged.
    """
    from trainer.checkpoints import restore
    from trainer.distribution import strategies
    from trainer.evaluation import run_evaluation

    checkpoint = run_dir.resolve_checkpoint(workdir, checkpoint)
    strategy = strategies.create_for_one_process(config.distribution.strategy)
    with strategy.scope():
        model, step = restore.load_model(config, workdir, checkpoint, average)
    threshold = run_evaluation.choose_threshold(
        config, workdir, model, step, average, given=threshold, strategy=strategy
    )
    options: dict[str, Any] = {} if threshold is None else {"threshold": threshold}
    labels, predictions = [], []

    def collect(true: np.ndarray, predicted: np.ndarray) -> None:
        labels.append(true)
        predictions.append(predicted)

    metrics = run_evaluation.evaluate_reader(
        config, strategy, model, reader, crops=crops, on_predictions=collect, **options
    )
    outcome = reader.card.classes, np.concatenate(labels), np.concatenate(predictions)
    return {
        "split": reader.split,
        "checkpoint": checkpoint,
        "weights": "ema" if average else "raw",
        "step": step,
        "crops": crops,
        **metrics,
        **(multi_label.report(*outcome, **options) if options else class_report.make(*outcome)),
    }


def _read_card(data_dir: str, config: RunConfig) -> dataset_dir.Card:
    files.check(data_dir, "data_dir")
    card = dataset_dir.read_card(data_dir)
    of_the_run = f"the run in {FLAGS.workdir} was trained on; name its own dataset with --data_dir"
    if card.classes != config.dataset.classes:
        raise UserError(f"{data_dir} has other classes than {of_the_run}")
    if card.multi_label != config.dataset.multi_label:
        several = "several labels" if card.multi_label else "one label"
        raise UserError(f"{data_dir} has images of {several}, other than {of_the_run}")
    return card


def _print_table(result: dict[str, Any], path: str) -> None:
    several = "map" in result
    rows: list[dict[str, Any]] = result["per_class"]
    least = "average precision" if several else "recall"
    worst: Any = multi_label.worst if several else class_report.worst
    shown = rows if len(rows) <= _TABLE_ROWS else worst(rows, _WORST_ROWS)
    if len(shown) < len(rows):
        print(f"the {len(shown)} classes of lowest {least}, of {len(rows):,}; all are in {path}")
    width = max(len(_MEAN), *(len(row["class"]) for row in shown))
    means = [result["mean_precision"], result["mean_recall"]]
    names, heads = ["precision", "recall"], ["precision", "recall"]
    if several:
        means += [result["macro_f1"], result["map"]]
        names, heads = [*names, "f1", "average_precision"], [*heads, "    F1", "    AP"]
    print(f"{'class':<{width}}  {'  '.join(heads)}  images")
    for row in shown:
        numbers = _columns([row[name] for name in names])
        print(f"{row['class']:<{width}}  {numbers}  {row['records']:>6,}")
    print(f"{_MEAN:<{width}}  {_columns(means)}")
    labels = f"  mAP {result['map']:.4f}  F1 {result['f1']:.4f}" if several else ""
    threshold = f", labels from {result['threshold']:.4g} on" if several else ""
    print(
        f"{result['split']}: rank-1 {result['rank1']:.4f}  rank-5 {result['rank5']:.4f}  "
        f"loss {result['loss']:.4f}{labels}  ({result['records']:,} images, step "
        f"{result['step']:,}{threshold})"
    )


def _columns(numbers: Sequence[float | None]) -> str:
    return "  ".join(
        f"{'–' if number is None else format(number, '.4f'):>{9 if place == 0 else 6}}"
        for place, number in enumerate(numbers)
    )


if __name__ == "__main__":
    program.run(main, decodes_images=True)
