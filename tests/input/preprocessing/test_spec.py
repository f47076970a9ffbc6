"""What a model sees of an image."""

import numpy as np
import pytest
import tensorflow as tf

from headrace.errors import UsageError
from input.preprocessing import resize, spec
from input.preprocessing.spec import Preprocessing
from tests.input.augment.batches import images


def test_without_a_base_the_whole_image_is_seen():
    assert Preprocessing((8, 8)) == Preprocessing((8, 8), resize_to=(8, 8))
    assert not Preprocessing((8, 8)).crops
    assert Preprocessing((8, 8), resize_to=(8, 9)).crops


def test_the_centre_of_the_base_is_seen():
    image = tf.constant(images(1, 9, 12)[0])
    np.testing.assert_array_equal(
        resize.preprocess(image, Preprocessing((4, 6), resize_to=(9, 12))), image[2:6, 3:9]
    )


def test_an_image_is_squashed_where_that_is_asked_for():
    image = tf.constant(images(1, 9, 12)[0])
    np.testing.assert_array_equal(
        resize.preprocess(image, Preprocessing((5, 5), resize="squash")),
        resize.squash(image, (5, 5)),
    )
    assert not np.array_equal(resize.squash(image, (5, 5)), resize.cover(image, (5, 5)))


@pytest.mark.parametrize("base", [(7, 8), (8, 7)])
def test_a_base_smaller_than_the_input_is_refused(base):
    with pytest.raises(UsageError, match=r"`resize_to`=.* is smaller than the model's input, 8,8"):
        spec.check(Preprocessing((8, 8), resize_to=base))
