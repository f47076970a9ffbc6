"""export, on a finished run: what is served is what was trained, and needs no Headrace."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import assert_one_line_error, run_program
from tests.trainer.checkpoints.damage import cut
from tests.trainer.serving.classifiers import trained_classifier


@pytest.fixture(scope="module")
def exported(run, tmp_path_factory):
    """Export a copy of the run; return its run directory."""
    workdir = shutil.copytree(run, tmp_path_factory.mktemp("exported") / "run")
    finished = run_program("trainer.export", f"--workdir={workdir}")
    assert (finished.returncode, finished.stderr) == (0, "")
    assert finished.stdout.strip() == f"{workdir}/export/0001"
    return workdir


def test_an_exported_model_works_where_headrace_cannot_be_imported(exported, images, tmp_path):
    code = """
import json, sys
import tensorflow as tf
for name in ("headrace", "models", "input", "trainer"):
    try:
        __import__(name)
    except ImportError:
        continue
    sys.exit(f"{name} can be imported")
model = tf.saved_model.load(sys.argv[1])
data = [open(path, "rb").read() for path in sys.argv[2:]]
result = model.signatures["serving_default"](image=tf.constant(data))
print(json.dumps({
    "label": [label.decode() for label in result["label"].numpy()],
    "probability": result["probability"].numpy().tolist(),
    "probabilities": result["probabilities"].numpy().tolist(),
}))
"""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    finished = subprocess.run(
        [sys.executable, "-c", code, f"{exported}/export/0001", *map(str, images)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    served = json.loads(finished.stdout.splitlines()[-1])
    probabilities = np.array(served["probabilities"])
    assert probabilities.shape == (6, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(probabilities.max(axis=1), served["probability"])
    assert served["label"] == [path.parent.name for path in images]

    predicted = run_program("trainer.predict", f"--workdir={exported}", *images)
    assert (predicted.returncode, predicted.stderr) == (0, "")
    rows = [line.split("\t") for line in predicted.stdout.splitlines()]
    assert [row[0] for row in rows] == [str(path) for path in images]
    assert [row[1] for row in rows] == served["label"]
    for row, probability in zip(rows, served["probability"], strict=True):
        assert float(row[2]) == pytest.approx(probability, abs=1e-4)


def test_the_served_model_takes_files_of_any_size_and_kind(exported, images):
    model = tf.saved_model.load(f"{exported}/export/0001")
    pixels = tf.io.decode_png(images[0].read_bytes(), 3)
    large = tf.cast(tf.image.resize(pixels, (40, 64), "nearest"), tf.uint8)
    data = [tf.io.encode_jpeg(large, quality=100), tf.io.encode_png(pixels)]
    result = model.signatures["serving_default"](image=tf.stack(data))
    assert result["label"].numpy().tolist() == [images[0].parent.name.encode()] * 2


def test_the_served_model_takes_little_memory_for_a_very_long_image(exported, tmp_path):
    code = """
import resource, sys
import tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
def peak(columns):
    data = tf.io.encode_png(tf.zeros([1, columns, 1], tf.uint8))
    model.signatures["serving_default"](image=data[None])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
print(peak(100), peak(999_983))
"""
    finished = subprocess.run(
        [sys.executable, "-c", code, f"{exported}/export/0001"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    before, after = map(int, finished.stdout.split())
    assert after - before < 50  # MiB; scaled whole it takes 244


def test_exporting_again_makes_the_next_version_of_the_named_checkpoint(exported, images):
    before = sorted(p.name for p in (exported / "export").iterdir())
    finished = run_program("trainer.export", f"--workdir={exported}", "--checkpoint=best")
    assert finished.returncode == 0, finished.stderr
    after = sorted(p.name for p in (exported / "export").iterdir())
    assert after == [*before, f"{len(before) + 1:04d}"]
    first, last = (
        probabilities(exported / "export" / name, images) for name in ("0001", after[-1])
    )
    assert_classifies(trained_classifier(exported, "best"), images, last)
    assert np.abs(last - first).max() > 1e-3


def test_a_damaged_checkpoint_is_named_and_what_is_exported_is_the_one_in_its_place(copy, images):
    damaged = copy / "checkpoints/step-00000080"
    cut(damaged / "variables.index")
    finished = run_program("trainer.export", f"--workdir={copy}")
    assert (finished.returncode, finished.stdout) == (0, f"{copy}/export/0001\n")
    (line,) = finished.stderr.splitlines()
    assert f"checkpoint {damaged} is damaged (its file variables.index has" in line
    assert line.endswith("): taking step-00000076")
    shutil.rmtree(damaged)
    assert_classifies(trained_classifier(copy), images, probabilities(copy / "export/0001", images))


def probabilities(version, images) -> np.ndarray:
    """What an exported model gives for image files, `[images, classes]`."""
    encoded = tf.constant([path.read_bytes() for path in images])
    served = tf.saved_model.load(str(version)).signatures["serving_default"](image=encoded)
    return served["probabilities"].numpy()


def assert_classifies(classifier, images, expected: np.ndarray) -> None:
    encoded = tf.constant([path.read_bytes() for path in images])
    np.testing.assert_allclose(classifier.classify(encoded)["probabilities"], expected, rtol=1e-4)


def test_a_folder_that_is_no_run_directory_is_refused(tmp_path):
    finished = run_program("trainer.export", f"--workdir={tmp_path}")
    assert_one_line_error(finished, 1, "is no run directory", "--workdir")


def test_a_run_without_a_checkpoint_is_refused(copy):
    shutil.rmtree(copy / "checkpoints")
    finished = run_program("trainer.export", f"--workdir={copy}")
    assert_one_line_error(finished, 1, "has no latest checkpoint yet")
    assert not (copy / "export").exists()


def test_an_export_that_cannot_be_written_is_one_line(copy):
    (copy / "export").write_text("a file")
    finished = run_program("trainer.export", f"--workdir={copy}")
    assert_one_line_error(finished, 1, f"{copy}/export cannot be written", "export again")
