"""What is done to training images: a value per augmentation, presets, and what fits together.

    Augmentation(pad=4, horizontal_flip=True)
    dataclasses.replace(PRESETS["tiny_imagenet"], rotation=10.0)

`augment_batch` does it. No TensorFlow is imported here.
"""

import dataclasses
import math

from headrace.errors import UsageError
from input.preprocessing.spec import Preprocessing

CROPS = ("none", "random", "resized")
FILLS = ("nearest", "reflect", "constant")
POLICIES = ("none", "rand", "trivial", "auto_cifar10")


def _value(default, text: str):
    return dataclasses.field(default=default, metadata={"help": text})


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """What is done to training images; the defaults do nothing."""

    crop: str = _value(
        "none",
        "Train on random parts of images: random, a part of the size of the model's input (see "
        "--resize_to), or resized, of any area and shape, brought to that size.",
    )
    crop_area: float = _value(0.08, "Smallest part of an image's area that a resized crop keeps.")
    pad: int = _value(0, "Pad by so many pixels, mirrored or constant, and crop at random.")
    rotation: float = _value(0.0, "Rotate by at most so many degrees, either way.")
    width_shift: float = _value(0.0, "Shift by at most this fraction of the width, either way.")
    height_shift: float = _value(0.0, "Shift by at most this fraction of the height, either way.")
    shear: float = _value(0.0, "Shear by at most so many radians, either way.")
    zoom: float = _value(0.0, "Scale rows and columns, apart, by factors within 1 ± this.")
    horizontal_flip: bool = _value(False, "Mirror half of the images left and right.")
    vertical_flip: bool = _value(False, "Mirror half of the images top and bottom.")
    fill: str = _value("nearest", f"What lies beyond the border: {', '.join(FILLS)} (black).")
    brightness: float = _value(0.0, "Brightness factor within 1 ± this.")
    contrast: float = _value(0.0, "Contrast factor within 1 ± this.")
    saturation: float = _value(0.0, "Saturation factor within 1 ± this.")
    hue: float = _value(0.0, "Turn the colour circle by at most this part, either way; to 0.5.")
    policy: str = _value("none", f"A published policy: {', '.join(POLICIES)}.")
    cutout: int = _value(0, "Grey out a square of so many pixels a side.")
    erasing: float = _value(0.0, "Chance that a rectangle of an image is replaced by noise.")
    mixup: float = _value(0.0, "Alpha of mixup; 0 for none.")
    cutmix: float = _value(0.0, "Alpha of CutMix; 0 for none.")

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
        UsageError: one is out of its range, or two exclude each other; the flag is named.
    """
    for name, low, high in (
        ("crop_area", 0, 1),
        ("rotation", 0, 180),
        ("width_shift", 0, 1),
        ("height_shift", 0, 1),
        ("shear", 0, 1.5),
        ("zoom", 0, 0.99),
        ("hue", 0, 0.5),
        ("erasing", 0, 1),
    ):
        value = getattr(augmentation, name)
        if not low <= value <= high:
            raise UsageError(f"--{name}={value}: expected {low} to {high}")
    for name in ("pad", "brightness", "contrast", "saturation", "cutout", "mixup", "cutmix"):
        value = getattr(augmentation, name)
        if not 0 <= value < math.inf:
            raise UsageError(f"--{name}={value}: expected 0 or more")
    if augmentation.mixup and augmentation.cutmix:
        raise UsageError("--mixup and --cutmix exclude each other; give one of them")
    if (augmentation.mixup or augmentation.cutmix) and per_lane < 2:
        raise UsageError(
            "--mixup and --cutmix mix images of one lane: give two or more to each, by a larger "
            "--batch_size or fewer --lanes"
        )
    for name, names in (("crop", CROPS), ("fill", FILLS), ("policy", POLICIES)):
        if (value := getattr(augmentation, name)) not in names:
            raise UsageError(f"--{name}={value}: expected one of {', '.join(names)}")
    if augmentation.crop == "random" and not preprocessing.crops:
        raise UsageError(
            "--crop=random cuts the model's input from a larger image: give --resize_to=ROWS,"
            f"COLUMNS, more than {preprocessing.size[0]},{preprocessing.size[1]}, or take "
            "--crop=resized"
        )
    if augmentation.pad >= min(preprocessing.size):
        raise UsageError(
            f"--pad={augmentation.pad}: expected less than the image's shorter side, "
            f"{min(preprocessing.size)}"
        )
