"""What is done to training images: a value per augmentation, presets, and what fits together.

    Augmentation(pad=4, horizontal_flip=True)
    dataclasses.replace(PRESETS["tiny_imagenet"], rotation=10.0)

`augment_batch` does it. No TensorFlow is imported here.
"""

import dataclasses
from typing import Any

from headrace import config_flags
from headrace.config_flags import option
from headrace.errors import UsageError
from input.preprocessing.spec import Preprocessing

CROPS = ("none", "random", "resized")
FILLS = ("nearest", "reflect", "constant")
POLICIES = ("none", "rand", "trivial", "auto_cifar10")


def _fraction(default: float, text: str, maximum: float = 1) -> Any:
    return option(default, text, minimum=0, maximum=maximum, on_resume="same")


def _amount(default: float, text: str) -> Any:
    return option(default, text, minimum=0, on_resume="same")


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """What is done to training images; the defaults do nothing."""

    crop: str = option(
        "none",
        "Train on random parts of images: random, a part of the size of the model's input (see "
        "`resize_to`), or resized, of any area and shape, brought to that size.",
        choices=CROPS,
        on_resume="same",
    )
    crop_area: float = _fraction(
        0.08, "Smallest part of an image's area that a resized crop keeps."
    )
    pad: int = _amount(0, "Pad by so many pixels, mirrored or constant, and crop at random.")
    rotation: float = _fraction(0.0, "Rotate by at most so many degrees, either way.", 180)
    width_shift: float = _fraction(0.0, "Shift by at most this fraction of the width, either way.")
    height_shift: float = _fraction(
        0.0, "Shift by at most this fraction of the height, either way."
    )
    shear: float = _fraction(0.0, "Shear by at most so many radians, either way.", 1.5)
    zoom: float = _fraction(0.0, "Scale rows and columns, apart, by factors within 1 ± this.", 0.99)
    horizontal_flip: bool = option(
        False, "Mirror half of the images left and right.", on_resume="same"
    )
    vertical_flip: bool = option(
        False, "Mirror half of the images top and bottom.", on_resume="same"
    )
    fill: str = option(
        "nearest",
        "What lies beyond the border; constant is black.",
        choices=FILLS,
        on_resume="same",
    )
    brightness: float = _amount(0.0, "Brightness factor within 1 ± this.")
    contrast: float = _amount(0.0, "Contrast factor within 1 ± this.")
    saturation: float = _amount(0.0, "Saturation factor within 1 ± this.")
    hue: float = _fraction(
        0.0, "Turn the colour circle by at most this part, either way; to 0.5.", 0.5
    )
    policy: str = option("none", "A published policy.", choices=POLICIES, on_resume="same")
    cutout: int = _amount(0, "Grey out a square of so many pixels a side.")
    erasing: float = _fraction(0.0, "Chance that a rectangle of an image is replaced by noise.")
    mixup: float = _amount(0.0, "Alpha of mixup; 0 for none.")
    cutmix: float = _amount(0.0, "Alpha of CutMix; 0 for none.")

    @property
    def flips_first(self) -> bool:
        """Whether images are flipped left to right, and nothing comes before that but the crop."""
        warps = self.rotation or self.width_shift or self.height_shift or self.shear or self.zoom
        return self.horizontal_flip and not (self.pad or warps)


# Rosebrock's experiments, by their data (Deep Learning for Computer Vision with Python,
# Practitioner Bundle, 2017).
PRESETS = {
    "none": Augmentation(),
    "flowers17": Augmentation(
        rotation=30, width_shift=0.1, height_shift=0.1, shear=0.2, zoom=0.2, horizontal_flip=True
    ),
    "cifar10_minivggnet": Augmentation(
        rotation=10, width_shift=0.1, height_shift=0.1, horizontal_flip=True
    ),
    "dogs_vs_cats": Augmentation(
        rotation=20, width_shift=0.2, height_shift=0.2, shear=0.15, zoom=0.15, horizontal_flip=True
    ),
    "cifar10": Augmentation(width_shift=0.1, height_shift=0.1, horizontal_flip=True),
    "tiny_imagenet": Augmentation(
        rotation=18, width_shift=0.2, height_shift=0.2, shear=0.15, zoom=0.15, horizontal_flip=True
    ),
}


def check(augmentation: Augmentation, per_lane: int, preprocessing: Preprocessing) -> None:
    """Make sure that the values make sense together.

    Args:
        augmentation: values of all augmentations.
        per_lane: records of a batch that come from one lane.
        preprocessing: how images come to the model's size.

    Raises:
        UsageError: one is out of its range, two exclude each other, or one has no use for this
            view or batch; the field is named.
    """
    config_flags.check(augmentation)
    if augmentation.mixup and augmentation.cutmix:
        raise UsageError("`mixup` and `cutmix` exclude each other; give one of them")
    if (augmentation.mixup or augmentation.cutmix) and per_lane < 2:
        raise UsageError(
            "`mixup` and `cutmix` mix images of one lane: give two or more to each, by a larger "
            "`batch_size` or fewer `lanes`"
        )
    if augmentation.crop == "random" and not preprocessing.crops:
        raise UsageError(
            "`crop`=random cuts the model's input from a larger image: give `resize_to`=ROWS,"
            f"COLUMNS, more than {preprocessing.size[0]},{preprocessing.size[1]}, or take "
            "`crop`=resized"
        )
    if augmentation.pad >= min(preprocessing.size):
        raise UsageError(
            f"`pad`={augmentation.pad}: expected less than the image's shorter side, "
            f"{min(preprocessing.size)}"
        )
