"""Says what is on images: label and probability per file.

    python -m trainer.predict --workdir=RUN image.jpg another.png

Prints a line per file: the file, its label, the probability, separated by tabs. With
`--mc_samples=N` the probability is the mean of N predictions of a network that goes on dropping
(Gal and Ghahramani, Dropout as a Bayesian Approximation, ICML 2016), and their standard deviation
follows: how unsure the network is of the label.

Where images have several labels, a line has all that reach the --threshold, joined by "|", the most
probable first, and so their numbers; it may have none.
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
    from trainer.evaluation import run_evaluation
    from trainer.serving.classifier import SEPARATOR, Classifier, classify_file, label_indices
    from trainer.serving.mc_dropout import DropoutSampler

    network, step = restore.load_model(config, FLAGS.workdir, FLAGS.checkpoint, average)
    threshold = run_evaluation.choose_threshold(
        config, FLAGS.workdir, network, step, average, given=FLAGS.threshold
    )
    classes = config.dataset.classes
    preprocessing, is_binary = config.data.preprocessing, config.is_binary
    if samples:
        sampler = DropoutSampler(
            network,
            preprocessing,
            model=config.model.name,
            samples=samples,
            seed=FLAGS.seed,
            is_binary=is_binary,
        )
    else:
        classifier = Classifier(network, preprocessing, classes, is_binary=is_binary)
    for path, image in zip(paths, encoded, strict=True):
        stdio.name_image(path)
        columns = (
            sampler.classify_file(path, image)
            if samples
            else [classify_file(classifier, path, image)]
        )
        shown = label_indices(columns[0], threshold)
        labels = SEPARATOR.join(classes[index] for index in shown)
        numbers = (SEPARATOR.join(f"{column[index]:.4f}" for index in shown) for column in columns)
        print(path, labels, *numbers, sep="\t")


def _read(file: str) -> bytes:
    try:
        return files.read(file)
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror}); check the path") from None


if __name__ == "__main__":
    program.run(main, decodes_images=True)
