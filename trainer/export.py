"""Exports a trained model as a SavedModel that takes the bytes of image files.

    python -m trainer.export --workdir=RUN

Writes RUN/export/0001, and 0002, 0003, … when exported again, as TensorFlow Serving expects. The
model loads with `tf.saved_model.load` where Headrace is not installed:

    model = tf.saved_model.load("RUN/export/0001")
    model.signatures["serving_default"](image=tf.constant([open("a.jpg", "rb").read()]))
"""

from absl import flags

from headrace import atomic, files, program
from headrace.tensorflow_import import import_tensorflow
from trainer import run_dir
from trainer.config import trained_flags
from trainer.config.run import RunConfig
from trainer.distribution import devices

FLAGS = flags.FLAGS

flags.adopt_module_key_flags(trained_flags)


def main() -> None:
    """Runs the program."""
    config, average = trained_flags.asked()
    import_tensorflow()
    devices.configure()
    print(export(FLAGS.workdir, config, FLAGS.checkpoint, average))


def export(workdir: str, config: RunConfig, which: str, average: bool = False) -> str:
    """Writes the next version below `workdir/export`; returns its path.

    Args:
        workdir: the run directory.
        config: of the run.
        which: checkpoint, `latest` or `best`.
        average: take the moving average of the weights.

    Raises:
        UserError: there is no such checkpoint, or it does not fit the run's config.
    """
    import tensorflow as tf

    from trainer import network
    from trainer.serving.classifier import Classifier

    model, _ = network.restore(config, workdir, which, average)
    classifier = Classifier(model, config)
    path = _next_version(f"{workdir}/{run_dir.EXPORT}")
    with run_dir.writing(path), atomic.atomic_dir(path, last="saved_model.pb") as staging:
        tf.saved_model.save(
            classifier, staging, signatures={"serving_default": classifier.classify}
        )
    return path


def _next_version(folder: str) -> str:
    try:
        names = files.listing(folder)[0]
    except FileNotFoundError:
        names = []
    versions = [int(name) for name in names if name.isdigit()]
    return f"{folder}/{max(versions, default=0) + 1:04d}"


if __name__ == "__main__":
    program.run(main)
