"""Evaluates a trained model on a split: rank-1, rank-5, per class, confusion.

    python -m trainer.evaluate --workdir=RUN --split=test

Every image of the split counts exactly once. Prints a table and writes RUN/evaluation-SPLIT.json
with the same numbers and the confusion matrix (rows true, columns predicted).
"""

import json

from absl import flags

from headrace import files, program
from headrace.errors import UserError, check
from headrace.tensorflow_import import import_tensorflow
from input.dataset import dataset_dir, split_spec
from trainer import run_dir
from trainer.config import trained_flags
from trainer.config.run import RunConfig
from trainer.distribution import devices

FLAGS = flags.FLAGS

flags.adopt_module_key_flags(trained_flags)
flags.DEFINE_string(
    "split", "test", "The split to evaluate on, or slices of splits, such as train[90%:]."
)
flags.DEFINE_string(
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
    """Runs the program."""
    config, average = trained_flags.asked()
    data_dir = FLAGS.data_dir or config.data_dir
    files.check(data_dir, "data_dir")
    card = dataset_dir.read_card(data_dir)
    split_spec.parse(data_dir, card, FLAGS.split)
    if card.classes != config.classes:
        raise UserError(
            f"{data_dir} has other classes than the run in {FLAGS.workdir} was trained on; "
            "name its own dataset with --data_dir"
        )
    check(
        FLAGS.crops == "1" or config.view.crops,
        f"--crops={FLAGS.crops}: the run in {FLAGS.workdir} sees whole images; more than one crop "
        "needs a run that was trained with a larger --resize_to",
    )
    import_tensorflow()
    devices.configure()
    result = evaluate(
        FLAGS.workdir,
        config,
        data_dir,
        card,
        FLAGS.split,
        FLAGS.checkpoint,
        int(FLAGS.crops),
        average,
    )
    path = f"{FLAGS.workdir}/evaluation-{FLAGS.split}.json"
    run_dir.write_atomic(path, (json.dumps(result, indent=2) + "\n").encode())
    _print_table(result)


def evaluate(
    workdir: str,
    config: RunConfig,
    data_dir: str,
    card: dataset_dir.Card,
    split: str,
    which: str,
    crops: int = 1,
    average: bool = False,
) -> dict[str, object]:
    """Goes once over a split.

    Args:
        workdir: the run directory.
        config: of the run.
        data_dir: of the dataset whose split it is.
        card: of that dataset.
        split: to go over, or slices, see `input.dataset.split_spec`.
        which: checkpoint, `latest` or `best`.
        crops: 1, or 5 or 10 of each image, whose probabilities are averaged.
        average: take the moving average of the weights.

    Returns:
        `split`, `checkpoint`, `weights` (`raw` or `ema`), `step`, `crops`, `rank1`, `rank5`,
        `loss`, `records`; `per_class`, a list of `{"class", "records", "precision", "recall"}`;
        `confusion`, rows true, columns predicted.
    """
    import tensorflow as tf

    from input import stream
    from input.dataset.reader import Reader
    from input.loading import read_records
    from trainer import network
    from trainer.distribution import strategies
    from trainer.loop import train_step

    strategy = strategies.of_one_process(config.strategy)
    with strategy.scope():
        model, step = network.restore(config, workdir, which, average)
    reader = Reader(data_dir, card, split, skips=config.on_bad_record == "skip")
    batch_size = strategies.dividing_batch_size(strategy, config.batch_size)

    def dataset(pipeline: int, pipelines: int) -> tf.data.Dataset:
        return stream.evaluation(
            reader,
            config.view,
            batch_size=batch_size,
            crops=crops,
            pipeline=pipeline,
            pipelines=pipelines,
        )

    batches = strategies.distribute(strategy, dataset, batch_size)
    with read_records.errors_of(reader):
        result = train_step.make_evaluate(strategy, model, len(card.classes))(batches)
    confusion = result.pop("confusion")
    per_class = [
        {
            "class": name,
            "records": int(confusion[i].sum()),
            "precision": _share(confusion[i, i], confusion[:, i].sum()),
            "recall": _share(confusion[i, i], confusion[i].sum()),
        }
        for i, name in enumerate(card.classes)
    ]
    summary = {
        "split": split,
        "checkpoint": which,
        "weights": "ema" if average else "raw",
        "step": step,
        "crops": crops,
        **result,
    }
    return {**summary, "per_class": per_class, "confusion": confusion.tolist()}


def _share(part: int, whole: int) -> float:
    return float(part / whole) if whole else 0.0


def _print_table(result: dict[str, object]) -> None:
    width = max(len("class"), *(len(row["class"]) for row in result["per_class"]))
    print(f"{'class':<{width}}  precision  recall  images")
    for row in result["per_class"]:
        print(
            f"{row['class']:<{width}}  {row['precision']:>9.4f}  {row['recall']:>6.4f}  "
            f"{row['records']:>6,}"
        )
    print(
        f"{result['split']}: rank-1 {result['rank1']:.4f}  rank-5 {result['rank5']:.4f}  "
        f"loss {result['loss']:.4f}  ({result['records']:,} images, step {result['step']:,})"
    )


if __name__ == "__main__":
    program.run(main, decodes_images=True)
