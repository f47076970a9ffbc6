"""A new run that starts from the weights of another one."""

import copy
import shutil

import keras
import numpy as np
import pytest

from headrace.errors import UserError
from input.dataset import dataset_dir
from tests.conftest import assert_one_line_error, run_program, write_images
from tests.trainer.checkpoints.damage import DAMAGES, FILES, cut
from tests.trainer.checkpoints.warm_runs import New, Saved, assert_same, values
from tests.trainer.configs import with_values
from tests.trainer.conftest import TASK
from tests.trainer.test_task import variables
from trainer.checkpoints import restore, warm_start
from trainer.config import run as run_config


@pytest.fixture(scope="module")
def config(run):
    return run_config.read(str(run))


@pytest.fixture(scope="module")
def source(config, tmp_path_factory):
    return Saved(tmp_path_factory.mktemp("source") / "run", config)


def test_a_run_starts_with_the_weights_of_another_and_a_fresh_optimizer(source):
    new = New(source, learning_rate=0.3)
    assert_same(values(new.model.weights), values(source.model.weights))
    assert new.step == 7
    steps, rate, *slots = values(new.optimizer.variables)
    assert (steps, rate) == (0, np.float32(0.3))
    assert not any(slot.any() for slot in slots)
    (note,) = new.notes
    assert note == (
        f"starting from the weights of {source.workdir}, latest checkpoint, step 7; reset optimizer"
    )


def test_an_optimizer_that_is_kept_has_its_slots_and_steps_and_the_new_rate(source):
    new = New(source, init_optimizer="restore", learning_rate=0.3)
    assert_same(values(new.model.weights), values(source.model.weights))
    steps, rate, *slots = values(new.optimizer.variables)
    assert (steps, rate) == (7, np.float32(0.3))
    assert_same(slots, values(source.optimizer.variables)[2:])


def test_averages_are_what_a_run_starts_from_unless_the_optimizer_goes_on(config, tmp_path):
    source = Saved(tmp_path / "run", config, ema_decay=0.9)
    average = values(source.optimizer._model_variables_moving_average)
    new = New(source)
    assert_same(values(new.model.trainable_variables), average)
    assert_same(
        values(new.model.non_trainable_variables), values(source.model.non_trainable_variables)
    )
    new = New(source, init_optimizer="restore")
    assert_same(values(new.model.weights), values(source.model.weights))
    assert_same(values(new.optimizer._model_variables_moving_average), average)


def test_the_best_checkpoint_is_taken_where_there_is_one(source, config, tmp_path):
    best = Saved(tmp_path / "run", config, "best")
    assert "best checkpoint, step 7" in New(best).notes[0]
    with pytest.raises(UserError, match="has no latest checkpoint yet"):
        New(best, init_checkpoint="latest")


@pytest.fixture
def twice_saved(source, tmp_path):
    """A run with a latest and a best checkpoint; the folders of the two."""
    shutil.copytree(source.workdir, tmp_path / "run")
    home = tmp_path / "run" / "checkpoints"
    shutil.copytree(home / "step-00000007", home / "best" / "step-00000007")
    copied = copy.copy(source)
    copied.workdir = str(tmp_path / "run")
    return copied, home / "step-00000007", home / "best" / "step-00000007"


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("init_optimizer", warm_start.OPTIMIZERS)
def test_the_latest_is_taken_where_the_best_is_damaged(twice_saved, damage, name, init_optimizer):
    source, _, best = twice_saved
    damage(best / name)
    new = New(source, init_optimizer=init_optimizer)
    assert_same(values(new.model.weights), values(source.model.weights))
    assert new.step == 7
    damaged, note = new.notes
    assert damaged.startswith(f"checkpoint {best} is damaged (")
    assert damaged.endswith("): taking the latest one")
    assert "latest checkpoint, step 7" in note


def test_the_one_before_the_latest_is_taken_where_that_is_damaged(twice_saved):
    source, latest, best = twice_saved
    shutil.rmtree(best.parent)
    newer = shutil.copytree(latest, latest.with_name("step-00000008"))
    cut(newer / FILES[1])
    new = New(source)
    assert_same(values(new.model.weights), values(source.model.weights))
    assert new.notes[0].startswith(f"checkpoint {newer} is damaged (")
    assert len(new.notes) == 2


def test_a_run_without_a_sound_checkpoint_is_refused_with_all_that_is_wrong(twice_saved):
    source, latest, best = twice_saved
    cut(latest / FILES[2])
    (best / FILES[0]).unlink()
    words = (
        rf"`init_from`={source.workdir} has no sound checkpoint \({best}: .*; {latest}: .*\); put"
    )
    with pytest.raises(UserError, match=words):
        New(source)


def test_a_checkpoint_of_another_model_is_no_reason_to_take_the_latest(twice_saved, tmp_path):
    source, _, best = twice_saved
    shutil.rmtree(best)
    options = {"stages": [1], "filters": [4, 8]}
    other = Saved(tmp_path / "other", source.config, "best", model_options=options)
    shutil.copytree(f"{other.workdir}/checkpoints/best", best.parent, dirs_exist_ok=True)
    with pytest.raises(UserError, match="is of another model"):
        New(source)


