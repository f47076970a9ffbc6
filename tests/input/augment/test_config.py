"""Values of augmentations: presets that make sense, and what fits together."""

import pytest

from headrace.errors import UsageError
from input.augment import config
from input.augment.config import PRESETS, Augmentation
from input.preprocessing.spec import Preprocessing


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
