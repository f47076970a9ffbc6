"""Shows training images as a run sees them, and how fast the pipeline makes them; or a model; or
the learning rate over a run.

    python -m trainer.inspect --data_dir=DATA --augment=cifar10
    python -m trainer.inspect --workdir=RUN --step=1000
    python -m trainer.inspect --model=lenet --image_size=32,32
    python -m trainer.inspect --model=resnet --data_dir=DATA --batch_size=256 --optimizer=adam
    python -m trainer.inspect --schedule=cosine --warmup_epochs=5 --epochs=90 --data_dir=DATA

Of images it writes a picture: a grid of those that training meets from --step on, augmented, in
their order, each under its class; under a mixed image are both classes with their shares. Then it
lets the pipeline run by itself for a few seconds and prints its rate.

With --model it prints the model's layers, with their parameters and their operations for one image,
and the memory that training needs on one device for --batch_size images: weights, gradients, what
--optimizer keeps, and the activations that the forward pass keeps for the backward pass. That is
the least: the workspace of convolutions, gradients of activations, batches that wait and TensorFlow
itself are not counted. It draws the layers as a graph, for which it needs Graphviz and
`pip install 'headrace[graph]'`. With --data_dir, classes, channels and size are those of the
dataset.

With --schedule, or another flag of the learning rate, it draws the rate over all steps of such a
run (schedule.png), and prints the highest, the first and the last one.
"""

import dataclasses
import os
from collections.abc import Iterable

from absl import flags

from headrace import config_flags, files, program
from headrace.errors import UsageError, UserError, check
from headrace.tensorflow_import import import_tensorflow
from input.augment import config as augment_config
from input.dataset import dataset_dir
from input.dataset.dataset_dir import Card
from input.loading import cache_policy
from input.sampling import order
from trainer.config import data as data_config
from trainer.config import flags as training_flags
from trainer.config import planned_schedule, splits, untrained_model
from trainer.config import run as run_config
from trainer.config.run import RunConfig

FLAGS = flags.FLAGS

config_flags.define_path(
    "workdir", None, "Show what this run sees: its data and flags are taken, and no others."
)
flags.DEFINE_integer("step", 0, "The step whose batch comes first.", 0)
flags.DEFINE_integer("rows", 4, "Rows of the grid.", 1)
flags.DEFINE_integer("columns", 8, "Columns of the grid.", 1)
config_flags.define_path(
    "output", "inspect.png", "The picture: a .png, or a .jpg, which is smaller."
)
planned_schedule.define()
untrained_model.define()
training_flags.define_data()

_SCHEDULE = "schedule.png"
_FORMATS = {".png": "PNG", ".jpg": "JPEG"}
# What a model is shown by, of the flags about data; and what images alone are.
_MODEL_DATA = ("data_dir", "image_size", "batch_size")
_IMAGES = ("workdir", "step", "rows", "columns")
_CACHES = {"none": "not kept", "memory": "kept in memory", "disk": "kept on disk"}
_WARM_UP_SECONDS, _SECONDS = 1.0, 3.0


def main() -> None:
    """Run the program."""
    if FLAGS.model:
        _show_model()
    elif any(planned_schedule.given_flags()):
        _show_schedule()
    else:
        _show_images()


def _show_schedule() -> None:
    """Draw the learning rate of a run."""
    of_no_use = [*(name for name in _IMAGES if FLAGS[name].present), *untrained_model.given_flags()]
    _check_unused(of_no_use, "the flags of a learning rate")
    output = FLAGS.output if FLAGS["output"].present else _SCHEDULE
    file_format = _output_format(output)
    if FLAGS.data_dir:
        files.check(FLAGS.data_dir, "data_dir")
    config, steps_per_epoch = planned_schedule.parse(
        dataset_dir.read_card(FLAGS.data_dir) if FLAGS.data_dir else None
    )
    _check_output_folder(output)

    import_tensorflow()
    from trainer.optimization import schedules  # with TensorFlow, takes seconds
    from trainer.reporting import schedule_curve

    # Without the rate after the last step.
    rates = schedules.planned_rates(config, steps_per_epoch)[:-1]
    title = f"learning rate, {config.schedule.name}"
    _write(output, schedule_curve.draw(rates, title=title, file_format=file_format.lower()))
    print(f"{output}: the learning rate over {len(rates):,} steps")
    print(
        f"highest {rates.max():.4g} at step {rates.argmax():,}, first {rates[0]:.4g}, "
        f"last {rates[-1]:.4g}"
    )