@pytest.mark.parametrize("classes", [["a", "b", "c", "d", "e"], ["dark", "light", "grey"]])
def test_the_last_layer_starts_afresh_where_the_classes_are_others(source, classes):
    new = New(source, classes=classes)
    *body, kernel, bias = zip(
        values(new.model.weights), values(source.model.weights), new.before, strict=True
    )
    for now, there, _ in body:
        np.testing.assert_array_equal(now, there)
    for now, _, before in (kernel, bias):
        np.testing.assert_array_equal(now, before)
    assert kernel[0].shape == (8, len(classes))
    assert "fresh weights for its own classes: logits/bias, logits/kernel" in new.notes[0]


def test_a_network_of_another_shape_is_refused_with_the_size_that_fits(config, tmp_path):
    source = Saved(tmp_path / "run", config, model="lenet", model_options={}, image_size=[32, 32])
    assert New(source).step == 7
    with pytest.raises(
        UserError,
        match=r"f6/kernel is 120×84 there and 480×84 here; use the same `image_size` \(32,32\)",
    ):
        New(source, image_size=[36, 36])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"init_optimizer": "restore", "model": "lenet"},
            "`model` was resnet_cifar and is lenet; use the same values, or `init_optimizer`=reset",
        ),
        (
            {"init_optimizer": "restore", "model_options": {}},
            "`model_options` was {.*} and is {}; use the same values, or",
        ),
        ({"channels": 3}, "trained on images with 1 channels, and these have 3"),
        (
            {"init_optimizer": "restore", "optimizer": "adam", "ema_decay": 0.5},
            "`optimizer` was momentum and is adam; `ema_decay` was 0.0 and is 0.5; use .*=reset",
        ),
        ({"init_optimizer": "restore", "classes": ["a"]}, "other classes.*`init_optimizer`=reset"),
        ({"init_from": "/nowhere"}, "/nowhere is no run directory.*or check `init_from`"),
    ],
)
def test_a_run_that_cannot_be_started_from_is_refused(source, changes, words):
    changed = {"init_from": source.workdir, **changes}
    with pytest.raises(UserError, match=words):
        warm_start.check(with_values(source.config, **changed))


@pytest.fixture(scope="module")
def other_data(tmp_path_factory):
    """A dataset of four other classes, of other brightness."""
    folder = tmp_path_factory.mktemp("other")
    write_images(folder / "source", dict.fromkeys("abcd", 20), seed=5)
    finished = run_program(
        "beam_pipelines.prepare",
        f"--source=folder:{folder / 'source'}",
        f"--output_dir={folder / 'data'}",
        "--splits=train:0.8,validation:0.2",
    )
    assert finished.returncode == 0, finished.stderr
    return folder / "data"


def test_a_run_on_other_data_starts_from_one_that_may_go_once_it_has_begun(
    run, other_data, tmp_path
):
    """On two replicas; a kill before the first save does not bring the other run into it again."""
    source, workdir = shutil.copytree(run, tmp_path / "source"), tmp_path / "run"
    asked = (
        *TASK, f"--data_dir={other_data}", f"--workdir={workdir}", f"--init_from={source}",
        "--strategy=mirrored", "--logical_devices=2", "--learning_rate=0",
    )  # fmt: skip
    finished = run_program(*asked, "--steps=1")
    assert finished.returncode == 0, finished.stderr
    assert f"starting from the weights of {source}, best checkpoint" in finished.stdout
    assert "fresh weights for its own classes" in finished.stdout
    first = variables(workdir)
    assert (workdir / "checkpoints/step-00000000").exists()
    shutil.rmtree(workdir / "checkpoints/step-00000001")
    shutil.rmtree(source)
    (workdir / "result.json").unlink()
    finished = run_program(*asked, "--steps=1")
    assert finished.returncode == 0, finished.stderr
    assert "starting from" not in finished.stdout
    for name, value in variables(workdir).items():
        np.testing.assert_array_equal(value, first[name], err_msg=name)

    config = run_config.read(str(workdir))
    model, _ = restore.load_model(config, str(workdir), "latest")
    (layer,) = (each for each in model.layers if isinstance(each, keras.layers.Normalization))
    card = dataset_dir.read_card(str(other_data))
    np.testing.assert_allclose(np.ravel(layer.mean), card.mean, rtol=1e-6)
    best, _ = restore.load_model(run_config.read(str(run)), str(run), "best")
    for now, there in zip(model.trainable_weights[:-2], best.trainable_weights[:-2], strict=True):
        np.testing.assert_array_equal(now, there)


def test_a_wrong_run_to_start_from_is_refused_before_any_work(prepared, run, tmp_path):
    asked = (*TASK, f"--data_dir={prepared}", f"--workdir={tmp_path / 'run'}", "--steps=1")
    for path in (prepared, tmp_path / "none"):
        finished = run_program(*asked, f"--init_from={path}")
        assert_one_line_error(finished, 1, f"{path} is no run directory", "check --init_from")
    others = ("--model_options=stages=(2,2);filters=(4,4,8)", "--init_optimizer=restore")
    finished = run_program(*asked, f"--init_from={run}", *others)
    assert_one_line_error(finished, 1, f"--init_from={run}: --model_options was")
    assert_one_line_error(run_program(*asked, "--init_optimizer=restore"), 2, "with --init_from")
    assert not (tmp_path / "run").exists()
