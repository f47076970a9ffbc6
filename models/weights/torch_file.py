"""Reads the tensors of a file of `torch.save`, in its legacy format, and nothing else.

    weights = torch_file.read("efficientnet-lite0.pth")   # {"_fc.weight": float32 [1000, 1280], …}

Such a file is five pickles and then the numbers. A pickle can name any function of any module and
have it called, so that who loads a file runs what its author wanted. Here the few names that a
state dict of tensors has stand for tuples of ours, and any other ends the reading. PyTorch is not
needed.
"""

import collections
import math
import os
import pickle
import struct
from typing import BinaryIO, NamedTuple

import numpy as np

from headrace.errors import UserError

_MAGIC, _FORMAT = 0x1950A86A20F9469CFC6C, 1001
_DTYPES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}


class _Storage(NamedTuple):
    """A row of numbers that tensors are parts of: its key in the file, its kind and its length."""

    key: str
    dtype: str
    size: int


class _Tensor(NamedTuple):
    """The part of a storage that a tensor is; the rest says how gradients reach it."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    requires_grad: bool = False
    hooks: object = None
    metadata: object = None


def read(path: str) -> dict[str, np.ndarray]:
    """Read a state dict.

    Args:
        path: a local file, written by PyTorch before 1.6, or since then with
            `torch.save(…, _use_new_zipfile_serialization=False)`.

    Returns:
        Each tensor by its name, in its own shape and dtype, in the order of the file.

    Raises:
        UserError: the file cannot be read, is another, damaged or not complete, or holds anything
            but tensors.
    """
    try:
        with open(path, "rb") as file:
            return _read(file)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; name a file of torch.save") from None
    except _RefusedError as refusal:
        raise UserError(f"{path}: {refusal}") from None
    except Exception as error:  # of a damaged pickle, any at all, says Python's documentation
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(
            f"{path} is no file of torch.save in its legacy format, or a damaged one ({reason}); "
            "get it anew"
        ) from None


class _RefusedError(Exception):
    """What was read is well-formed, and not to be trusted or not supported; says what to do."""


class _TensorUnpickler(pickle.Unpickler):
    """An unpickler to which a file can name nothing but what a state dict of tensors is made of."""

    def find_class(self, module: str, name: str):
        """Return what stands for a name, or refuse it."""
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            # A new one for each: a pickle can set attributes of what it is handed.
            return lambda *parts: _Tensor(*parts)
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        raise _RefusedError(
            f"asks for {module}.{name}, which no tensor needs and which is not called; do not use "
            "this file unless you know why it does"
        )

    def persistent_load(self, pid: tuple) -> _Storage:
        """Return the storage that a tensor refers to."""
        kind, dtype, key, _device, size, view = pid
        if kind != "storage" or dtype not in _DTYPES.values() or view is not None:
            raise pickle.UnpicklingError(f"unknown reference {pid!r:.80}")
        return _Storage(str(key), dtype, int(size))


def _read(file: BinaryIO) -> dict[str, np.ndarray]:
    if file.read(4) == b"PK\x03\x04":
        raise _RefusedError(
            "is in the ZIP format of torch.save; write it again with "
            "_use_new_zipfile_serialization=False"
        )
    file.seek(0)
    for number in (_MAGIC, _FORMAT):
        if _TensorUnpickler(file).load() != number:
            raise ValueError("it begins otherwise")
    if not _TensorUnpickler(file).load()["little_endian"]:
        raise _RefusedError("was written by a big-endian machine; write it again on another")
    tensors = dict(_TensorUnpickler(file).load())
    for name, tensor in tensors.items():
        if not isinstance(name, str) or not isinstance(tensor, _Tensor):
            raise _RefusedError(
                f"holds {type(tensor).__name__} under {name!r:.80}, expected tensors alone; save "
                "model.state_dict()"
            )
    storages = {str(tensor.storage.key): tensor.storage for tensor in tensors.values()}
    numbers = {key: _numbers(file, storages[key]) for key in _TensorUnpickler(file).load()}
    if file.read(1):
        raise ValueError("it goes on behind its end")
    return {name: _slice(name, tensor, numbers) for name, tensor in tensors.items()}


def _numbers(file: BinaryIO, storage: _Storage) -> np.ndarray:
    """Read the next storage of the file, whose length stands in front of it."""
    (size,) = struct.unpack("<q", file.read(8))
    count = size * np.dtype(storage.dtype).itemsize
    # Compared first: a damaged length would have all the memory reserved.
    if size != storage.size or count > os.fstat(file.fileno()).st_size - file.tell():
        raise EOFError("it ends too early")
    return np.frombuffer(file.read(count), storage.dtype)


def _slice(name: str, tensor: _Tensor, numbers: dict[str, np.ndarray]) -> np.ndarray:
    """Take a tensor's numbers out of its storage; strides need not fall, as those of a transposed
    tensor do not."""
    row, shape, strides = numbers[tensor.storage.key], tensor.shape, tensor.strides
    if math.prod(shape) == 0:
        return np.zeros(shape, row.dtype)
    last = tensor.offset + sum(
        (length - 1) * stride for length, stride in zip(shape, strides, strict=True)
    )
    # NumPy does not look itself, and would give what lies in memory around the storage.
    inside = min((tensor.offset, *shape, *strides)) >= 0 and last < len(row)
    if not inside or math.prod(shape) > len(row):
        raise ValueError(f"{name} is no part of its storage")
    bytes_of = [stride * row.itemsize for stride in strides]
    return np.lib.stride_tricks.as_strided(row[tensor.offset :], shape, bytes_of).copy()
