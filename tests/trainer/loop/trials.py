"""Measurements for tests: a config whose steps are short, and processes that measure nothing."""

import json

from tests.trainer.configs import with_values
from trainer.config.run import RunConfig

TINY = with_values(
    RunConfig(),
    model="mlp",
    model_options={"units": [4]},
    normalization="channel",
    classes=["a", "b"],
    channels=1,
    mean=[100.0],
    std=[50.0],
    image_size=[4, 4],
    batch_size=8,
)


def lines(**rates: float) -> str:
    """What a process that measures writes; names are those of precisions, with `_xla` or not."""
    return "".join(
        json.dumps(
            {
                "mixed_precision": name.removesuffix("_xla"),
                "jit_compile": name.endswith("_xla"),
                "images_per_second": rate,
            }
        )
        + "\n"
        for name, rate in rates.items()
    )


def shell(before: str = "true", after: str = "true", **rates: float) -> list[str]:
    """A command that writes speeds, and does something before and after."""
    return ["sh", "-c", f"{before}\ncat <<'END'\n{lines(**rates)}END\n{after}"]
