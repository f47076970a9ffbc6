"""Batches of files become batches of pixels: as if each had been decoded and resized by itself."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from input.dataset import dataset_dir
from input.dataset.dataset_dir import Card
from input.loading import decode, decode_batches
from input.preprocessing import resize
from input.preprocessing.spec import Preprocessing

UNIFORM = [(8, 6)] * 12
VARIED = [(8 + number, 20 - number) for number in range(12)]


def card_of(prepared, sizes, encoding: str, channels: int) -> Card:
    rows, columns = zip(*sizes, strict=True)
    image_size = {
        name: {"min": min(lengths), "max": max(lengths)}
        for name, lengths in (("rows", rows), ("columns", columns))
    }
    card = dataset_dir.read_card(str(prepared))
    return dataclasses.replace(card, encoding=encoding, channels=channels, image_size=image_size)


def stored(image: np.ndarray, encoding: str) -> bytes:
    if encoding == "raw":
        return image.tobytes()
    if encoding == "float":
        return (image / np.float32(255)).astype("<f4").tobytes()
    return tf.io.encode_png(image).numpy()


def records(sizes, encoding: str, channels: int) -> tf.data.Dataset:
    """Records in batches of four, as `read_records` gives them; a label is the record's number."""
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (*size, channels), dtype=np.uint8) for size in sizes]
    return tf.data.Dataset.from_tensor_slices(
        {
            "image": [stored(image, encoding) for image in images],
            "label": np.arange(len(images)),
            "shape": np.array([image.shape for image in images], np.int64),
        }
    ).batch(4, drop_remainder=True)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("encoding", ["raw", "float", "png"])
@pytest.mark.parametrize("sizes", [UNIFORM, VARIED], ids=["uniform", "varied"])
@pytest.mark.parametrize(("size", "how"), [((8, 6), "cover"), ((10, 9), "squash")])
def test_pixels_are_those_of_each_image_decoded_and_resized(
    prepared, size, how, sizes, encoding, channels
):
    card = card_of(prepared, sizes, encoding, channels)
    preprocessing = Preprocessing((5, 5), resize_to=size, resize=how)
    encoded = records(sizes, encoding, channels)
    found = decode_batches.resize_batches(encoded, card, preprocessing, 4)
    assert found.element_spec["image"] == tf.TensorSpec((4, *size, channels), tf.uint8)
    one_by_one = [
        resize.resize_image(decode.pixels(record["image"], record["shape"], card), preprocessing)
        for record in encoded.unbatch()
    ]
    assert np.concatenate([batch["label"] for batch in found]).tolist() == list(range(12))
    np.testing.assert_array_equal(
        np.concatenate([batch["image"] for batch in found]), np.stack(one_by_one)
    )


def test_bare_pixels_of_the_right_size_are_decoded_a_batch_at_once(prepared, monkeypatch):
    """Record by record takes many times as long."""
    card = card_of(prepared, UNIFORM, "raw", 3)
    monkeypatch.delattr(decode_batches, "map_images")
    preprocessing = Preprocessing((5, 5), resize_to=UNIFORM[0])
    decode_batches.resize_batches(records(UNIFORM, "raw", 3), card, preprocessing, 4)


def test_a_function_of_each_record_gives_its_image_and_nothing_else_changes():
    encoded = records(UNIFORM, "raw", 1)

    def picture(record) -> tf.Tensor:
        return tf.fill([2, 3, 1], tf.cast(record["label"], tf.uint8))

    found = decode_batches.map_images(encoded, picture, 4)
    assert found.element_spec == encoded.element_spec | {
        "image": tf.TensorSpec((4, 2, 3, 1), tf.uint8)
    }
    for batch, before in zip(found, encoded, strict=True):
        labels = before["label"].numpy()
        np.testing.assert_array_equal(batch["image"][:, 0, 0, 0], labels)
        for name in ("label", "shape"):
            np.testing.assert_array_equal(batch[name], before[name])
