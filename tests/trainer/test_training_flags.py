"""Runs with options of training, as their users start them: on two replicas of one machine."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import assert_one_line_error, run_program
from tests.trainer.conftest import TASK
from tests.trainer.test_task import variables, without_rates
from trainer import run_model
from trainer.checkpoints import restore
from trainer.checkpoints.manager import CheckpointManager
from trainer.checkpoints.train_state import TrainState
from trainer.config import resume
from trainer.config import run as run_config
from trainer.optimization import optimizers
from trainer.serving.classifier import Classifier

SMALL = "--model_options=stages=(1,);filters=(4,8)"
REPLICAS = (SMALL, "--strategy=mirrored", "--logical_devices=2")
OPTIONS = (
    *REPLICAS,
    "--mixed_precision=float16",
    "--grad_accum_steps=2",
    "--clip_norm=1",
    "--ema_decay=0.9",
    "--save_every_steps=6",
)


@pytest.fixture(scope="module")
def trained(prepared, tmp_path_factory):
    """A run of 12 steps with all options, started once; not to be changed."""
    return train(prepared, tmp_path_factory.mktemp("options") / "run", "--steps=12")


def train(prepared, workdir, *flags):
    finished = run_program(
        *TASK, *OPTIONS, f"--data_dir={prepared}", f"--workdir={workdir}", *flags
    )
    assert finished.returncode == 0, finished.stderr
    assert "2 replicas" in finished.stdout
    return workdir


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (4, 8, 8, 1), np.uint8)


def save_again_on_one_device(workdir) -> None:
    """Leaves one checkpoint of the same step, by a process without replicas."""
    config = run_config.read(str(workdir))
    model = run_model.build(config)
    state = TrainState(model, optimizers.build(config, model))

    def manager() -> CheckpointManager:
        return CheckpointManager(str(workdir), state, fingerprint=resume.fingerprint(config))

    before = variables(workdir)
    manager().restore()
    shutil.rmtree(workdir / "checkpoints")
    again = manager()
    again.save()
    again.wait()
    after = variables(workdir)
    assert after.keys() == before.keys()
    for name, value in before.items():
        np.testing.assert_array_equal(after[name], value, err_msg=name)


def test_a_run_resumes_with_its_averages_slots_and_loss_scale(trained, prepared, tmp_path):
    """Also when it was on one device in between, where all that it has is the same."""
    workdir = train(prepared, tmp_path / "run", "--steps=6")
    save_again_on_one_device(workdir)
    train(prepared, workdir, "--steps=12")
    # The first start watched its last step too, which falls within an epoch.
    rows = [row for row in without_rates(workdir) if row["step"] != 6 or row["split"] == "train"]
    assert rows == without_rates(trained)
    first, second = variables(trained), variables(workdir)
    assert any("inner_optimizer" in name for name in first)
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name], err_msg=name)


def test_evaluation_takes_the_average_that_training_watched(trained):
    result = json.loads((trained / "result.json").read_text())
    found = {}
    for weights in ("auto", "raw"):
        finished = run_program("trainer.evaluate", f"--workdir={trained}", f"--weights={weights}")
        assert finished.returncode == 0, finished.stderr
        written = json.loads((trained / "evaluation-test.json").read_text())
        assert written["weights"] == {"auto": "ema"}.get(weights, weights)
        found[weights] = written["loss"]
    # The layers' 16 bits are rounded otherwise in batches of another size.
    assert found["auto"] == pytest.approx(result["splits"]["test"]["loss"], rel=0.01)
    assert found["raw"] != pytest.approx(found["auto"], rel=0.05)


def test_what_is_served_computes_as_in_training_and_answers_in_float32(trained, pixels):
    config = run_config.read(str(trained))
    finished = run_program("trainer.export", f"--workdir={trained}")
    assert finished.returncode == 0, finished.stderr
    served = tf.saved_model.load(f"{trained}/export/0001").signatures["serving_default"]
    model, step = restore.load_model(config, str(trained), "latest", average=True)
    assert step == 12
    assert model(pixels).dtype == tf.float32
    encoded = tf.stack([tf.io.encode_png(image) for image in pixels])
    classifier = Classifier(model, config.data.preprocessing, config.dataset.classes)
    result, same = served(image=encoded), classifier.classify(encoded)
    assert result["probabilities"].dtype == tf.float32
    np.testing.assert_array_equal(result["probabilities"], same["probabilities"])


def test_averages_and_weights_are_each_had_on_request(trained, pixels):
    config = run_config.read(str(trained))
    raw, _ = restore.load_model(config, str(trained), "latest")
    average, _ = restore.load_model(config, str(trained), "latest", average=True)
    saved = variables(trained)
    kernels = [v.numpy() for v in raw.trainable_variables]
    assert all(any(np.array_equal(kernel, value) for value in saved.values()) for kernel in kernels)
    assert np.abs(raw(pixels) - average(pixels)).max() > 0.01


def test_options_that_decide_the_result_are_part_of_the_run(trained, prepared):
    finished = run_program(
        *TASK, *OPTIONS, f"--data_dir={prepared}", f"--workdir={trained}", "--steps=12",
        "--mixed_precision=none", "--grad_accum_steps=4", "--clip_norm=0", "--ema_decay=0",
    )  # fmt: skip
    assert_one_line_error(
        finished,
        1,
        "--mixed_precision was float16 and is none",
        "--grad_accum_steps was 2 and is 4",
        "--clip_norm was 1.0 and is 0.0",
        "--ema_decay was 0.9 and is 0.0",
    )


def test_parts_that_do_not_divide_a_replicas_share_are_refused(prepared, tmp_path):
    finished = run_program(
        *TASK, *REPLICAS, f"--data_dir={prepared}", f"--workdir={tmp_path / 'run'}", "--epochs=1",
        "--grad_accum_steps=16",
    )  # fmt: skip
    assert_one_line_error(finished, 2, "a replica's 8 images", "use 8")
    assert not (tmp_path / "run").exists()


def test_a_batch_that_does_not_divide_over_the_replicas_is_refused(prepared, tmp_path):
    finished = run_program(
        *TASK, *REPLICAS, f"--data_dir={prepared}", f"--workdir={tmp_path / 'run'}", "--epochs=1",
        "--batch_size=15",
    )  # fmt: skip
    assert_one_line_error(finished, 2, "--batch_size=15", "2 replicas; use 14 or 16")
    assert not (tmp_path / "run").exists()


def test_xla_is_refused_where_batch_normalisation_waits_for_other_replicas(prepared, tmp_path):
    finished = run_program(
        *TASK, *REPLICAS, f"--data_dir={prepared}", f"--workdir={tmp_path / 'run'}", "--epochs=1",
        "--jit_compile", "--nodeterministic",
    )  # fmt: skip
    assert_one_line_error(finished, 1, "--jit_compile", "2 replicas", "batch normalisation")


def test_xla_trains_on_one_device_with_loss_scaling(prepared, tmp_path):
    finished = run_program(
        *TASK, SMALL, f"--data_dir={prepared}", f"--workdir={tmp_path / 'run'}", "--steps=2",
        "--jit_compile", "--nodeterministic", "--mixed_precision=float16",
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr
