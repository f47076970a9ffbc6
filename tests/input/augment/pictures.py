"""Images for tests of augmentation: grey and RGB, noise and smooth ones, and a photo if there."""

import io
import tarfile

import numpy as np
from PIL import Image

from tests.conftest import ROOT

_PHOTOS = ROOT.parent / "shared/data/photos-400.tar"


def pictures() -> list[np.ndarray]:
    """uint8 `[rows, columns, channels]`, of different sizes."""
    rng = np.random.default_rng(7)
    made = [
        rng.integers(0, 256, (32, 32, 3), dtype=np.uint8),
        rng.integers(90, 120, (17, 32, 1), dtype=np.uint8),
        _smooth(40, 31),
        _smooth(24, 24)[..., :1],
    ]
    return [*made, photo()]


def photo() -> np.ndarray:
    """A photo of 96×128, or a smooth picture where there is none."""
    if not _PHOTOS.exists():
        return _smooth(96, 128)
    with tarfile.open(_PHOTOS) as tar:
        member = next(m for m in tar if m.name.lower().endswith((".jpg", ".jpeg")))
        image = Image.open(io.BytesIO(tar.extractfile(member).read()))
    return np.asarray(image.convert("RGB").resize((128, 96)))


def _smooth(rows: int, columns: int) -> np.ndarray:
    y, x = np.mgrid[:rows, :columns]
    waves = [np.sin(x / 5 + c) * np.cos(y / (6 + c)) for c in range(3)]
    return np.round(127.5 + 120 * np.stack(waves, -1)).astype(np.uint8)
