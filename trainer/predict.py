"""Says what is on images: label and probability per file.

    python -m trainer.predict --workdir=RUN image.jpg another.png

Prints a line per file: the file, its label, the probability, separated by tabs.
"""

from absl import flags

from headrace import files, program, stdio
from headrace.errors import UserError, check
from headrace.tensorflow_import import import_tensorflow
from trainer.config import trained_flags
from trainer.config.run import RunConfig
from trainer.distribution import devices

FLAGS = flags.FLAGS

flags.adopt_module_key_flags(trained_flags)


def main(*paths: str) -> None:
    """Runs the program."""
    check(paths, "no image given: name one or more files")
    config, average = trained_flags.asked()
    encoded = [_read(path) for path in paths]
    import_tensorflow()
    devices.configure()
    from trainer import network  # with TensorFlow, takes seconds

    model, _ = network.restore(config, FLAGS.workdir, FLAGS.checkpoint, average)
    for file, label, probability in predict(model, config, paths, encoded):
        print(f"{file}\t{label}\t{probability:.4f}")


def predict(model, config: RunConfig, paths: tuple[str, ...], encoded: list[bytes]):
    """Classifies files one by one; yields file, label and probability.

    Raises:
        UserError: a file is no image that the model's decoder reads.
    """
    import tensorflow as tf

    from trainer.serving.classifier import Classifier

    classifier = Classifier(model, config)
    for file, data in zip(paths, encoded, strict=True):
        stdio.name_image(file)
        try:
            result = classifier.classify(tf.constant([data]))
        except tf.errors.InvalidArgumentError:
            raise UserError(
                f"{file} is no sound JPEG, PNG, GIF or BMP image; convert it or leave it out"
            ) from None
        yield file, result["label"][0].numpy().decode(), float(result["probability"][0])


def _read(file: str) -> bytes:
    try:
        return files.read(file)
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror}); check the path") from None


if __name__ == "__main__":
    program.run(main, decodes_images=True)
