"""Which trained model a program uses: the run, and its weights or their average."""

import pytest
from absl import flags

from headrace.errors import UsageError, UserError
from tests.conftest import run_program
from tests.trainer.configs import with_values
from trainer import run_dir
from trainer.config import run, trained_model
from trainer.config.run import RunConfig


@pytest.fixture
def parse(command_line):
    """What a command line says of the model."""
    trained_model.define()

    def parsed(*arguments: str) -> tuple[RunConfig, bool]:
        command_line(*arguments)
        return trained_model.parse()

    return parsed


def write_run(folder, ema_decay: float) -> RunConfig:
    config = with_values(RunConfig(), model="lenet", ema_decay=ema_decay)
    (folder / "config.json").write_text(run.to_json(config))
    return config


def test_no_tensorflow_is_imported():
    finished = run_program("trainer.config.trained_model", PYTHONPROFILEIMPORTTIME="1")
    assert finished.returncode == 0
    assert "trainer.config.optimization" in finished.stderr
    assert " tensorflow\n" not in finished.stderr


@pytest.mark.parametrize(
    ("ema_decay", "weights", "average"),
    [
        (0.9, [], True),
        (0.9, ["--weights=auto"], True),
        (0.9, ["--weights=ema"], True),
        (0.9, ["--weights=raw"], False),
        (0.0, [], False),
        (0.0, ["--weights=raw"], False),
    ],
)
def test_the_average_is_taken_where_the_run_keeps_one(parse, tmp_path, ema_decay, weights, average):
    config = write_run(tmp_path, ema_decay)
    assert parse(f"--workdir={tmp_path}", *weights) == (config, average)


@pytest.mark.parametrize(
    "values",
    [{"optimizer": "schedule_free_adamw"}, {"group_optimizers": ("*/bias=schedule_free_adamw",)}],
)
def test_the_average_of_an_optimizer_is_taken_as_a_moving_one_is(parse, tmp_path, values):
    config = with_values(RunConfig(), model="lenet", **values)
    (tmp_path / "config.json").write_text(run.to_json(config))
    for weights, average in (("auto", True), ("ema", True), ("raw", False)):
        assert parse(f"--workdir={tmp_path}", f"--weights={weights}") == (config, average)


def test_an_average_that_the_run_does_not_keep_is_refused_with_what_to_do(parse, tmp_path):
    write_run(tmp_path, 0.0)
    with pytest.raises(UserError, match=f"^`weights`=ema: the run in {tmp_path} .*; use `weights`"):
        parse(f"--workdir={tmp_path}", "--weights=ema")


def test_a_folder_that_is_no_run_is_named(parse, tmp_path):
    with pytest.raises(UserError, match=f"^{tmp_path} is no run directory: .* check `workdir`$"):
        parse(f"--workdir={tmp_path}")


def test_a_run_may_lie_at_home(parse, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    config = write_run(tmp_path, 0.0)
    assert parse("--workdir=~") == (config, False)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--workdir"),
        (["--workdir=run", "--weights=best"], "<auto|raw|ema>"),
        (["--workdir=run", "--checkpoint=first"], "<auto|latest|best>"),
        (["--workdir=run", "--threshold=2"], "in the range [0.0, 1.0]"),
    ],
)
def test_what_names_no_model_is_refused(parse, arguments, said):
    with pytest.raises(flags.Error) as caught:
        parse(*arguments)
    assert said in str(caught.value)


def test_the_latest_checkpoint_is_used_unless_the_result_is_of_the_best(parse, tmp_path):
    """Or one is asked for."""
    write_run(tmp_path, 0.0)

    def used(*arguments: str) -> str:
        parse(f"--workdir={tmp_path}", *arguments)
        return run_dir.resolve_checkpoint(str(tmp_path), flags.FLAGS.checkpoint)

    result: dict[str, object] = {"steps": 8, "evaluations_since_best": 1}
    assert used() == "latest"
    run_dir.write_result(str(tmp_path), result)
    assert used() == "latest"
    run_dir.write_result(str(tmp_path), {**result, "restored_step": 4})
    assert (used(), used("--checkpoint=latest"), used("--checkpoint=best")) == (
        "best", "latest", "best",
    )  # fmt: skip


def test_a_threshold_is_taken_where_images_have_several_labels(parse, tmp_path):
    write_run(tmp_path, 0.0)
    with pytest.raises(UsageError, match=r"^`threshold` is for images of several labels, .*leave"):
        parse(f"--workdir={tmp_path}", "--threshold=0.25")
    config = with_values(RunConfig(), model="lenet", multi_label=True)
    (tmp_path / "config.json").write_text(run.to_json(config))
    parse(f"--workdir={tmp_path}", "--threshold=0.25")
    assert flags.FLAGS.threshold == 0.25
