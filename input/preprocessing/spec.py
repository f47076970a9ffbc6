"""How an image of any size becomes a model's input: what `resize.preprocess` does to it, as data.

    Preprocessing((224, 224))                             # scaled to cover it, the centre cut out
    Preprocessing((224, 224), resize_to=(256, 256))       # a crop of a larger image
    Preprocessing((224, 224), resize="squash")            # scaled, whatever that does to its shape

No TensorFlow is imported here.
"""

import dataclasses

from headrace.errors import UsageError

HOW = ("cover", "squash")


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """The way from an image to the model's input.

    Attributes:
        size: rows and columns of the model's input.
        resize_to: rows and columns that images are brought to first, at least `size`; `size` is cut
            from them: the centre, or where training or oversampling wants it. Empty: `size`.
        resize: `cover` scales an image to cover `resize_to`, keeping its shape, and cuts the
            centre; `squash` scales rows and columns to `resize_to`.
    """

    size: tuple[int, int]
    resize_to: tuple[int, int] = ()  # type: ignore[assignment]  # never empty once it is made
    resize: str = "cover"

    def __post_init__(self) -> None:
        if not self.resize_to:
            object.__setattr__(self, "resize_to", self.size)

    @property
    def crops(self) -> bool:
        """Whether there is more of an image than the model sees."""
        return self.resize_to != self.size


def check(preprocessing: Preprocessing) -> None:
    """Make sure that images can be brought to size this way.

    Raises:
        UsageError: images are made smaller than what is cut from them.
    """
    size, resize_to = preprocessing.size, preprocessing.resize_to
    if any(larger < side for larger, side in zip(resize_to, size, strict=True)):
        raise UsageError(
            f"`resize_to`={resize_to[0]},{resize_to[1]} is smaller than the model's input, "
            f"{size[0]},{size[1]}; give as much or more, or a smaller `image_size`"
        )
