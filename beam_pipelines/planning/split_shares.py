"""`splits`: which splits there are, and how large each is."""

import re
from fractions import Fraction

from headrace.errors import UsageError

DEFAULT = "train:0.8,validation:0.1,test:0.1"
_FORMS = f"fractions that sum to 1 ({DEFAULT}), sizes (validation:5000,test:5000), auto, or kfold:5"
# A rule of thumb: the fewer images, the larger the share for testing.
_AUTO_TEST = ((1_000, Fraction(20, 100)), (10_000, Fraction(10, 100)))
_AUTO_TEST_OF_MANY, _AUTO_VALIDATION = Fraction(5, 100), Fraction(10, 100)

# A split's name is a part of file names, which have 255 bytes.
_LONGEST_NAME = 64


def is_name(text: str) -> bool:
    """Return whether a split may have this name; TFDS keeps `all` for all splits."""
    plain = text.isidentifier() and text.islower() and text != "all"
    return plain and len(text.encode()) <= _LONGEST_NAME


def names(spec: str, source_splits: set[str]) -> list[str]:
    """Return the splits that `splits` makes, in order.

    Args:
        spec: `train:0.8,test:0.2`, `validation:1000,test:1000`, `auto` or `kfold:5`.
        source_splits: splits that the source brings.

    Raises:
        UsageError: it is none of these forms.
    """
    if spec == "auto":
        return ["train", *(name for name in ("validation", "test") if name not in source_splits)]
    folds = re.fullmatch(r"kfold:(\d{1,3})", spec)
    if folds:
        if int(folds[1]) < 2:
            raise UsageError(f"`splits`={spec}: two folds or more")
        return [f"fold_{number}" for number in range(int(folds[1]))]
    numbers = _parse(spec)
    return list(numbers) if "train" in numbers else ["train", *numbers]


def fractions(spec: str, images: int, source_splits: set[str]) -> dict[str, Fraction]:
    """Return the share of each split; `images` times it is a whole number where spec gives sizes.

    Args:
        spec: see `names`.
        images: number of images to divide.
        source_splits: splits that the source brings.

    Raises:
        UsageError: there are not as many images as the sizes need.
    """
    splits = names(spec, source_splits)
    if spec == "auto":
        return _auto(images, source_splits)
    if spec.startswith("kfold:"):
        return {name: Fraction(1, len(splits)) for name in splits}
    numbers = _parse(spec)
    if sum(numbers.values()) == 1:
        return numbers
    rest = images - sum(numbers.values())
    if rest < 0 or (rest > 0) == ("train" in numbers):
        raise UsageError(
            f"`splits`={spec}: the sizes make {int(sum(numbers.values())):,}, there are {images:,} "
            "images to divide; leave out train to give it the rest"
        )
    sizes = {"train": Fraction(rest), **numbers}
    return {name: sizes[name] / images for name in splits}


def check_sizes(spec: str, images: int) -> None:
    """Make sure, before any work, that there can be enough images.

    Args:
        spec: see `names`.
        images: number of images to divide, or more.

    Raises:
        UsageError: sizes were given that sum to more than there are images to divide.
    """
    if spec != "auto" and not spec.startswith("kfold:"):
        total = sum(_parse(spec).values())
        if total > max(1, images):
            raise UsageError(
                f"`splits`={spec}: the sizes make {int(total):,}, there are only {images:,} images "
                "to divide"
            )


def _auto(images: int, source_splits: set[str]) -> dict[str, Fraction]:
    test = next((share for below, share in _AUTO_TEST if images < below), _AUTO_TEST_OF_MANY)
    test = Fraction(0) if "test" in source_splits else test
    validation = Fraction(0) if "validation" in source_splits else (1 - test) * _AUTO_VALIDATION
    shares = {"train": 1 - test - validation, "validation": validation, "test": test}
    return {name: share for name, share in shares.items() if share}


def _parse(spec: str) -> dict[str, Fraction]:
    """Return each split's number: fractions that sum to 1, or whole numbers."""
    numbers: dict[str, Fraction] = {}
    for part in spec.split(","):
        name, _, number = part.strip().partition(":")
        try:
            # A number of few digits: an exponent can make one that fills the memory.
            value = Fraction(number if re.fullmatch(r"[\d._/]{1,32}", number) else 0)
        except (ValueError, ZeroDivisionError):
            value = Fraction(0)
        if not is_name(name) or value <= 0 or name in numbers:
            raise UsageError(
                f"`splits`={spec}: expected {_FORMS}, with different names and numbers above 0; "
                f"received {part!r}"
            )
        numbers[name] = value
    total = sum(numbers.values())
    if total != 1 and any(value.denominator > 1 for value in numbers.values()):
        raise UsageError(f"`splits`={spec}: the fractions sum to {float(total)}")
    if total == 1 and "train" not in numbers:
        raise UsageError(f"`splits`={spec}: there is no split 'train'")
    return numbers
