"""How a start comes to its state: restored, changed as far as that is allowed, and announced."""

import re
import shutil

import numpy as np
import pytest

from headrace.errors import UserError
from tests.trainer import workers
from tests.trainer.conftest import TASK
from tests.trainer.loop.starts import NOT_CHIEF, go_on, names, restored
from tests.trainer.test_task import variables, without_rates
from trainer import run_dir
from trainer.config import run as run_config
from trainer.loop import start
from trainer.transfer.plan import Plan


def value(saved: dict[str, np.ndarray], name: str) -> np.ndarray:
    return saved[f"{name}/.ATTRIBUTES/VARIABLE_VALUE"]


def weights_and_momenta(saved: dict[str, np.ndarray]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """As the optimizer holds them; its first two variables are its steps and its rate."""
    count = sum(name.startswith("optimizer/_trainable_variables/") for name in saved)
    weights = [value(saved, f"optimizer/_trainable_variables/{i}") for i in range(count)]
    return weights, [value(saved, f"optimizer/_variables/{i + 2}") for i in range(count)]


def test_changes_are_refused_by_name_and_taken_up_when_allowed(copy):
    """By what was evaluated before, nothing is best; and at a rate of 0, only momenta move."""
    changes = {"steps": 81, "batch_size": 8, "lanes": 8, "learning_rate": 0.0, "monitor": "loss"}
    before = variables(copy)
    told = (
        "`batch_size` was 16 and is 8; `learning_rate` was 0.05 and is 0.0; `monitor` was rank1 "
        "and is loss; use the same values, another `workdir`, or `allow_changes`"
    )
    with pytest.raises(UserError, match=re.escape(told)):
        go_on(copy, **changes)
    assert go_on(copy, allow_changes=True, **changes)["steps"] == 81
    after = variables(copy)
    (weights, momenta), (moved, _) = weights_and_momenta(before), weights_and_momenta(after)
    for weight, momentum, now in zip(weights, momenta, moved, strict=True):
        np.testing.assert_allclose(now, weight + np.float32(0.9) * momentum, rtol=1e-6, atol=1e-9)
    train, watched = without_rates(copy)[-2:]
    assert (train["step"], train["learning_rate"]) == (81, 0.0)
    assert value(after, "best") == -watched["loss"]
    assert names(copy / "checkpoints/best") == {"step-00000081"}
    assert run_config.read(str(copy)).data.batch_size == 8


def test_with_another_kind_of_optimizer_it_starts_afresh(copy, capsys):
    before, changes = variables(copy), {"optimizer": "adam", "learning_rate": 0.0, "ema_decay": 0.9}
    go_on(copy, allow_changes=True, steps=81, **changes)
    assert "the optimizer starts afresh" in capsys.readouterr().out
    after = variables(copy)
    assert (value(before, "optimizer/_iterations"), value(after, "optimizer/_iterations")) == (
        80,
        1,
    )
    for one, other in zip(*(weights_and_momenta(s)[0] for s in (before, after)), strict=True):
        np.testing.assert_array_equal(one, other)
    go_on(copy, steps=82)
    assert value(variables(copy), "optimizer/_iterations") == 2


def test_what_waits_to_be_logged_is_dropped_when_a_batch_has_another_size(copy):
    """Or a mean over these images would be that of others."""
    go_on(copy, steps=83, save_every_seconds=1e-9, max_to_keep=9)
    for step in (82, 83):
        shutil.rmtree(copy / f"checkpoints/step-{step:08d}")
    assert value(variables(copy), "since") == 80
    go_on(copy, allow_changes=True, steps=84, batch_size=8, lanes=8)
    row = without_rates(copy)[-2]
    assert (row["step"], row["split"]) == (84, "train")
    # Of 24 images: over the 32 of four steps it would be 0.75, and with more hits over 1.
    assert 0.9 < row["rank1"] <= 1


def test_a_checkpoint_knows_its_run_where_the_run_directory_says_otherwise(copy):
    """As after a start that was killed before it saved what it had been allowed to change."""
    path = copy / "config.json"
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 5'))
    with pytest.raises(UserError, match="step-00000080 is of another run: `seed` was 0 and is 5"):
        go_on(copy, steps=81)
    assert go_on(copy, allow_changes=True, steps=81)["steps"] == 81


def plan_of(started) -> Plan:
    return start.plan_transfer(started.run, started.state)


def begin(new, flagfile="") -> None:
    start.begin(new.run, new.state, new.manager, plan_of(new), flagfile, None)


def test_a_worker_that_does_not_see_what_the_chief_writes_cannot_go_back_to_the_best(
    copy, tmp_path
):
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(
        UserError, match=r"^`restore_best`: a worker does not see the run directory"
    ):
        begin(restored(other, source=copy, cluster=NOT_CHIEF, restore_best=True))
    begin(restored(copy, cluster=NOT_CHIEF, restore_best=True))


def test_a_run_directory_is_brought_up_to_date_by_the_chief_alone(copy):
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    begin(restored(copy, cluster=NOT_CHIEF, steps=99), "--new")
    assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()} == before
    begin(restored(copy, steps=99), "--new")
    assert (copy / "flags.txt").read_text() == "--new"
    assert run_config.read(str(copy)).training.steps == 99
    assert run_dir.read_result(str(copy)) is None


