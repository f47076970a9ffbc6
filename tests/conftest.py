"""Small real things that tests share: folders of images, dataset directories, programs that run.

No test needs more than what the repository and its lock file hold.
"""

import itertools
import os
import pathlib
import socket
import subprocess
import sys

import hypothesis
import numpy as np
import pytest
from gcp_storage_emulator.server import create_server
from google.cloud import storage
from PIL import Image

from headrace import gcs
from headrace.tensorflow_import import import_tensorflow

import_tensorflow()

# The same examples in every run, and no bound on time: machines that run tests are noisy.
hypothesis.settings.register_profile(
    "headrace",
    deadline=None,
    derandomize=True,
    suppress_health_check=[
        hypothesis.HealthCheck.too_slow,
        hypothesis.HealthCheck.function_scoped_fixture,
    ],
)
hypothesis.settings.load_profile("headrace")

_number = itertools.count()

ROOT = pathlib.Path(__file__).resolve().parent.parent


def write_images(folder: pathlib.Path, per_class: dict[str, int], size=(8, 8), seed=0) -> None:
    """Writes random grey PNG files `folder/CLASS/NUMBER.png`, of a brightness that tells the class.

    So a model can learn them, and no two have the same pixels.
    """
    rng = np.random.default_rng(seed)
    for label, (name, count) in enumerate(per_class.items()):
        (folder / name).mkdir(parents=True, exist_ok=True)
        low = 200 * label // len(per_class)
        for number in range(count):
            pixels = rng.integers(low, low + 56, size, dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number:03d}.png")


def run_program(*arguments: str, timeout: float = 300, **environment: str):
    """Runs `python -m …` from the repository; returns the finished process, its output as text."""
    return subprocess.run(
        [sys.executable, "-m", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def assert_one_line_error(finished: subprocess.CompletedProcess, code: int, *words: str) -> None:
    """A user's mistake ends in this exit code and one line that names these words."""
    lines = finished.stderr.strip().splitlines()
    assert (finished.returncode, len(lines)) == (code, 1), finished.stderr
    for word in words:
        assert word in lines[0]


@pytest.fixture(scope="module")
def endpoint():
    """An emulator of Cloud Storage; this process knows it as `STORAGE_EMULATOR_HOST`."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    gcs._client.cache_clear()
    with create_server("localhost", port, in_memory=True), pytest.MonkeyPatch.context() as patch:
        patch.setenv("STORAGE_EMULATOR_HOST", f"http://localhost:{port}")
        yield f"http://localhost:{port}"
    gcs._client.cache_clear()


@pytest.fixture(scope="module")
def shared_bucket(endpoint):
    """A bucket for the tests of a module."""
    return storage.Client().create_bucket(f"bucket-{next(_number)}")


@pytest.fixture
def bucket(endpoint):
    """A new bucket; tests look into it with Google's own client."""
    return storage.Client().create_bucket(f"bucket-{next(_number)}")


def upload(bucket, folder: pathlib.Path, prefix: str) -> str:
    """Copies a folder into a bucket; the `gs://` path it then has."""
    for path in folder.rglob("*"):
        if path.is_file():
            bucket.blob(f"{prefix}/{path.relative_to(folder)}").upload_from_filename(path)
    return f"gs://{bucket.name}/{prefix}"


def download(bucket, prefix: str) -> dict[str, bytes]:
    """All objects of a bucket below a prefix, by the rest of their names."""
    found = bucket.client.list_blobs(bucket, prefix=f"{prefix}/")
    return {blob.name.removeprefix(f"{prefix}/"): blob.download_as_bytes() for blob in found}


def prepare_shades(folder: pathlib.Path) -> pathlib.Path:
    """Makes a dataset directory, in a folder, of 120 grey 8×8 images in three classes."""
    write_images(folder / "source", {"dark": 40, "grey": 40, "light": 40})
    finished = run_program(
        "beam_pipelines.prepare",
        f"--source=folder:{folder / 'source'}",
        f"--output_dir={folder / 'data'}",
        "--name=shades",
        "--splits=train:0.6,validation:0.2,test:0.2",
    )
    assert finished.returncode == 0, finished.stderr
    return folder / "data"


@pytest.fixture(scope="session")
def prepared(tmp_path_factory) -> pathlib.Path:
    """The dataset directory of `prepare_shades`; not to be changed."""
    return prepare_shades(tmp_path_factory.mktemp("prepared"))
