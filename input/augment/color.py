"""Brightness, contrast, saturation and hue, changed at random.

Factors mean what torchvision's ColorJitter means by them. That clips and rounds after each of the
four; here the first three are one linear map of the colours, and pixels are clipped once, between
it and the hue, and rounded once: less is lost, and an image is read and written once.
"""

import tensorflow as tf

from input.augment.rng import BatchRng

# Of red, green and blue in grey (ITU-R 601). They add up to 1, so that grey colours stay grey.
_GREY_WEIGHTS = (0.299, 0.587, 0.114)


def jitter(
    images: tf.Tensor,
    rng: BatchRng,
    *,
    brightness: float = 0.0,
    contrast: float = 0.0,
    saturation: float = 0.0,
    hue: float = 0.0,
) -> tf.Tensor:
    """Change the colours of each image by its own rng, in the order of the arguments.

    Args:
        images: uint8 `[batch, rows, columns, channels]`, grey or RGB. Saturation and hue do
            nothing to grey ones.
        rng: of these images.
        brightness: x gives factors from [1 - x, 1 + x], not below 0; 0 leaves it as it is.
        contrast: as brightness.
        saturation: as brightness.
        hue: x gives shifts from ±x turns of the colour circle, 0 to 0.5.

    Returns:
        uint8, of the shape of `images`.
    """
    if images.shape[-1] == 1:
        saturation = hue = 0.0
    given = {"brightness": brightness, "contrast": contrast, "saturation": saturation}
    changes = {
        name: rng.uniform(f"color/{name}", low=max(0.0, 1 - x), high=1 + x)
        for name, x in given.items()
        if x
    }
    if hue:
        changes["hue"] = rng.uniform("color/hue", low=-hue, high=hue)
    if not changes:
        return images
    # One by one: so the last bit does not depend on how many images come along, and what is worked
    # on stays in the cache.
    return tf.map_fn(
        lambda each: adjust(each[0], **each[1]),
        (images, changes),
        fn_output_signature=tf.TensorSpec(images.shape[1:], tf.uint8),
    )


def adjust(
    image: tf.Tensor,
    *,
    brightness: tf.Tensor | float = 1.0,
    contrast: tf.Tensor | float = 1.0,
    saturation: tf.Tensor | float | None = None,
    hue: tf.Tensor | float | None = None,
) -> tf.Tensor:
    """Change the colours of one image.

    Args:
        image: uint8 `[rows, columns, channels]`.
        brightness: factor away from black.
        contrast: factor away from the mean grey of the image as bright as it is by then.
        saturation: factor away from each pixel's grey; only for RGB.
        hue: turns of the colour circle, from red over green to blue; only for RGB.
    """
    weights = tf.constant(_GREY_WEIGHTS if image.shape[-1] == 3 else (1.0,))
    # Whole numbers add up to the same in any order.
    sums = tf.reduce_sum(tf.cast(image, tf.int32), (0, 1))
    mean = tf.reduce_sum(tf.cast(sums, tf.float32) * weights)
    mean /= tf.cast(tf.size(image) // image.shape[-1], tf.float32)

    scale, offset = brightness * contrast, (1 - contrast) * brightness * mean
    pixels = tf.cast(image, tf.float32)
    if saturation is None:
        pixels = pixels * scale + offset
    else:
        own = tf.eye(3) * saturation + (1 - saturation) * weights[:, None]
        flat = tf.matmul(tf.reshape(pixels, [-1, 3]), own * scale) + offset
        pixels = tf.reshape(flat, tf.shape(image))
    pixels = tf.clip_by_value(pixels, 0, 255)
    if hue is not None:
        pixels = tf.raw_ops.AdjustHue(images=pixels, delta=hue)
    return tf.cast(tf.round(pixels), tf.uint8)
