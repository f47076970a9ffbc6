"""The served model beside the network that it holds."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from headrace.errors import UserError
from input.loading import decode
from input.preprocessing import resize
from input.preprocessing.spec import Preprocessing
from tests.trainer.serving.classifiers import CLASSES, encoded_images, small_classifier
from trainer.serving import saved_model
from trainer.serving.classifier import Classifier, classify_file, label_indices


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
        probabilities = classify_file(classifier, "a.png", image)
        np.testing.assert_allclose(probabilities, result["probabilities"][number], rtol=1e-5)
        (index,) = label_indices(probabilities, None)
        assert CLASSES[index] == result["label"][number].numpy().decode()


@pytest.mark.parametrize("damage", [b"", b"no image", None])
def test_a_file_that_is_no_image_is_named(damage):
    encoded = encoded_images()[0][:40] if damage is None else damage
    with pytest.raises(UserError, match=r"^b/c\.png is no sound JPEG, PNG, GIF or BMP image"):
        classify_file(small_classifier(), "b/c.png", encoded)


def unsure_classifier(**options) -> Classifier:
    """A classifier that is sure of nothing, by sigmoids."""
    layers = [keras.layers.Rescaling(1 / 255), keras.layers.Flatten(), keras.layers.Dense(3)]
    network = keras.Sequential([keras.Input((8, 6, 3), dtype="uint8"), *layers])
    kernel = np.random.default_rng(5).normal(scale=0.5, size=(8 * 6 * 3, 3))
    network.set_weights([kernel, np.zeros(3)])
    return Classifier(network, Preprocessing((8, 6)), CLASSES, is_binary=True, **options)


def test_labels_are_the_classes_that_reach_the_threshold_the_most_probable_first(tmp_path):
    classifier, images = unsure_classifier(), tf.constant(encoded_images())
    plain = classifier.classify(images)
    probabilities = plain["probabilities"].numpy()
    assert "labels" not in plain
    threshold = float(np.sort(probabilities.ravel())[5])
    path = saved_model.write(unsure_classifier(threshold=threshold), str(tmp_path))
    result = tf.saved_model.load(path).signatures["serving_default"](image=images)
    np.testing.assert_array_equal(result["probabilities"], probabilities)
    np.testing.assert_array_equal(result["probability"], probabilities.max(1))
    expected = []
    for row in probabilities:
        present = sorted(np.flatnonzero(row >= threshold), key=lambda index: -row[index])
        assert label_indices(row, threshold) == present
        expected.append("|".join(CLASSES[index] for index in present))
    assert [text.decode() for text in result["labels"].numpy()] == expected
    assert len(set(map(len, expected))) > 1


def test_an_image_may_have_no_label():
    classifier = unsure_classifier(threshold=1.0)
    result = classifier.classify(tf.constant(encoded_images()[:1]))
    assert result["labels"].numpy().tolist() == [b""]
    assert label_indices(np.array([0.25, 0.5], "f4"), 0.75) == []
