"""Records without TensorFlow, held against TensorFlow's own."""

import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_pipelines.output import tf_example

small = st.integers(0, 2**31)


@given(st.binary(max_size=300), small, st.tuples(small, small, small), st.text(max_size=20))
@settings(max_examples=50)
def test_a_record_is_what_tensorflow_would_have_written(image, label, shape, file_name):
    record = tf_example.serialize(image, label, shape, file_name)
    feature = tf.train.Example.FromString(record).features.feature
    assert feature["image"].bytes_list.value[:] == [image]
    assert feature["label"].int64_list.value[:] == [label]
    assert tuple(feature["shape"].int64_list.value) == shape
    assert feature["file_name"].bytes_list.value[:] == [file_name.encode()]
    assert record == tf.train.Example.FromString(record).SerializeToString(deterministic=True)
