"""What earlier versions wrote: the names of their fields and values, and how they read today.

Format 1 had all fields side by side, format 2 has them in parts. A checkpoint's fingerprint has
them side by side in both.
"""

from collections.abc import Mapping
from typing import Any

# Rises when a field comes to mean something else or gets another name; a field more needs no other
# number, as each has a default. A file without a number is of the first format.
FORMAT = 2

# Flags and fields that have another name today.
RENAMED = {
    "accumulate": "grad_accum_steps",
    "chunk": "shuffle_chunk",
    "ema": "ema_decay",
    "keep": "max_to_keep",
    "plateau": "reduce_lr_patience",
    "plateau_factor": "reduce_lr_factor",
    "window": "shuffle_window",
}
_FIELDS = {**RENAMED, "dataset_fingerprint": "dataset"}
_VALUES = {"init_optimizer": {"fresh": "reset", "kept": "restore"}}


def upgrade_names(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields of format 1 by the names, and with the values, that they have today."""
    flat = {**values, **(values.get("augmentation") or {})}
    flat.pop("augmentation", None)
    return {
        _FIELDS.get(name, name): _VALUES.get(name, {}).get(value, value)
        if isinstance(value, str)
        else value
        for name, value in flat.items()
    }
