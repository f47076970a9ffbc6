"""predict, on a finished run: a line per file, and what it says of files that it cannot take."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import assert_one_line_error, run_program
from tests.trainer.checkpoints.damage import cut
from tests.trainer.serving.classifiers import trained_classifier


def lines(workdir, which, images) -> str:
    """What a checkpoint gives for image files, as it is to be printed."""
    classifier = trained_classifier(workdir, which)
    result = classifier.classify(tf.constant([path.read_bytes() for path in images]))
    columns = zip(images, result["label"].numpy(), result["probability"].numpy(), strict=True)
    return "".join(f"{path}\t{label.decode()}\t{number:.4f}\n" for path, label, number in columns)


def test_a_line_has_the_file_and_what_the_named_checkpoint_takes_it_for(run, images):
    again = [*images, images[0]]
    finished = run_program("trainer.predict", f"--workdir={run}", "--checkpoint=best", *again)
    assert (finished.returncode, finished.stderr) == (0, "")
    assert finished.stdout == lines(run, "best", again) != lines(run, "latest", again)


def test_a_damaged_checkpoint_is_named_beside_the_lines_and_not_among_them(copy, images):
    damaged = copy / "checkpoints/step-00000080"
    cut(damaged / "manifest.json")
    finished = run_program("trainer.predict", f"--workdir={copy}", *images)
    assert finished.returncode == 0, finished.stderr
    (line,) = finished.stderr.splitlines()
    assert f"checkpoint {damaged} is damaged (its manifest.json is damaged)" in line
    assert line.endswith(": taking step-00000076")
    assert finished.stdout == lines(copy, "latest", images)


def test_what_the_decoder_says_of_a_damaged_image_has_its_name(run, images, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 1), dtype=np.uint8)
    encoded = tf.io.encode_jpeg(pixels).numpy()
    middle, damaged = len(encoded) // 2, tmp_path / "damaged.jpg"
    damaged.write_bytes(encoded[:middle] + b"\xff\xd0" + encoded[middle:])
    finished = run_program("trainer.predict", f"--workdir={run}", images[0], damaged, images[1])
    assert finished.returncode == 0, finished.stderr
    assert len(finished.stdout.splitlines()) == 3
    said = "Corrupt JPEG data: premature end of data segment"
    assert finished.stderr == f"warning: {damaged}: {said}\n"


def test_a_folder_that_is_no_run_directory_is_refused(tmp_path, images):
    finished = run_program("trainer.predict", f"--workdir={tmp_path}", images[0])
    assert_one_line_error(finished, 1, "is no run directory", "--workdir")


def test_prediction_names_the_file_that_is_no_image(run, tmp_path):
    (tmp_path / "note.png").write_text("no image")
    finished = run_program("trainer.predict", f"--workdir={run}", tmp_path / "note.png")
    assert_one_line_error(finished, 1, "note.png is no sound JPEG")
    finished = run_program("trainer.predict", f"--workdir={run}", tmp_path / "none.png")
    assert_one_line_error(finished, 1, "none.png cannot be read")
    finished = run_program("trainer.predict", f"--workdir={run}")
    assert_one_line_error(finished, 2, "no image given")


@pytest.fixture(scope="module")
def dropping(prepared, tmp_path_factory):
    """A run of a few steps with dropout, and batch normalisation, which is not to move."""
    workdir = tmp_path_factory.mktemp("dropping") / "run"
    finished = run_program(
        *("trainer.task", "--model=mini_vgg", "--model_options=dropout=0.25;dense_dropout=0.5"),
        *(f"--data_dir={prepared}", f"--workdir={workdir}", "--batch_size=24", "--epochs=2"),
    )
    assert finished.returncode == 0, finished.stderr
    return workdir


@pytest.fixture(scope="module")
def sampled(dropping, images) -> list[str]:
    """A line for each image."""
    return lines_of("trainer.predict", f"--workdir={dropping}", "--mc_samples=200", *images)


def lines_of(*arguments) -> list[str]:
    finished = run_program(*arguments)
    assert (finished.returncode, finished.stderr) == (0, "")
    return finished.stdout.splitlines()


def test_samples_have_the_mean_and_deviation_of_predictions_with_dropout(dropping, images, sampled):
    network = trained_classifier(dropping)._network
    for layer in network._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False  # and so, for Keras, as in prediction
    deviations = []
    for line, image in zip(sampled, images, strict=True):
        path, label, mean, deviation = line.split("\t")
        assert path == str(image)
        pixels = np.repeat(tf.io.decode_png(image.read_bytes()).numpy()[None], 4000, 0)
        expected = tf.nn.softmax(network(pixels, training=True)).numpy()
        best = int(expected.mean(0).argmax())
        assert label == ("dark", "grey", "light")[best]
        deviations.append(float(deviation))
        assert deviations[-1] == pytest.approx(expected[:, best].std(), rel=0.25, abs=0.005)
        error = 5 * deviations[-1] / np.sqrt(200) + 1e-4
        assert float(mean) == pytest.approx(expected[:, best].mean(), abs=error)
    assert max(deviations) > 0.01


def test_what_is_said_of_a_file_hangs_on_no_other_file(dropping, images, sampled):
    asked = ("trainer.predict", f"--workdir={dropping}", "--mc_samples=200", "--seed=0")
    assert lines_of(*asked, images[-1], images[0]) == [sampled[-1], sampled[0]]


def test_samples_that_would_tell_nothing_are_refused(run, images):
    def refused(samples: int, code: int, *words: str) -> None:
        asked = ("trainer.predict", f"--workdir={run}", f"--mc_samples={samples}", images[0])
        assert_one_line_error(run_program(*asked), code, *words)

    refused(1, 2, "--mc_samples=1: one sample has no deviation; use 2 or more, or 0")
    refused(-2, 2, "--mc_samples")
    words = "resnet_cifar has no dropout", "train a model that has some, such as mini_vgg"
    refused(9, 1, "error: --mc_samples=9: ", *words)
