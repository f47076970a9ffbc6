"""Says what is on images: label and probability per file.

    python -m trainer.predict --workdir=RUN image.jpg another.png

Prints a line per file: the file, its label, the probability, separated by tabs. With
`--mc_samples=N` the probability is the mean of N predictions of a network that goes on dropping
(Gal and Ghahramani, Dropout as a Bayesian Approximation, ICML 2016), and their standard deviation
follows: how unsure the network is of the label.
"""

from absl import flags

from headrace import files, program, stdio
from headrace.errors import UserError, check
from headrace.tensorflow_import import import_tensorflow
from trainer.config import trained_model
from trainer.distribution import devices

FLAGS = flags.FLAGS

trained_model.define()
flags.DEFINE_integer(
    "mc_samples",
    0,
    "Predict so many times with dropout, and print the mean of the probability and its standard "
    "deviation; 0 to predict once, without.",
    0,
)
flags.DEFINE_integer("seed", 0, "Seed of --mc_samples: what is dropped in each.", 0)


def main(*paths: str) -> None:
    """Run the program."""
    check(paths, "no image given: name one or more files")
    samples = FLAGS.mc_samples
    check(samples != 1, "--mc_samples=1: one sample has no deviation; use 2 or more, or 0")
    config, average = trained_model.parse()
    encoded = [_read(path) for path in paths]
    import_tensorflow()
    devices.configure()
    from trainer.checkpoints import restore  # with TensorFlow, takes seconds
    from trainer.serving.classifier import Classifier, classify_file
    from trainer.serving.mc_dropout import DropoutSampler

    network, _ = restore.load_model(config, FLAGS.workdir, FLAGS.checkpoint, average)
    serving = network, config.data.preprocessing, config.dataset.classes
    if samples:
        sampler = DropoutSampler(
            *serving, model=config.model.name, samples=samples, seed=FLAGS.seed
        )
    else:
        classifier = Classifier(*serving)
    for path, image in zip(paths, encoded, strict=True):
        stdio.name_image(path)
        label, *numbers = (
            sampler.classify_file(path, image)
            if samples
            else classify_file(classifier, path, image)
        )
        print(path, label, *(f"{number:.4f}" for number in numbers), sep="\t")


def _read(file: str) -> bytes:
    try:
        return files.read(file)
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror}); check the path") from None


if __name__ == "__main__":
    program.run(main, decodes_images=True)
