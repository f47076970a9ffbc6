"""Files as PyTorch's `torch.save` writes them in its legacy format, put together without it."""

import pickle
import struct

import numpy as np

MAGIC, FORMAT = 0x1950A86A20F9469CFC6C, 1001
SYSTEM = {"protocol_version": FORMAT, "little_endian": True, "type_sizes": {"long": 4}}
STORAGES = {"float32": "FloatStorage", "int64": "LongStorage", "float16": "HalfStorage"}


def legacy(arrays: dict[str, np.ndarray], **parts: bytes) -> bytes:
    """Return a file of these arrays, each in a storage of its own.

    Args:
        arrays: what is saved; one that is transposed, as it lies in memory.
        **parts: other bytes for one of the parts: `magic`, `format`, `system`, `state`, `keys`,
            `numbers`.
    """
    contents = {
        "magic": pickle.dumps(MAGIC, 2),
        "format": pickle.dumps(FORMAT, 2),
        "system": pickle.dumps(SYSTEM, 2),
        "state": state({name: tensor(name, array) for name, array in arrays.items()}),
        "keys": pickle.dumps(list(arrays), 2),
        "numbers": b"".join(
            struct.pack("<q", array.size) + array.ravel("K").tobytes() for array in arrays.values()
        ),
    }
    return b"".join((contents | parts).values())


def state(values: dict[str, bytes]) -> bytes:
    """Return the pickle of a state dict, `values` being parts of pickles."""
    items = b"".join(literal(name) + value for name, value in values.items())
    return b"\x80\x02ccollections\nOrderedDict\n)R(" + items + b"u."


def tensor(key: str, array: np.ndarray, **parts: object) -> bytes:
    """Return the part of a pickle that makes a tensor.

    Args:
        key: that of its storage.
        array: its kind, shape and strides.
        **parts: other values of `kind`, `storage`, `size`, `view`, `offset`, `shape` or `strides`.
    """
    strides = tuple(stride // array.itemsize for stride in array.strides)
    values = {
        "kind": "storage",
        "storage": STORAGES[array.dtype.name],
        "size": array.size,
        "view": None,
        "offset": 0,
        "shape": array.shape,
        "strides": strides,
        **parts,
    }
    storage = b"(%sctorch\n%s\n%s%s%s%stQ" % (
        literal(values["kind"]),
        str(values["storage"]).encode(),
        literal(key),
        literal("cpu"),
        literal(values["size"]),
        literal(values["view"]),
    )
    rest = b"".join(literal(values[part]) for part in ("offset", "shape", "strides"))
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + rest + b"\x89)tR"


def literal(value: object) -> bytes:
    """Return the part of a pickle that makes a value."""
    return pickle.dumps(value, 2)[2:-1]
