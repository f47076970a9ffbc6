"""Versions of a served model: what other programs load, and what a failure leaves."""

import json
import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from headrace.errors import UserError
from tests.conftest import ROOT
from tests.trainer.serving.classifiers import encoded_images, small_classifier
from trainer.serving import saved_model

# As TensorFlow Serving, Java, Go and C load it: in C++, by the names of the signature alone.
CPP_LOADER = """
import json, sys
import tensorflow as tf
data = [open(path, "rb").read() for path in sys.argv[2:]]
with tf.Graph().as_default(), tf.compat.v1.Session() as session:
    loaded = tf.compat.v1.saved_model.loader.load(session, ["serve"], sys.argv[1])
    signature = loaded.signature_def["serving_default"]
    outputs = {name: tensor.name for name, tensor in signature.outputs.items()}
    result = session.run(outputs, {signature.inputs["image"].name: data})
print(json.dumps(result["probabilities"].tolist()))
"""

FULL_DISK = """
import resource, sys
from headrace.errors import UserError
from tests.conftest import ROOT
from tests.trainer.serving.classifiers import small_classifier
from trainer.serving import saved_model
classifier = small_classifier()
resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))
try:
    saved_model.write(classifier, sys.argv[1])
except UserError as error:
    print(error)
"""


def run_python(code: str, *arguments: pathlib.Path, cwd: pathlib.Path):
    """Run code in a process of its own; return how it ended and what it printed."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


@pytest.fixture(scope="module")
def versions(tmp_path_factory):
    """Write the first version of `small_classifier`; return the folder of versions."""
    folder = tmp_path_factory.mktemp("served") / "run/export"
    assert saved_model.write(small_classifier(), str(folder)) == str(folder / "0001")
    return folder


def test_the_loader_of_other_languages_has_all_weights(versions, tmp_path):
    """In a process of its own, so that no variable of another model can stand in for one that was
    not loaded."""
    images = encoded_images()
    paths = [tmp_path / f"{number}.image" for number in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        path.write_bytes(image)
    finished = run_python(CPP_LOADER, versions / "0001", *paths, cwd=tmp_path)
    assert finished.returncode == 0, finished.stderr
    served = json.loads(finished.stdout.splitlines()[-1])
    expected = small_classifier().classify(tf.constant(images))["probabilities"]
    np.testing.assert_allclose(served, expected, atol=1e-6)


def test_the_next_version_is_the_one_after_the_highest(versions):
    (versions / "0007").mkdir()
    (versions / "notes").mkdir()
    staging = versions / f".0008.{'0' * 32}"
    staging.mkdir()
    (staging / "left").write_text("by a kill")
    assert saved_model.write(small_classifier(), str(versions)) == str(versions / "0008")
    assert sorted(os.listdir(versions)) == ["0001", "0007", "0008", "notes"]
    assert not (versions / "0008/left").exists()
    image = tf.constant(encoded_images())
    served = tf.saved_model.load(str(versions / "0008")).signatures["serving_default"](image=image)
    same = small_classifier().classify(image)
    np.testing.assert_allclose(served["probabilities"], same["probabilities"], rtol=1e-6)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "export").write_text("a file")
    with pytest.raises(
        UserError, match=r"/export cannot be written \(Not a directory\); make room"
    ):
        saved_model.write(small_classifier(), str(tmp_path / "export"))


def test_a_full_disk_leaves_no_version(tmp_path):
    """In a process of its own: where no file may grow, the report of the tests may not either."""
    finished = run_python(FULL_DISK, tmp_path / "export", cwd=ROOT)
    assert finished.returncode == 0, finished.stderr
    assert re.search(r"/export cannot be written \(.+\); make room", finished.stdout)
    assert all(name.startswith(".") for name in os.listdir(tmp_path / "export"))
