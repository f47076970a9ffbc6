"""Says what is on images: label and probability per file.

    python -m trainer.predict --workdir=RUN image.jpg another.png

Prints a line per file: the file, its label, the probability, separated by tabs.
"""

from absl import flags

from headrace import files, program, stdio
from headrace.errors import UserError, check
from headrace.tensorflow_import import import_tensorflow
from trainer.config import trained_model
from trainer.distribution import devices

FLAGS = flags.FLAGS

trained_model.define()


def main(*files: str) -> None:
    """Run the program."""
    check(files, "no image given: name one or more files")
    config, average = trained_model.parse()
    encoded = [_read(file) for file in files]
    import_tensorflow()
    devices.configure()
    from trainer.checkpoints import restore  # with TensorFlow, takes seconds
    from trainer.serving.classifier import Classifier, classify_file

    network, _ = restore.load_model(config, FLAGS.workdir, FLAGS.checkpoint, average)
    classifier = Classifier(network, config.data.preprocessing, config.dataset.classes)
    for file, image in zip(files, encoded, strict=True):
        label, probability = classify_file(classifier, file, image)
        print(f"{file}\t{label}\t{probability:.4f}")


def _read(file: str) -> bytes:
    try:
        return files.read(file)
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror}); check the path") from None


if __name__ == "__main__":
    program.run(main, decodes_images=True)
