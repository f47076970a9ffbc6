"""The served model: the bytes of image files in, labels and probabilities out.

Decoding and resizing are those of the input pipeline, and normalisation is a layer of the network,
so serving cannot differ from training.
"""

import keras
import tensorflow as tf

from input.loading import decode
from input.preprocessing import resize
from trainer.config.run import RunConfig


class Classifier(tf.Module):
    """What `export` writes and `predict` runs; needs nothing of Headrace once saved."""

    def __init__(self, model: keras.Model, config: RunConfig) -> None:
        super().__init__()
        # Keras models are tracked by attribute; a plain function of it would lose its variables.
        self._model = model
        # TensorFlow's C++ loader (Serving, Java, Go) restores variables of TensorFlow alone, and
        # those of Keras 3 are wrappers: without this list it runs with none of them filled.
        self._variables = [variable.value for variable in model.variables]
        self._channels = config.channels
        self._view = config.view
        self._classes = tf.constant(config.classes)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image")])
    def classify(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        """Classifies encoded images.

        Args:
            image: string `[batch]`, each the bytes of a JPEG, PNG, GIF or BMP file.

        Returns:
            `label`: string `[batch]`, the most probable class; `probability`: float32 `[batch]`,
            its probability; `probabilities`: float32 `[batch, classes]`, in the order of the
            dataset card's classes.
        """
        pixels = tf.map_fn(self._pixels, image, fn_output_signature=self._spec())
        probabilities = tf.nn.softmax(self._model(pixels, training=False))
        return {
            "label": tf.gather(self._classes, tf.argmax(probabilities, axis=1)),
            "probability": tf.reduce_max(probabilities, axis=1),
            "probabilities": probabilities,
        }

    def _pixels(self, encoded: tf.Tensor) -> tf.Tensor:
        return resize.preprocess(decode.decode(encoded, self._channels), self._view)

    def _spec(self) -> tf.TensorSpec:
        return tf.TensorSpec([*self._view.size, self._channels], tf.uint8)
