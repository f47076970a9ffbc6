"""Weights of training images: once, when a run begins, and the same whoever computes them."""

import numpy as np
import pytest

from models.layers.whitening import whiten
from tests.conftest import run_program
from tests.trainer import workers
from tests.trainer.loop.starts import Start, names, restored
from tests.trainer.test_run_data import data_of
from tests.trainer.test_task import variables
from trainer.config import run as run_config
from trainer.distribution.collectives import Collectives
from trainer.loop import start

TASK = (
    "trainer.task",
    "--model=headrace_net",
    "--model_options=widths=(4,4)",
    "--image_size=9,9",
    "--batch_size=16",
    "--normalization=unit",
    "--steps=1",
)
OTHER = "train[:20]"


def saved_kernel(workdir) -> np.ndarray:
    """The kernel of the whitening, which no step changes."""
    (value,) = (each for each in variables(workdir).values() if each.shape == (2, 2, 1, 8))
    return value


def variable(new: Start):
    (found,) = (each for each in new.state.model.weights if each.shape == (2, 2, 1, 8))
    return found


def begun(workdir, source=None, **changes) -> np.ndarray:
    """The kernel that a start has in this process."""
    new = restored(workdir, source, **changes)
    plan = start.plan_transfer(new.run, new.state)
    start.begin(new.run, new.state, new.manager, plan, "", None)
    new.manager.wait()
    return np.asarray(variable(new))


def expected(workdir, split: str) -> np.ndarray:
    """What the images of a split give."""
    sample = data_of(run_config.read(str(workdir)), train_split=split).sample()
    return whiten(images.astype(np.float32) / 255 for images in sample)[0]


@pytest.fixture(scope="module")
def whitened(prepared, tmp_path_factory):
    """A run of one step; not to be changed."""
    workdir = tmp_path_factory.mktemp("whitened") / "run"
    finished = run_program(*TASK, f"--data_dir={prepared}", f"--workdir={workdir}")
    assert finished.returncode == 0, finished.stderr
    return workdir


def test_a_new_run_takes_them_from_what_it_is_trained_on(whitened, tmp_path):
    of_all, of_some = expected(whitened, "train"), expected(whitened, OTHER)
    assert np.abs(of_all - of_some).max() > 0.1
    np.testing.assert_allclose(saved_kernel(whitened), of_all, rtol=1e-4, atol=1e-4)
    found = begun(tmp_path / "new", whitened, train_split=OTHER)
    np.testing.assert_allclose(found, of_some, rtol=1e-4, atol=1e-4)
    assert names(tmp_path / "new/checkpoints") == set()


def test_two_workers_have_those_of_one(whitened, prepared, tmp_path):
    homes = [tmp_path / "chief", tmp_path / "other"]
    said = workers.run(
        *(2, *TASK, f"--data_dir={prepared}"), own=[f"--workdir={home}" for home in homes]
    )
    assert [code for code, _, _ in said] == [0, 0], said
    np.testing.assert_array_equal(saved_kernel(homes[0]), saved_kernel(whitened))


def test_workers_take_those_of_the_chief(whitened, tmp_path, monkeypatch):
    monkeypatch.setattr(Collectives, "broadcast", lambda self, value: 0 * value + 7)
    assert (begun(tmp_path / "new", whitened) == 7).all()


def test_a_run_that_goes_on_keeps_what_it_has(whitened):
    new = restored(whitened)
    variable(new).assign(np.full((2, 2, 1, 8), 7))
    plan = start.plan_transfer(new.run, new.state)
    start.begin(new.run, new.state, new.manager, plan, "", None)
    assert (np.asarray(variable(new)) == 7).all()


def test_a_run_that_starts_from_another_takes_what_that_has(whitened, tmp_path):
    found = begun(tmp_path / "warm", whitened, train_split=OTHER, init_from=str(whitened))
    np.testing.assert_array_equal(found, saved_kernel(whitened))
