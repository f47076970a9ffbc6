"""The served model beside the network that it holds."""

import numpy as np
import pytest
import tensorflow as tf

from headrace.errors import UserError
from input.loading import decode
from input.preprocessing import resize
from input.preprocessing.spec import Preprocessing
from tests.trainer.serving.classifiers import CLASSES, encoded_images, small_classifier
from trainer.serving.classifier import classify_file


def test_labels_and_probabilities_are_those_of_the_network():
    classifier, images = small_classifier(), encoded_images()
    result = classifier.classify(tf.constant(images))
    pixels = tf.stack(
        [resize.preprocess(decode.decode(image, 3), Preprocessing((8, 6))) for image in images]
    )
    expected = tf.nn.softmax(classifier._network(pixels, training=False)).numpy()
    np.testing.assert_allclose(result["probabilities"], expected, rtol=1e-5)
    np.testing.assert_allclose(result["probability"], expected.max(axis=1), rtol=1e-5)
    labels = [label.decode() for label in result["label"].numpy()]
    assert labels == [CLASSES[index] for index in expected.argmax(axis=1)]


def test_a_file_has_the_label_that_it_has_in_a_batch():
    classifier, images = small_classifier(), encoded_images()
    result = classifier.classify(tf.constant(images))
    for number, image in enumerate(images):
        label, probability = classify_file(classifier, "a.png", image)
        assert label == result["label"][number].numpy().decode()
        assert probability == pytest.approx(float(result["probability"][number]), rel=1e-5)


@pytest.mark.parametrize("damage", [b"", b"no image", None])
def test_a_file_that_is_no_image_is_named(damage):
    encoded = encoded_images()[0][:40] if damage is None else damage
    with pytest.raises(UserError, match=r"^b/c\.png is no sound JPEG, PNG, GIF or BMP image"):
        classify_file(small_classifier(), "b/c.png", encoded)
