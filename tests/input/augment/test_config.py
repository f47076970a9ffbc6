"""All augmentations at once: the same batch through any number of pipelines, and flags that fit."""

import dataclasses
import itertools

import numpy as np
import pytest

from headrace.errors import UsageError
from input import stream
from input.augment import config
from input.augment.config import PRESETS, Augmentation
from input.dataset import dataset_dir
from input.dataset.reader import Reader
from input.preprocessing.spec import Preprocessing
from input.sampling.order import Order

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


@pytest.mark.parametrize("name", PRESETS)
def test_presets_make_sense(name):
    config.check(PRESETS[name], 2, Preprocessing((32, 32)))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (Augmentation(rotation=200), "`rotation`=200: expected 0 to 180"),
        (Augmentation(zoom=1.0), "`zoom`=1.0"),
        (Augmentation(mixup=1, cutmix=1), "`mixup` and `cutmix` exclude"),
        (Augmentation(crop_area=float("nan")), "`crop_area`=nan: expected 0 to 1"),
        (Augmentation(pad=-1), "`pad`=-1: expected 0 or more"),
        (Augmentation(brightness=-0.5), "`brightness`=-0.5: expected 0 or more"),
        (Augmentation(contrast=float("nan")), "`contrast`=nan: expected 0 or more"),
        (Augmentation(saturation=float("inf")), "`saturation`=inf: expected 0 or more"),
        (Augmentation(cutout=-3), "`cutout`=-3: expected 0 or more"),
        (Augmentation(mixup=-1.0), "`mixup`=-1.0: expected 0 or more"),
        (Augmentation(cutmix=-1.0), "`cutmix`=-1.0: expected 0 or more"),
        (Augmentation(fill="black"), "`fill`=black: expected one of nearest, reflect"),
        (Augmentation(policy="best"), "`policy`=best: expected one of none, rand"),
    ],
)
def test_values_that_make_no_sense_are_refused(asked, said):
    with pytest.raises(UsageError, match=said):
        config.check(asked, 2, Preprocessing((32, 32)))


def test_mixing_needs_two_images_of_a_lane():
    config.check(Augmentation(rotation=5), 1, Preprocessing((8, 8)))
    with pytest.raises(UsageError, match="a larger `batch_size` or fewer `lanes`"):
        config.check(Augmentation(cutmix=1), 1, Preprocessing((8, 8)))


def test_a_random_crop_needs_an_image_larger_than_the_crop():
    config.check(Augmentation(crop="random"), 2, Preprocessing((8, 8), resize_to=(9, 8)))
    with pytest.raises(UsageError, match="`resize_to`=ROWS,COLUMNS, more than 8,8"):
        config.check(Augmentation(crop="random"), 2, Preprocessing((8, 8)))


def test_a_border_is_smaller_than_the_image():
    with pytest.raises(UsageError, match=r"`pad`=8: expected less than .* 8"):
        config.check(Augmentation(pad=8), 2, Preprocessing((8, 10)))