def _show_model() -> None:
    """Print and draw a model."""
    data = [name for name in training_flags.given_data_flags() if name not in _MODEL_DATA]
    rate = planned_schedule.given_flags()
    _check_unused([*(name for name in _IMAGES if FLAGS[name].present), *data, *rate], "--model")
    file_format = _output_format(FLAGS.output)
    if FLAGS.data_dir:
        files.check(FLAGS.data_dir, "data_dir")
    config = untrained_model.parse(
        dataset_dir.read_card(FLAGS.data_dir) if FLAGS.data_dir else None
    )
    _check_output_folder(FLAGS.output)

    import_tensorflow()
    import numpy as np  # these, with TensorFlow, take seconds
    import tensorflow as tf

    from trainer import run_model
    from trainer.optimization import memory, optimizers
    from trainer.reporting import model_graph, model_summary

    try:
        model = run_model.build(config, np.zeros(config.input_shape, np.float32))
        optimizer = optimizers.build(config, model)
    except (MemoryError, tf.errors.ResourceExhaustedError):
        raise UserError(
            f"--model={config.model.name}: the memory of this machine does not hold its weights "
            f"for images of {'×'.join(map(str, config.data.image_size))}; use a smaller "
            "--image_size"
        ) from None
    batch_size, parts = config.data.batch_size, config.optimization.grad_accum_steps
    print(model_summary.describe(model))
    print(f"\nmemory to train it on {batch_size:,} images a step, at least:")
    print(memory.estimate(model, optimizer, batch_size, parts).describe())
    _write(FLAGS.output, model_graph.draw(model, file_format.lower()))
    print(f"{FLAGS.output}: the layers as a graph")


def _show_images() -> None:
    """Draw what training sees, and measure its rate."""
    _check_unused(untrained_model.given_flags(), "images; name a --model")
    check(
        FLAGS.workdir or FLAGS.data_dir,
        "say what to look at: a --model; or images, by --data_dir, or a run's --workdir",
    )
    file_format = _output_format(FLAGS.output)
    config, card = _run_config(FLAGS.workdir) if FLAGS.workdir else _flags_config()
    cache = _check_stream(config, card)
    _check_output_folder(FLAGS.output)

    import_tensorflow()
    import tensorflow as tf  # these, with TensorFlow, take seconds

    from input.loading import read_records
    from trainer.reporting import image_grid, throughput
    from trainer.reporting.progress import TrainingProgress
    from trainer.run_data import Data

    data = Data(config, card, tf.distribute.get_strategy(), TrainingProgress(0))
    with read_records.reader_errors(data.reader):
        batches = iter(data.training(FLAGS.step))
        images = image_grid.first_images(batches, card.classes, FLAGS.rows * FLAGS.columns)
        _write(FLAGS.output, image_grid.draw(images, FLAGS.columns, file_format))
        print(f"{FLAGS.output}: {len(images):,} images, as in training from step {FLAGS.step} on")
        throughput.time_batches(batches, _WARM_UP_SECONDS)
        count, seconds = throughput.time_batches(batches, _SECONDS)
    print(
        f"{count * config.data.batch_size / seconds:,.0f} images/s: {count:,} batches of "
        f"{config.data.batch_size} in {seconds:.1f} s, {os.cpu_count()} cores, decoded images "
        f"{_CACHES[cache]}"
    )


def _check_unused(names: Iterable[str], shown: str) -> None:
    unused = ", ".join(f"--{name}" for name in names)
    check(not unused, f"{unused}: of no use with {shown}")


def _flags_config() -> tuple[RunConfig, Card]:
    """Return the data of a run with these flags, and the card of its dataset."""
    files.check(FLAGS.data_dir, "data_dir")
    config, augmentation = training_flags.parse_data()
    card = dataset_dir.read_card(config.data_dir)
    config = data_config.resolve(config, card)
    augment_config.check(augmentation, config.batch_size // config.lanes, config.preprocessing)
    return RunConfig(data=config, augmentation=augmentation), card


def _run_config(workdir: str) -> tuple[RunConfig, Card]:
    """Return the config of a run, and the card of its dataset.

    Raises:
        UsageError: flags say otherwise.
        UserError: there is no such run, or its dataset is not there.
    """
    given = [f"--{name}" for name in training_flags.given_data_flags() if name != "data_dir"]
    check(
        not given,
        f"--workdir={workdir} shows what that run sees; leave {', '.join(given)} out, or --workdir",
    )
    config = run_config.read(workdir)
    data_dir = FLAGS.data_dir or config.data.data_dir
    files.check(data_dir, "data_dir")
    card = dataset_dir.read_card(data_dir)
    if card.fingerprint != config.dataset.fingerprint:
        raise UserError(
            f"{data_dir} does not hold the dataset that the run in {workdir} was trained on; "
            "name its own with --data_dir"
        )
    data = dataclasses.replace(config.data, data_dir=data_dir)
    return dataclasses.replace(config, data=data), card


def _check_stream(config: RunConfig, card: Card) -> str:
    """Make sure that there are such batches; return where their decoded images are kept."""
    records = splits.train_records(config.data.data_dir, card, config.data.train_split)
    order.check(config.data.order(records))
    cacheable = cache_policy.cacheable_preprocessing(
        card, config.data.preprocessing, config.augmentation.crop
    )
    return cache_policy.choose(config.data.cache, card, records, cacheable)


def _output_format(output: str) -> str:
    file_format = _FORMATS.get(os.path.splitext(output)[1])
    if file_format is None:
        raise UsageError(f"--output={output}: expected a name that ends in .png or .jpg")
    files.check(output, "output")
    return file_format


def _check_output_folder(output: str) -> None:
    folder = os.path.dirname(output)
    if folder and not files.is_remote(folder) and not files.exists(folder):
        raise UserError(f"--output={output}: there is no folder {folder}; make it first")


def _write(output: str, picture: bytes) -> None:
    try:
        files.write_atomic(output, picture)
    except OSError as error:
        raise UserError(
            f"--output={output} cannot be written ({error.strerror}); name another"
        ) from None


if __name__ == "__main__":
    program.run(main, decodes_images=True)
