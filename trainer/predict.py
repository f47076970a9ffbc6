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


def main(*paths: str) -> None:
    """Run the program."""
    check(paths, "no image given: name one or more files")
    config, average = trained_model.parse()
    encoded = [_read(path) for path in paths]
    import_tensorflow()
    devices.configure()
    from trainer.checkpoints import restore  # with TensorFlow, takes seconds
    from trainer.serving.classifier import Classifier, classify_file

    network, _ = restore.load_model(config, FLAGS.workdir, FLAGS.checkpoint, average)
    classifier = Classifier(network, config.data.preprocessing, config.dataset.classes)
    for path, image in zip(paths, encoded, strict=True):
        stdio.name_image(path)
        label, probability = classify_file(classifier, path, image)
        print(f"{path}\t{label}\t{probability:.4f}")


def _read(file: str) -> bytes:
    try:
        return files.read(file)
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror}); check the path") from None


if __name__ == "__main__":
    program.run(main, decodes_images=True)
