"""Splits written as HDF5 files, and read again."""

import pathlib

import h5py
import numpy as np

from beam_pipelines.output import hdf5
from input.dataset import dataset_dir


def write_hdf5(
    data: pathlib.Path, output, *, split="train", batch_size=8, compression="none"
) -> list[int]:
    """Writes the file; returns the counts that it reported."""
    card = dataset_dir.read_card(str(data))
    return list(hdf5.write(str(data), card, split, str(output), batch_size, compression))


def read_hdf5(path: pathlib.Path) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Images, labels and label names."""
    with h5py.File(path) as file:
        assert sorted(file) == ["images", "label_names", "labels"]
        assert file["images"].dtype == np.uint8
        return file["images"][:], file["labels"][:], list(file["label_names"].asstr())
