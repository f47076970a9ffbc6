"""What may change when a run goes on: read from the fields, compared with earlier runs."""

import dataclasses

import pytest

from headrace.errors import UserError
from trainer.config import resume, run
from trainer.config.run import RunConfig


def with_values(**parts: dict) -> RunConfig:
    config = RunConfig()
    return dataclasses.replace(
        config,
        **{
            name: dataclasses.replace(getattr(config, name), **values)
            for name, values in parts.items()
        },
    )


def changes(earlier: RunConfig, now: RunConfig) -> dict[str, str]:
    return resume.differences(resume.fingerprint(earlier), resume.fingerprint(now))


def test_what_decides_the_weights_must_stay_and_what_does_not_is_free():
    fixed = with_values(data={"batch_size": 3}, model={"name": "lenet"})
    assert changes(RunConfig(), fixed).keys() == {"model", "batch_size"}
    free = with_values(
        data={"cache": "disk", "data_dir": "elsewhere", "on_bad_record": "skip"},
        training={"steps": 7, "epochs": 3, "patience": 2, "max_minutes": 1.0, "eval_every": 2},
        distribution={"strategy": "mirrored", "deterministic": True},
        checkpoints={"max_to_keep": 1, "save_every_steps": 5},
    )
    assert changes(RunConfig(), free) == {}


def test_a_change_is_said_by_name_with_both_values():
    assert changes(with_values(data={"batch_size": 16}), RunConfig()) == {
        "batch_size": "`batch_size` was 16 and is 64"
    }
    long = with_values(dataset={"fingerprint": "ab" * 32})
    assert changes(RunConfig(), long)["dataset"] == "dataset was  and is abababababab"


def test_an_augmentation_is_said_by_its_own_name():
    now = with_values(augmentation={"rotation": 5.0}, data={"augment": "cifar10"})
    assert changes(RunConfig(), now) == {"rotation": "`rotation` was 0.0 and is 5.0"}


def test_a_fingerprint_of_the_first_format_is_compared_as_todays():
    old = resume.fingerprint(RunConfig())
    old["accumulate"] = old.pop("grad_accum_steps")
    old["dataset_fingerprint"] = old.pop("dataset")
    old["init_optimizer"] = "fresh"
    old["augmentation"] = {"rotation": old.pop("rotation"), "pad": old.pop("pad")}
    assert resume.differences(old, resume.fingerprint(RunConfig())) == {}
    old["accumulate"] = 2
    assert list(resume.differences(old, resume.fingerprint(RunConfig()))) == ["grad_accum_steps"]


def test_a_knob_that_an_earlier_run_did_not_have_was_at_its_default():
    earlier = resume.fingerprint(RunConfig())
    del earlier["ema_decay"]
    assert resume.differences(earlier, resume.fingerprint(RunConfig())) == {}
    now = with_values(optimization={"ema_decay": 0.9})
    assert resume.differences(earlier, resume.fingerprint(now)) == {
        "ema_decay": "`ema_decay` was 0.0 and is 0.9"
    }


@pytest.mark.parametrize(
    ("what", "names"),
    [
        (
            "optimizer",
            {"optimizer", "optimizer_options", "group_optimizers", "lookahead_steps",
             "mixed_precision", "ema_decay"},
        ),
        ("mean_image", {"dataset", "train_split", "image_size", "resize_to", "resize"}),
        (
            "evaluation",
            {"dataset", "validation_split", "model_options", "image_size", "resize_to", "resize",
             "normalization", "mixed_precision", "ema_decay", "monitor", "loss", "loss_options",
             "rotating_validation"},
        ),
    ],
)  # fmt: skip
def test_what_a_change_affects(what, names):
    fixed = resume.fingerprint(RunConfig())
    assert {name for name in fixed if resume.affected([name], what)} == names
    assert resume.affected(fixed, what)
    assert not resume.affected([], what)


def test_a_run_directory_of_another_run_is_refused(tmp_path):
    named = with_values(model={"name": "lenet"})
    (tmp_path / "config.json").write_text(run.to_json(named))
    resume.check_same_run(str(tmp_path), named)
    other = with_values(model={"name": "lenet"}, data={"batch_size": 3, "seed": 5})
    with pytest.raises(UserError, match="`batch_size` was 64 and is 3; `seed` was 0 and is 5"):
        resume.check_same_run(str(tmp_path), other)
    resume.check_same_run(str(tmp_path), other, allow_changes=True)


def test_a_folder_with_other_files_and_a_file_are_no_run_directories(tmp_path):
    resume.check_same_run(str(tmp_path / "new"), RunConfig())
    resume.check_same_run(str(tmp_path), RunConfig())
    (tmp_path / ".hidden").touch()
    resume.check_same_run(str(tmp_path), RunConfig())
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(UserError, match="has files in it but is no run directory"):
        resume.check_same_run(str(tmp_path), RunConfig())
    with pytest.raises(UserError, match="is a file; name a folder"):
        resume.check_same_run(str(tmp_path / "photo.jpg"), RunConfig())
