"""The served model: the bytes of image files in, labels and probabilities out.

Decoding and resizing are those of the input pipeline, and normalisation is a layer of the network,
so serving cannot differ from training.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence

import keras
import numpy as np
import tensorflow as tf

from headrace.errors import UserError
from input.loading import decode
from input.preprocessing import resize
from input.preprocessing.spec import Preprocessing

# Between the labels of an image.
SEPARATOR = "|"


class Classifier(tf.Module):
    """A network between the bytes of image files and labels; once saved, it needs nothing of
    Headrace."""

    def __init__(
        self,
        network: keras.Model,
        preprocessing: Preprocessing,
        classes: Sequence[str],
        *,
        is_binary: bool = False,
        threshold: float | None = None,
    ) -> None:
        """Put decoding in front of a network, and labels behind it.

        Args:
            network: from uint8 `[batch, rows, columns, channels]` to logits `[batch, classes]`.
            preprocessing: how an image becomes its input.
            classes: names of the classes, in the order of the logits.
            is_binary: see `activation`.
            threshold: least probability of a label, where images have several; None where they have
                one.
        """
        super().__init__()
        # Keras models are tracked by attribute; a plain function of it would lose its variables.
        self._network = network
        # TensorFlow's C++ loader (Serving, Java, Go) restores variables of TensorFlow alone, and
        # those of Keras 3 are wrappers: without this list it runs with none of them filled.
        self._variables = [variable.value for variable in network.variables]
        self._preprocessing = preprocessing
        self._classes = tf.constant(classes)
        self._activation, self._threshold = activation(is_binary), threshold

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image")])
    def classify(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        """Classify encoded images.

        Args:
            image: string `[batch]`, each the bytes of a JPEG, PNG, GIF or BMP file.

        Returns:
            `label`: string `[batch]`, the most probable class; `probability`: float32 `[batch]`,
            its probability; `probabilities`: float32 `[batch, classes]`, in the order of the
            dataset card's classes. Where images have several labels, `labels` as well: string
            `[batch]`, the classes that reach the threshold, joined by `|`, the most probable first.
        """
        spec = tf.TensorSpec(self._network.input_shape[1:], tf.uint8)
        pixels = tf.map_fn(self._pixels, image, fn_output_signature=spec)
        probabilities = self._activation(self._network(pixels, training=False))
        labels = {} if self._threshold is None else {"labels": self._labels(probabilities)}
        return {
            "label": tf.gather(self._classes, tf.argmax(probabilities, axis=1)),
            "probability": tf.reduce_max(probabilities, axis=1),
            "probabilities": probabilities,
            **labels,
        }

    def _labels(self, probabilities: tf.Tensor) -> tf.Tensor:
        order = tf.argsort(probabilities, direction="DESCENDING", stable=True)
        is_label = tf.gather(probabilities, order, batch_dims=1) >= self._threshold
        names = tf.ragged.boolean_mask(tf.gather(self._classes, order), is_label)
        return tf.strings.reduce_join(names, axis=1, separator=SEPARATOR)

    def _pixels(self, encoded: tf.Tensor) -> tf.Tensor:
        return to_pixels(encoded, self._network, self._preprocessing)


def activation(is_binary: bool) -> Callable[[tf.Tensor], tf.Tensor]:
    """Return the function of logits to probabilities: sigmoids of a network that was trained to say
    of each class by itself whether it is there, or else their softmax."""
    return tf.sigmoid if is_binary else tf.nn.softmax


def label_indices(probabilities: np.ndarray, threshold: float | None) -> list[int]:
    """Return the classes that an image is taken for.

    Args:
        probabilities: probabilities of the classes, `[classes]`.
        threshold: least probability of a label, where there may be several or none: the most
            probable comes first. None for the most probable class alone.
    """
    if threshold is None:
        return [int(probabilities.argmax())]
    order = np.argsort(-probabilities, kind="stable").tolist()
    return [index for index in order if probabilities[index] >= np.float32(threshold)]


def to_pixels(encoded: tf.Tensor, network: keras.Model, preprocessing: Preprocessing) -> tf.Tensor:
    """Return the bytes of an image file as a network takes them: uint8
    `[rows, columns, channels]`."""
    return resize.preprocess(decode.decode(encoded, network.input_shape[-1]), preprocessing)


def classify_file(classifier: Classifier, file: str, encoded: bytes) -> np.ndarray:
    """Return the probability of each class for an image file, float32 `[classes]`.

    Args:
        classifier: the model.
        file: path of the file, for the error.
        encoded: bytes of the file.

    Raises:
        UserError: it is no image that the model's decoder reads.
    """
    with decoder_errors(file):
        return classifier.classify(tf.constant([encoded]))["probabilities"][0].numpy()


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