def test_only_the_chief_saves_and_as_many_as_the_config_says(copy):
    for cluster, expected in (
        (NOT_CHIEF, {"step-00000072", "step-00000076", "step-00000080"}),
        (None, {"step-00000080", "step-00000081"}),
    ):
        new = restored(copy, cluster=cluster, max_to_keep=2)
        new.state.step += 1
        new.manager.save()
        new.manager.wait()
        assert names(copy / "checkpoints") == expected


def test_a_run_that_starts_warm_is_saved_at_once_and_then_needs_the_other_no_more(run, tmp_path):
    source = shutil.copytree(run, tmp_path / "source")
    new = restored(tmp_path / "run", source, init_from=str(source), init_checkpoint="latest")
    begin(new)
    new.manager.wait()
    assert names(tmp_path / "run/checkpoints") == {"step-00000000"}
    shutil.rmtree(source)
    again = restored(tmp_path / "run")
    begin(again)
    expected = restored(run).state.model.get_weights()
    for weight, same in zip(again.state.model.get_weights(), expected, strict=True):
        np.testing.assert_array_equal(weight, same)


@pytest.mark.parametrize(("step", "resumes"), [(0, False), (1234, True)])
def test_a_start_is_announced_with_what_there_is_to_do(run, tmp_path, capsys, step, resumes):
    new = restored(tmp_path / "run", run)
    new.state.step = step
    start.announce(new.run, new.state, plan_of(new), "validation")
    first, *rest = capsys.readouterr().out.splitlines()
    parameters = f"{new.state.model.count_params():,} parameters"
    images = "72 training images, 4 steps an epoch"
    assert first == f"resnet_cifar: {parameters}, 1 replica, {images}"
    assert rest == ["resuming from the checkpoint at step 1234"] * resumes


def test_where_the_test_split_stands_in_for_another_that_is_told(run, tmp_path, capsys):
    new = restored(tmp_path / "run", run)
    start.announce(new.run, new.state, plan_of(new), "test")
    assert "watched in its place" not in capsys.readouterr().out
    del new.run.card.splits["validation"]
    start.announce(new.run, new.state, plan_of(new), "test")
    line = "no validation split: the test split is watched in its place"
    assert line in capsys.readouterr().out.splitlines()


def test_workers_that_find_different_checkpoints_all_say_so_and_change_nothing(
    copy, prepared, tmp_path
):
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    said = workers.run(
        2, *TASK, f"--data_dir={prepared}", "--epochs=21",
        own=(f"--workdir={copy}", f"--workdir={tmp_path / 'other'}"),
    )  # fmt: skip
    for (code, _, errors), step in zip(said, (80, 0), strict=True):
        assert code == 1
        line = errors.splitlines()[-1]
        assert f"error: this worker found the checkpoint of step {step} and others found" in line
        assert "give all of them one --workdir that they share" in line
    assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()} == before
    assert not (tmp_path / "other").exists()
