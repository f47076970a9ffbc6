"""How an image of any size becomes a model's input: what `sizing` does to it, as data.

    View((224, 224))                                  # scaled to cover it, the centre cut out
    View((224, 224), base=(256, 256))                 # a crop of a larger image
    View((224, 224), how="squash")                    # scaled, whatever that does to its shape

No TensorFlow is imported here.
"""

import dataclasses

from headrace.errors import UsageError

HOW = ("cover", "squash")


@dataclasses.dataclass(frozen=True)
class View:
    """The way from an image to the model's input.

    Attributes:
        size: rows and columns of the model's input.
        base: rows and columns that images are brought to first, at least `size`; `size` is cut
            from them: the centre, or where training or oversampling wants it. Empty: `size`.
        how: `cover` scales an image to cover the base, keeping its shape, and cuts the centre;
            `squash` scales rows and columns to the base.
    """

    size: tuple[int, int]
    base: tuple[int, int] = ()
    how: str = "cover"

    def __post_init__(self) -> None:
        if not self.base:
            object.__setattr__(self, "base", self.size)

    @property
    def crops(self) -> bool:
        """Whether there is more of an image than the model sees."""
        return self.base != self.size


def check(view: View) -> None:
    """Makes sure that a view can be had.

    Raises:
        UsageError: the base is smaller than what is cut from it.
    """
    if any(base < size for base, size in zip(view.base, view.size, strict=True)):
        raise UsageError(
            f"--resize_to={view.base[0]},{view.base[1]} is smaller than the model's input, "
            f"{view.size[0]},{view.size[1]}; give as much or more, or a smaller --image_size"
        )
