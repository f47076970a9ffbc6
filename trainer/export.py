"""Exports a trained model as a SavedModel that takes the bytes of image files.

    python -m trainer.export --workdir=RUN

Writes RUN/export/0001, and 0002, 0003, … when exported again, as TensorFlow Serving expects. The
model loads with `tf.saved_model.load` where Headrace is not installed:

    model = tf.saved_model.load("RUN/export/0001")
    model.signatures["serving_default"](image=tf.constant([open("a.jpg", "rb").read()]))
"""

from absl import flags
from etils import epath

from headrace import program
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

    from trainer.checkpoints import restore
    from trainer.serving.classifier import Classifier

    model, _ = restore.load_model(config, workdir, which, average)
    classifier = Classifier(model, config)
    path = _next_version(epath.Path(workdir) / run_dir.EXPORT)
    temporary = path.with_name(f".{path.name}.tmp")
    if temporary.exists():
        temporary.rmtree()
    tf.saved_model.save(
        classifier, str(temporary), signatures={"serving_default": classifier.classify}
    )
    temporary.rename(path)
    return str(path)


def _next_version(folder: epath.Path) -> epath.Path:
    folder.mkdir(parents=True, exist_ok=True)
    versions = [int(path.name) for path in folder.iterdir() if path.name.isdigit()]
    return folder / f"{max(versions, default=0) + 1:04d}"


if __name__ == "__main__":
    program.run(main)
