"""All augmentations at once: in their order, and the same batch through any number of pipelines."""

import dataclasses
import itertools

import numpy as np
import pytest
import tensorflow as tf

from input import stream
from input.augment import color, crops, erasing, mixing, policies, warp
from input.augment.augment_batch import augment_batch
from input.augment.config import FILLS, POLICIES, PRESETS, Augmentation
from input.dataset import dataset_dir
from input.dataset.reader import Reader
from input.preprocessing import resize
from input.preprocessing.spec import Preprocessing
from input.sampling.order import Order
from tests.input.augment.batches import batch_rng, images

EVERYTHING = Augmentation(
    crop="random",
    pad=1,
    rotation=20,
    width_shift=0.1,
    height_shift=0.1,
    shear=0.1,
    zoom=0.1,
    horizontal_flip=True,
    vertical_flip=True,
    brightness=0.2,
    contrast=0.2,
    policy="rand",
    cutout=3,
    erasing=0.5,
    mixup=0.4,
)


def batches(data, asked, pipeline=0, pipelines=1, start_step=0, count=3):
    reader = Reader(str(data), dataset_dir.read_card(str(data)), "train")
    dataset = stream.training(
        reader,
        Order(len(reader), 16, 8, seed=3),
        Preprocessing((8, 8), resize_to=(10, 11)),
        augmentation=asked,
        pipeline=pipeline,
        pipelines=pipelines,
        start_step=start_step,
    )
    return list(itertools.islice(dataset.as_numpy_iterator(), count))


@pytest.mark.parametrize(
    "asked", [EVERYTHING, dataclasses.replace(EVERYTHING, crop="resized", mixup=0, cutmix=1)]
)
def test_an_augmented_batch_is_the_same_for_any_number_of_pipelines(prepared, asked):
    whole = batches(prepared, asked)
    assert {"other_label", "share"} <= set(whole[0])
    for number, pipelines in [(1, 2), (1, 4), (0, 8), (7, 8)]:
        part = batches(prepared, asked, number, pipelines)
        for own, batch in zip(part, whole, strict=True):
            for name, value in batch.items():
                expected = np.split(value, pipelines)[number]
                np.testing.assert_array_equal(own[name], expected)


def test_a_stream_that_starts_later_augments_as_one_from_the_beginning(prepared):
    late = batches(prepared, EVERYTHING, start_step=2, count=1)[0]
    np.testing.assert_array_equal(late["image"], batches(prepared, EVERYTHING)[2]["image"])


def test_no_augmentation_changes_nothing(prepared):
    for plain, same in zip(
        batches(prepared, None), batches(prepared, PRESETS["none"]), strict=True
    ):
        np.testing.assert_array_equal(plain["image"], same["image"])


SIZE = (12, 10)


def augmented(augmentation: Augmentation, pixels: np.ndarray, size=SIZE, **more) -> dict:
    labels = tf.range(len(pixels), dtype=tf.int64)
    batch = {"image": tf.constant(pixels), "label": labels, **more}
    found = augment_batch(augmentation, batch, batch_rng(len(pixels)), per_lane=4, size=size)
    return {name: value.numpy() for name, value in found.items()}


def test_the_defaults_give_the_centre_and_what_else_the_batch_had():
    pixels, weight = images(rows=15, columns=11), tf.linspace(0.0, 1.0, 8)
    found = augmented(Augmentation(), pixels, weight=weight)
    assert set(found) == {"image", "label", "weight"}
    np.testing.assert_array_equal(found["image"], pixels[:, 1:13, :10])
    np.testing.assert_array_equal(found["label"], np.arange(8))
    np.testing.assert_array_equal(found["weight"], weight)


@pytest.mark.parametrize("policy", POLICIES)
def test_augmentations_follow_each_other_in_their_order(policy):
    """Each by the numbers that it has by itself, whatever comes before it."""
    augmentation = dataclasses.replace(EVERYTHING, policy=policy, saturation=0.3, hue=0.1)
    pixels, rng = images(rows=15, columns=14), batch_rng(8)
    image = crops.random_crop(tf.constant(pixels), rng, SIZE)
    image = crops.pad_and_crop(image, rng, 1, "reflect")
    image = warp.random_warp(
        image, rng, rotation=20, width_shift=0.1, height_shift=0.1, shear=0.1, zoom=0.1,
        horizontal_flip=True, vertical_flip=True, fill="nearest",
    )  # fmt: skip
    image = color.jitter(image, rng, brightness=0.2, contrast=0.2, saturation=0.3, hue=0.1)
    plan = {
        "rand": lambda: policies.rand_augment(rng, SIZE),
        "trivial": lambda: policies.trivial_augment(rng),
        "auto_cifar10": lambda: policies.auto_augment_cifar10(rng, SIZE),
    }.get(policy)
    image = policies.apply(image, plan()) if plan else image
    image = erasing.random_erasing(erasing.cutout(image, rng, 3, 128), rng, probability=0.5)
    labels = tf.range(8, dtype=tf.int64)
    image, _, other, share = mixing.mixup(image, labels, rng, 4, 0.4)
    found = augmented(augmentation, pixels)
    np.testing.assert_array_equal(found["image"], image)
    np.testing.assert_array_equal(found["label"], labels)
    np.testing.assert_array_equal(found["other_label"], other)
    np.testing.assert_array_equal(found["share"], share)


@pytest.mark.parametrize("crop", ["none", "random"])
@pytest.mark.parametrize("channels", [1, 3])
def test_images_have_the_size_of_the_models_input(crop, channels):
    augmentation = dataclasses.replace(EVERYTHING, crop=crop)
    found = augmented(augmentation, images(rows=20, columns=13, channels=channels), (9, 11))
    assert (found["image"].shape, found["image"].dtype) == ((8, 9, 11, channels), np.uint8)
    assert (found["other_label"].dtype, found["share"].dtype) == (np.int64, np.float32)


@pytest.mark.parametrize("fill", FILLS)
def test_a_border_is_black_where_that_is_asked_for_and_else_mirrored(fill):
    pixels = images() // 2 + 100  # no black
    found = augmented(Augmentation(pad=4, fill=fill), pixels)["image"]
    border = "constant" if fill == "constant" else "reflect"
    np.testing.assert_array_equal(found, crops.pad_and_crop(pixels, batch_rng(8), 4, border))
    assert (found == 0).any() == (fill == "constant")


def test_cutmix_mixes_the_images_of_a_lane_and_says_how_much():
    pixels = np.broadcast_to(np.uint8(10 * np.arange(8))[:, None, None, None], (8, *SIZE, 3))
    found = augmented(Augmentation(cutmix=1.0), pixels)
    np.testing.assert_array_equal(found["other_label"], [1, 2, 3, 0, 5, 6, 7, 4])
    own = found["image"] == pixels
    np.testing.assert_allclose(found["share"], own.mean((1, 2, 3)), atol=1e-6)
    assert (found["share"] < 1).any()


def test_a_resized_crop_was_cut_before_and_only_the_centre_is_left_to_cut():
    pixels = images()
    np.testing.assert_array_equal(augmented(Augmentation(crop="resized"), pixels)["image"], pixels)
    found = augmented(Augmentation(crop="resized"), pixels, (8, 8))["image"]
    np.testing.assert_array_equal(found, resize.centre(pixels, (8, 8)))
