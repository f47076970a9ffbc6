"""What earlier versions wrote reads as what it is called today."""

import json
import pathlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tests.trainer
from trainer.config import formats, resume, run
from trainer.config.run import RunConfig

WRITTEN = pathlib.Path(tests.trainer.__file__).parent / "written_by_format_1" / "run"


def test_names_and_values_of_the_first_format_are_todays():
    old = {
        "accumulate": 2,
        "ema": 0.9,
        "init_optimizer": "kept",
        "seed": 1,
        "augmentation": {"rotation": 5.0},
        "model_options": {"stages": [1]},
    }
    new = {
        "grad_accum_steps": 2,
        "ema_decay": 0.9,
        "init_optimizer": "restore",
        "seed": 1,
        "rotation": 5.0,
        "model_options": {"stages": [1]},
    }
    assert formats.upgrade_names(old) == new
    assert formats.upgrade_names(new) == new
    assert set(formats.RENAMED.values()) <= run.FIELDS.keys()


TODAYS = st.dictionaries(
    st.sampled_from(sorted(run.FIELDS)), st.none() | st.integers() | st.text() | st.booleans()
)


@given(TODAYS)
def test_what_has_todays_names_stays_as_it_is(values):
    # These two words were values of a field that earlier versions had.
    values = {name: 0 if value in ("fresh", "kept") else value for name, value in values.items()}
    assert formats.upgrade_names(values) == values


@given(TODAYS)
def test_every_field_of_the_first_format_comes_back_from_its_earlier_name(values):
    before = {new: old for old, new in formats.RENAMED.items()}
    old = {before.get(name, name): value for name, value in values.items()}
    if "dataset" in old:
        old["dataset_fingerprint"] = old.pop("dataset")
    assert formats.upgrade_names(old) == formats.upgrade_names(values)


def test_what_was_read_is_not_changed():
    values = {"keep": 1, "augmentation": {"rotation": 5.0}}
    formats.upgrade_names(values)
    assert values == {"keep": 1, "augmentation": {"rotation": 5.0}}


@pytest.mark.parametrize("augmentation", [None, {}])
def test_a_run_without_augmentation_has_none(augmentation):
    assert formats.upgrade_names({"seed": 1, "augmentation": augmentation}) == {"seed": 1}


def test_a_value_of_another_field_keeps_its_word():
    assert formats.upgrade_names({"model": "kept"}) == {"model": "kept"}


def test_a_config_of_the_first_format_is_read_in_parts():
    config = run.read(str(WRITTEN))
    assert config.dataset.fingerprint.startswith("ac97424b")
    assert config.optimization.grad_accum_steps == 2
    assert config.optimization.ema_decay == 0.9
    assert config.training.reduce_lr_patience == 2
    assert config.training.reduce_lr_factor == 0.5
    assert config.checkpoints.max_to_keep == 1
    assert config.checkpoints.init_optimizer == "reset"
    assert (config.data.shuffle_chunk, config.data.shuffle_window) == (2, 2)
    assert config.augmentation.rotation == 5.0


def test_a_run_of_the_first_format_is_the_same_run_in_todays():
    old = json.loads((WRITTEN / "config.json").read_text())
    names = {*formats.RENAMED, "dataset_fingerprint", "augmentation", *run.FIELDS}
    earlier = {name: value for name, value in old.items() if name in names}
    now = resume.fingerprint(run.read(str(WRITTEN)))
    assert resume.differences(earlier, now) == {}
    assert "grad_accum_steps" in resume.differences(earlier, resume.fingerprint(RunConfig()))
