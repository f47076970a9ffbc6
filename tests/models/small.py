"""Models in a size that a test can train: their smallest images, and fewer layers or units."""

from models import registry

# Only what makes the largest ones smaller; the rest stays as published.
OPTIONS: dict[str, dict[str, object]] = {
    "alexnet": {"units": (16, 16)},
    "deeper_googlenet": {"stage_4": False},
    "efficientnet_lite0": {"activation": "gelu"},  # smooth, as `resnext`
    "headrace_net": {"widths": (8, 16)},
    "resnet": {"depth": 18, "stem": "cifar"},
    "resnet_cifar": {"stages": (1, 1), "filters": (8, 8, 16)},
    # Smooth: a ReLU within rounding of zero is on another side of it with another strategy.
    "resnext": {"depth": 26, "stem": "cifar", "activation": "gelu"},
    "senet": {"depth": 18, "stem": "cifar"},
    "vgg16": {"units": (16, 16)},
    "vgg19": {"units": (16, 16)},
    "xception": {"middle": 1},
    "zfnet": {"units": (16, 16)},
}


def shape(name: str) -> tuple[int, int, int]:
    """Return the smallest RGB image that a model takes, of 16×16 or more."""
    size = max(16, registry.min_size(name))
    return size, size, 3


def without_chance(name: str) -> dict[str, object]:
    """Return the small options of a model, and no dropout."""
    dropouts = [option for option in registry.options(name) if option.endswith("dropout")]
    return {**OPTIONS.get(name, {}), **dict.fromkeys(dropouts, 0.0)}
