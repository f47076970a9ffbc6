"""Weights in files of Keras, by the names of layers: `.weights.h5`, `.h5` and `.keras`.

Nothing but arrays is read of them: what a file says of layers and their code is left alone.
"""

import contextlib
import io
import tempfile
import zipfile
from collections.abc import Iterator

import h5py
import keras
import numpy as np

from headrace import files
from headrace.errors import UserError
from models.layers.leaf_layers import leaf_layers

# Where the weights lie in a `.keras` file, which is a zip archive.
_MEMBER = "model.weights.h5"


def read(path: str, model: keras.Model) -> dict[str, np.ndarray]:
    """Read the weights of those layers that a network has as well.

    Args:
        path: path of the file, local or on a cloud.
        model: network.

    Returns:
        Arrays by names as `named.by_name` makes them, in any shape.

    Raises:
        UserError: it cannot be read, or holds no weights of Keras.
    """
    try:
        with _local_copy(path) as local, h5py.File(local) as archive:
            named = dict(_named_arrays(archive))
            listed = dict(_listed_arrays(archive))
    except (OSError, KeyError, ValueError, TypeError, RuntimeError, zipfile.BadZipFile) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is none"
        raise UserError(
            f"{path} cannot be read as a file of Keras's weights ({reason}); name a .weights.h5, "
            ".h5 or .keras file"
        ) from None
    for layer in leaf_layers(model):
        arrays = listed.get(layer.name, [])
        if len(arrays) == len(layer.weights):
            names = (variable.path.rpartition(f"{layer.name}/")[2] for variable in layer.weights)
            named |= {
                f"{layer.name}/{name}": array for name, array in zip(names, arrays, strict=True)
            }
    return named


@contextlib.contextmanager
def _local_copy(path: str) -> Iterator[str]:
    """Give an HDF5 file its content, as a local file of its own.

    A Python file object, which h5py takes as well, ends the process with a segmentation fault where
    the file is damaged (h5py 3.16).
    """
    with files.open_read(path) as file:
        content = file.read()
    if path.endswith(".keras"):
        content = zipfile.ZipFile(io.BytesIO(content)).read(_MEMBER)
    with tempfile.NamedTemporaryFile(suffix=".h5") as local:
        local.write(content)
        local.flush()
        yield local.name


def _listed_arrays(archive: h5py.File) -> Iterator[tuple[str, list[np.ndarray]]]:
    """Yield names of layers and their weights in order, as Keras 3 writes them: `…/vars/0`."""
    groups: list[h5py.Group] = []
    archive.visititems(lambda _, item: groups.append(item) if "name" in item.attrs else None)
    for group in groups:
        if isinstance(group, h5py.Group) and group.name.endswith("/vars"):
            yield group.attrs["name"], [group[str(index)][()] for index in range(len(group))]


def _named_arrays(archive: h5py.File) -> Iterator[tuple[str, np.ndarray]]:
    """Yield `LAYER/VARIABLE` and weights, as Keras 1 and 2 wrote them: `…/conv1/kernel:0`."""
    items: list[h5py.Dataset] = []
    archive.visititems(lambda _, item: items.append(item))
    for item in items:
        if isinstance(item, h5py.Dataset):
            layer, _, variable = item.name.rpartition("/")
            yield f"{layer.rpartition('/')[2]}/{variable.partition(':')[0]}", item[()]
