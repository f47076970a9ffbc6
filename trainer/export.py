"""Exports a trained model as a SavedModel that takes the bytes of image files.

    python -m trainer.export --workdir=RUN

Writes RUN/export/0001, and 0002, 0003, … when exported again, as TensorFlow Serving expects. The
model loads with `tf.saved_model.load` where Headrace is not installed:

    model = tf.saved_model.load("RUN/export/0001")
    model.signatures["serving_default"](image=tf.constant([open("a.jpg", "rb").read()]))

It gives `label`, `probability` and `probabilities`; where images have several labels, `labels` as
well, which are the classes of at least the --threshold, joined by "|".
"""

import os

from absl import flags

from headrace import program
from headrace.tensorflow_import import import_tensorflow
from trainer import run_dir
from trainer.config import trained_model
from trainer.distribution import devices

FLAGS = flags.FLAGS

trained_model.define()


def main() -> None:
    """Run the program."""
    config, average = trained_model.parse()
    import_tensorflow()
    devices.configure()
    from trainer.checkpoints import restore  # with TensorFlow, takes seconds
    from trainer.evaluation import run_evaluation
    from trainer.serving import saved_model
    from trainer.serving.classifier import Classifier

    network, step = restore.load_model(config, FLAGS.workdir, FLAGS.checkpoint, average)
    threshold = run_evaluation.choose_threshold(
        config, FLAGS.workdir, network, step, average, given=FLAGS.threshold
    )
    classifier = Classifier(
        network,
        config.data.preprocessing,
        config.dataset.classes,
        is_binary=config.is_binary,
        threshold=threshold,
    )
    print(saved_model.write(classifier, os.path.join(FLAGS.workdir, run_dir.EXPORT)))


if __name__ == "__main__":
    program.run(main)
