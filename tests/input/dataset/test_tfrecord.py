"""Frames held against TensorFlow's own, and against damage."""

import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from input.dataset import tfrecord


@given(st.lists(st.binary(max_size=100), max_size=5))
@settings(max_examples=20)
def test_a_file_of_frames_is_a_tfrecord_file(tmp_path_factory, records):
    ours, theirs = (tmp_path_factory.mktemp("frames") / name for name in ("ours", "theirs"))
    ours.write_bytes(b"".join(map(tfrecord.frame, records)))
    with tf.io.TFRecordWriter(str(theirs)) as writer:
        for record in records:
            writer.write(record)
    assert ours.read_bytes() == theirs.read_bytes()
    assert [tfrecord.unframe(tfrecord.frame(record)) for record in records] == records


@given(st.binary(max_size=100), st.data())
def test_any_damage_to_a_frame_is_found(record, data):
    framed = bytearray(tfrecord.frame(record))
    place = data.draw(st.integers(0, len(framed) - 1))
    framed[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ValueError, match=r"its length|checksum"):
        tfrecord.unframe(bytes(framed))


@given(st.binary(min_size=1, max_size=100), st.data())
def test_a_frame_cut_short_is_found(record, data):
    framed = tfrecord.frame(record)
    with pytest.raises(ValueError, match=r"its length|checksum"):
        tfrecord.unframe(framed[: data.draw(st.integers(0, len(framed) - 1))])
