"""Shows training images as a run sees them, and how fast the pipeline makes them.

    python -m trainer.inspect --data_dir=DATA --augment=cifar10
    python -m trainer.inspect --workdir=RUN --step=1000

Writes a picture: a grid of the images that training meets from --step on, augmented, in their
order, each under its class; under a mixed image are both classes with their shares. Then lets the
pipeline run by itself for a few seconds and prints its rate.
"""

import dataclasses
import itertools
import math
import os
import time

from absl import flags

from headrace import files, program
from headrace.errors import UserError, check
from headrace.tensorflow_import import import_tensorflow
from input.augment.config import Augmentation
from input.dataset import dataset_dir
from input.dataset.dataset_dir import Card
from input.loading import cache_policy
from input.preprocessing.spec import View
from input.sampling import order
from input.sampling.order import Order
from trainer.config import data_flags, splits
from trainer.config import run as run_config

FLAGS = flags.FLAGS

flags.DEFINE_string(
    "workdir", None, "Show what this run sees: its data and flags are taken, and no others."
)
flags.DEFINE_integer("step", 0, "The step whose batch comes first.", 0)
flags.DEFINE_integer("rows", 4, "Rows of the grid.", 1)
flags.DEFINE_integer("columns", 8, "Columns of the grid.", 1)
flags.DEFINE_string("output", "inspect.png", "The picture: a .png, or a .jpg, which is smaller.")
flags.adopt_module_key_flags(data_flags)

_FORMATS = {".png": "PNG", ".jpg": "JPEG"}
_KEPT = {"none": "not kept", "memory": "kept in memory", "disk": "kept on disk"}
_WARM_SECONDS, _SECONDS = 1.0, 3.0


@dataclasses.dataclass(frozen=True)
class _Asked:
    """The training stream to look at, in the words of `RunConfig`."""

    data_dir: str
    card: Card
    train_split: str
    order: Order
    view: View
    augmentation: Augmentation
    on_bad_record: str
    cache_policy: str
    cache_dir: str

    @property
    def kept_view(self) -> View | None:
        return cache_policy.keepable(self.card, self.view, self.augmentation.crop)

    @property
    def where(self) -> str:
        """Where decoded images are kept."""
        return cache_policy.choose(self.cache, self.card, self.order.records, self.kept_view)


def main() -> None:
    """Runs the program."""
    check(FLAGS.workdir or FLAGS.data_dir, "say what to look at: --data_dir, or a run's --workdir")
    file_format = _FORMATS.get(os.path.splitext(FLAGS.output)[1])
    check(file_format, f"--output={FLAGS.output}: expected a name that ends in .png or .jpg")
    files.check(FLAGS.output, "output")
    asked = _of_run(FLAGS.workdir) if FLAGS.workdir else _of_flags()
    order.check(asked.order)
    where = asked.where
    folder = os.path.dirname(FLAGS.output)
    if folder and not files.is_remote(folder) and not files.exists(folder):
        raise UserError(f"--output={FLAGS.output}: there is no folder {folder}; make it first")

    import_tensorflow()
    from input import stream  # with TensorFlow, take seconds
    from input.dataset.reader import Reader
    from input.loading import read_records
    from trainer.reporting import image_grid

    skips = asked.on_bad_record == "skip"
    reader = Reader(asked.data_dir, asked.card, asked.train_split, skips)
    with read_records.errors_of(reader):
        batches = iter(
            stream.training(
                reader,
                asked.order,
                asked.view,
                start_step=FLAGS.step,
                augmentation=asked.augmentation,
                kept=_kept(asked, reader, where),
            )
        )
        shown = _first(batches, FLAGS.rows * FLAGS.columns, asked)
        _write(FLAGS.output, image_grid.draw(shown, FLAGS.columns, file_format))
        print(f"{FLAGS.output}: {len(shown):,} images, as in training from step {FLAGS.step} on")
        print(f"{_rate(batches, asked.order.batch_size)}, decoded images {_KEPT[where]}")


def _of_flags() -> _Asked:
    """What training with these flags would see."""
    data_dir, train = FLAGS.data_dir, FLAGS.train_split
    files.check(data_dir, "data_dir")
    card, seen = data_flags.asked_data()
    return _Asked(
        data_dir,
        card,
        train,
        data_flags.asked_order(card, splits.train_records(data_dir, card, train)),
        seen,
        data_flags.asked_augmentation(seen),
        FLAGS.on_bad_record,
        FLAGS.cache,
        FLAGS.cache_dir,
    )


def _of_run(workdir: str) -> _Asked:
    """What a run sees.

    Raises:
        UsageError: flags say otherwise.
        UserError: there is no such run, or its dataset is not there.
    """
    of_data = FLAGS.get_flags_for_module(data_flags)
    given = [f"--{flag.name}" for flag in of_data if flag.present and flag.name != "data_dir"]
    check(
        not given,
        f"--workdir={workdir} shows what that run sees; leave {', '.join(given)} out, or --workdir",
    )
    config = run_config.read(workdir)
    data_dir, train = FLAGS.data_dir or config.data_dir, config.train_split
    files.check(data_dir, "data_dir")
    card = dataset_dir.read_card(data_dir)
    if card.fingerprint != config.dataset_fingerprint:
        raise UserError(
            f"{data_dir} does not hold the dataset that the run in {workdir} was trained on; "
            "name its own with --data_dir"
        )
    return _Asked(
        data_dir,
        card,
        train,
        config.order(splits.train_records(data_dir, card, train)),
        config.view,
        Augmentation(**config.augmentation),
        config.on_bad_record,
        config.cache,
        config.cache_dir,
    )


def _kept(asked: _Asked, reader, where: str):
    from input.loading.decoded_cache import keep

    if where == "none":
        return None
    print(f"decoding {asked.train_split} to keep it ({where}): {len(reader):,} images")
    return keep(reader, asked.kept_view, where, asked.cache_dir)


def _first(batches, count: int, asked: _Asked) -> list:
    """The first images of a stream, with what is to be written under each; see `grid`."""
    from trainer.reporting import image_grid

    steps = math.ceil(count / asked.order.batch_size)
    taken = (
        image_grid.labelled(batch, asked.card.classes) for batch in itertools.islice(batches, steps)
    )
    return list(itertools.chain.from_iterable(taken))[:count]


def _rate(batches, batch_size: int) -> str:
    """Lets a stream run, first to get warm, and says how fast it was."""
    _run_for(batches, _WARM_SECONDS)
    count, seconds = _run_for(batches, _SECONDS)
    return (
        f"{count * batch_size / seconds:,.0f} images/s: {count:,} batches of {batch_size} in "
        f"{seconds:.1f} s, {os.cpu_count()} cores"
    )


def _run_for(batches, seconds: float) -> tuple[int, float]:
    """Takes batches for so long, one at least; their number, and the seconds it took."""
    started = time.perf_counter()
    for count in itertools.count(1):
        next(batches)
        if (passed := time.perf_counter() - started) >= seconds:
            return count, passed


def _write(output: str, picture: bytes) -> None:
    try:
        files.write_atomic(output, picture)
    except OSError as error:
        raise UserError(
            f"--output={output} cannot be written ({error.strerror}); name another"
        ) from None


if __name__ == "__main__":
    program.run(main, decodes_images=True)
