"""All augmentations on a batch, in their order: crop, warp, colour, policy, erasing, mixing."""

import tensorflow as tf

from input.augment import color, crops, erasing, mixing, policies, warp
from input.augment.config import Augmentation
from input.augment.rng import BatchRng
from input.preprocessing import resize

Batch = dict[str, tf.Tensor]


def augment_batch(
    augmentation: Augmentation, batch: Batch, rng: BatchRng, per_lane: int, size: tuple[int, int]
) -> Batch:
    """Augment a batch.

    Args:
        augmentation: what is done to the images.
        batch: `{"image": uint8 [batch, rows, columns, channels], "label": int64 [batch], …}`; the
            label is `[batch, classes]` where images have several.
        rng: random numbers of the batch.
        per_lane: records of the batch that come from one lane.
        size: rows and columns of the model's input.

    Returns:
        The batch, its images of that size; mixing adds `"other_label"`, of the label's kind, and
        `"share"`, float32 `[batch]`: the part of an image that is its own label's.
    """
    image = _crop(augmentation, batch["image"], rng, size)
    image = warp.random_warp(
        image,
        rng,
        rotation=augmentation.rotation,
        width_shift=augmentation.width_shift,
        height_shift=augmentation.height_shift,
        shear=augmentation.shear,
        zoom=augmentation.zoom,
        horizontal_flip=augmentation.horizontal_flip,
        vertical_flip=augmentation.vertical_flip,
        fill=augmentation.fill,
    )
    image = color.jitter(
        image,
        rng,
        brightness=augmentation.brightness,
        contrast=augmentation.contrast,
        saturation=augmentation.saturation,
        hue=augmentation.hue,
    )
    image = _apply_policy(augmentation.policy, image, rng, size)
    if augmentation.cutout:
        image = erasing.cutout(image, rng, augmentation.cutout, fill_value=128)
    if augmentation.erasing:
        image = erasing.random_erasing(image, rng, probability=augmentation.erasing)
    return _mix(augmentation, {**batch, "image": image}, rng, per_lane)


def _crop(
    augmentation: Augmentation, images: tf.Tensor, rng: BatchRng, size: tuple[int, int]
) -> tf.Tensor:
    if augmentation.crop == "random":
        images = crops.random_crop(images, rng, size)
    else:
        images = resize.centre(images, size)
    if not augmentation.pad:
        return images
    border = "constant" if augmentation.fill == "constant" else "reflect"
    return crops.pad_and_crop(images, rng, augmentation.pad, border)


def _apply_policy(name: str, images: tf.Tensor, rng: BatchRng, size: tuple[int, int]) -> tf.Tensor:
    if name == "rand":
        return policies.apply(images, policies.rand_augment(rng, size))
    if name == "trivial":
        return policies.apply(images, policies.trivial_augment(rng))
    if name == "auto_cifar10":
        return policies.apply(images, policies.auto_augment_cifar10(rng, size))
    return images


def _mix(augmentation: Augmentation, batch: Batch, rng: BatchRng, per_lane: int) -> Batch:
    for mix, alpha in (
        (mixing.mixup, augmentation.mixup),
        (mixing.cutmix, augmentation.cutmix),
    ):
        if alpha:
            image, _, other, share = mix(batch["image"], batch["label"], rng, per_lane, alpha)
            return {**batch, "image": image, "other_label": other, "share": share}
    return batch
