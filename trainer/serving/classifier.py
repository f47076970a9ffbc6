"""The served model: the bytes of image files in, labels and probabilities out.

Decoding and resizing are those of the input pipeline, and normalisation is a layer of the network,
so serving cannot differ from training.
"""

import contextlib
from collections.abc import Iterator, Sequence

import keras
import tensorflow as tf

from headrace.errors import UserError
from input.loading import decode
from input.preprocessing import resize
from input.preprocessing.spec import Preprocessing


class Classifier(tf.Module):
    """A network between the bytes of image files and labels; once saved, it needs nothing of
    Headrace."""

    def __init__(
        self, network: keras.Model, preprocessing: Preprocessing, classes: Sequence[str]
    ) -> None:
        """Put decoding in front of a network, and labels behind it.

        Args:
            network: from uint8 `[batch, rows, columns, channels]` to logits `[batch, classes]`.
            preprocessing: how an image becomes its input.
            classes: names of the classes, in the order of the logits.
        """
        super().__init__()
        # Keras models are tracked by attribute; a plain function of it would lose its variables.
        self._network = network
        # TensorFlow's C++ loader (Serving, Java, Go) restores variables of TensorFlow alone, and
        # those of Keras 3 are wrappers: without this list it runs with none of them filled.
        self._variables = [variable.value for variable in network.variables]
        self._preprocessing = preprocessing
        self._classes = tf.constant(classes)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image")])
    def classify(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        """Classify encoded images.

        Args:
            image: string `[batch]`, each the bytes of a JPEG, PNG, GIF or BMP file.

        Returns:
            `label`: string `[batch]`, the most probable class; `probability`: float32 `[batch]`,
            its probability; `probabilities`: float32 `[batch, classes]`, in the order of the
            dataset card's classes.
        """
        spec = tf.TensorSpec(self._network.input_shape[1:], tf.uint8)
        pixels = tf.map_fn(self._pixels, image, fn_output_signature=spec)
        probabilities = tf.nn.softmax(self._network(pixels, training=False))
        return {
            "label": tf.gather(self._classes, tf.argmax(probabilities, axis=1)),
            "probability": tf.reduce_max(probabilities, axis=1),
            "probabilities": probabilities,
        }

    def _pixels(self, encoded: tf.Tensor) -> tf.Tensor:
        return to_pixels(encoded, self._network, self._preprocessing)


def to_pixels(encoded: tf.Tensor, network: keras.Model, preprocessing: Preprocessing) -> tf.Tensor:
    """Return the bytes of an image file as a network takes them: uint8
    `[rows, columns, channels]`."""
    return resize.preprocess(decode.decode(encoded, network.input_shape[-1]), preprocessing)


def classify_file(classifier: Classifier, file: str, encoded: bytes) -> tuple[str, float]:
    """Return the most probable class of an image file, and its probability.

    Args:
        classifier: the model.
        file: path of the file, for the error.
        encoded: bytes of the file.

    Raises:
        UserError: it is no image that the model's decoder reads.
    """
    with decoder_errors(file):
        result = classifier.classify(tf.constant([encoded]))
    return result["label"][0].numpy().decode(), float(result["probability"][0])


@contextlib.contextmanager
def decoder_errors(file: str) -> Iterator[None]:
    """Name the file that cannot be decoded.

    Raises:
        UserError: it is no image that the decoder reads.
    """
    try:
        yield
    except tf.errors.InvalidArgumentError:
        raise UserError(
            f"{file} is no sound JPEG, PNG, GIF or BMP image; convert it or leave it out"
        ) from None
