"""The picture of a run's metrics."""

import io

import numpy as np
from PIL import Image

from trainer import run_dir
from trainer.reporting import curves


def picture(workdir) -> np.ndarray:
    curves.draw(str(workdir))
    return np.asarray(Image.open(io.BytesIO((workdir / run_dir.CURVES).read_bytes())))


def test_the_curves_are_those_of_the_rows_so_far(tmp_path):
    def log(step: int, split: str, loss: float) -> None:
        row = {"step": step, "split": split, "loss": loss, "rank1": 1 / (1 + loss)}
        run_dir.append_metrics(str(tmp_path), row)

    log(10, "train", 2.0)
    log(10, "validation", 2.5)
    first = picture(tmp_path)
    np.testing.assert_array_equal(first, picture(tmp_path))
    log(20, "train", 1.0)
    second = picture(tmp_path)
    log(20, "validation", 1.5)
    third = picture(tmp_path)
    assert first.shape == second.shape == third.shape
    assert (first != second).any()
    assert (second != third).any()
