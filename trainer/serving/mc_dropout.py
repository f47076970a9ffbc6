"""Monte-Carlo dropout: a network that goes on dropping says each time something else, and the less
it has learned of an image, the more (Gal and Ghahramani, Dropout as a Bayesian Approximation, ICML
2016)."""

import keras
import numpy as np
import tensorflow as tf

from headrace.errors import UserError
from input.preprocessing.spec import Preprocessing
from models import registry
from models.layers import dropout
from trainer.serving.classifier import activation, decoder_errors, to_pixels


class DropoutSampler:
    """Classifies image files by several predictions with dropout.

    What it says of a file hangs on that and the seed, and not on other files.
    """

    def __init__(
        self,
        network: keras.Model,
        preprocessing: Preprocessing,
        *,
        model: str,
        samples: int,
        seed: int,
        is_binary: bool = False,
    ) -> None:
        """Switch on a network's dropout, for good.

        Args:
            network: from uint8 `[batch, rows, columns, channels]` to logits `[batch, classes]`; not
                called in a `tf.function` before.
            preprocessing: how an image becomes its input.
            model: name of the model that the network is.
            samples: predictions for a file, 2 or more.
            seed: what is dropped in them.
            is_binary: see `classifier.activation`.

        Raises:
            UserError: the network has no dropout.
        """
        if not dropout.sample(network):
            raise UserError(f"`mc_samples`={samples}: {_without_dropout(model)}")
        self._network, self._preprocessing = network, preprocessing
        self._samples, self._seed = samples, seed
        probabilities = activation(is_binary)
        self._predict = tf.function(lambda pixels: probabilities(network(pixels, training=False)))

    def classify_file(self, file: str, encoded: bytes) -> tuple[np.ndarray, np.ndarray]:
        """Classify an image file.

        Args:
            file: path of the file, for the error.
            encoded: bytes of the file.

        Returns:
            The mean probability of each class, and the standard deviation of the probability over
            the samples (of the population that these are drawn from), float64 `[classes]` each.

        Raises:
            UserError: it is no image that the model's decoder reads.
        """
        with decoder_errors(file):
            pixels = to_pixels(tf.constant(encoded), self._network, self._preprocessing)
        dropout.reseed(self._network, self._seed)
        rounds = [self._predict(pixels[None])[0] for _ in range(self._samples)]
        probabilities = np.asarray(rounds, np.float64)
        return probabilities.mean(0), probabilities.std(0, ddof=1)


def _without_dropout(name: str) -> str:
    """Say of a model that was built without dropout what to do."""
    rates = [option for option in registry.options(name) if option.endswith("dropout")]
    remedy = (
        f"train it with --model_options={rates[-1]}=0.5"
        if rates
        else "train a model that has some, such as mini_vgg"
    )
    return f"{name} has no dropout, so that all samples would be the same; {remedy}"
