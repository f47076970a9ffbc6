"""The config of a run: every field once, kept in a file that later versions read."""

import dataclasses
import json
import typing
from typing import Any

import pytest

from headrace import config_flags
from headrace.errors import UserError
from trainer.config import formats, run
from trainer.config.data import DataConfig
from trainer.config.model import ModelConfig
from trainer.config.run import RunConfig

PARTS: list[tuple[str, Any]] = [(part.name, part.type) for part in dataclasses.fields(RunConfig)]


def other(value: object, kind: Any, field: dataclasses.Field) -> object:
    """A value of a field that is not its default."""
    choices = field.metadata["choices"]
    if choices:
        return next(choice for choice in choices if choice != value)
    if isinstance(value, bool):
        return not value
    if kind == dict[str, object]:
        return {"x": [1, 2]}
    if typing.get_origin(kind) in (tuple, list):
        collection: Any = typing.get_origin(kind)
        (item, *_) = typing.get_args(kind)
        return collection([item(3), item(4)])
    return 3 if kind in (int, int | None) else 0.25 if kind in (float, float | None) else "other"


def changed() -> RunConfig:
    """A config in which no field has its default."""
    parts = {}
    for name, part in PARTS:
        kinds = typing.get_type_hints(part)
        parts[name] = part(
            **{
                field.name: other(config_flags.default_of(field), kinds[field.name], field)
                for field in dataclasses.fields(part)
            }
        )
    return RunConfig(**parts)


def test_no_two_fields_go_by_one_name():
    fields = [
        config_flags.flag_name(field) for _, part in PARTS for field in dataclasses.fields(part)
    ]
    assert len(set(fields)) == len(fields) == len(run.FIELDS)


def test_every_field_has_a_default_and_those_with_flags_help():
    assert RunConfig() == config_flags.from_json(RunConfig, {})
    for name, (part, field) in run.FIELDS.items():
        assert part == "dataset" or len(field.metadata["help"]) > 10, name


NAMED = RunConfig(model=ModelConfig("lenet"))


@pytest.mark.parametrize("config", [NAMED, changed()], ids=["default", "changed"])
def test_a_config_is_read_as_it_was_written(config, tmp_path):
    (tmp_path / "config.json").write_text(run.to_json(config))
    assert run.read(str(tmp_path)) == config


def test_a_field_that_an_older_version_did_not_write_has_its_default(tmp_path):
    values = json.loads(run.to_json(changed()))
    del values["data"]["on_bad_record"], values["checkpoints"]
    (tmp_path / "config.json").write_text(json.dumps(values))
    read = run.read(str(tmp_path))
    assert read.data.on_bad_record == DataConfig().on_bad_record
    assert read.checkpoints == RunConfig().checkpoints
    assert read.model == changed().model


@pytest.mark.parametrize(
    "values",
    [
        {"format": formats.FORMAT + 1},
        {"format": formats.FORMAT, "data": {"warp": 1}},
        {"format": formats.FORMAT, "warp": {}},
        {"warp": 1},
    ],
)
def test_a_newer_versions_file_is_named_as_such(values, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(values))
    with pytest.raises(UserError, match="a newer one wrote it; install that") as caught:
        run.read(str(tmp_path))
    assert ("warp" in str(caught.value)) == ("warp" in json.dumps(values))


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "3", '{"format": "x"}', '{"format": 2, "data": 3}']
)
def test_a_damaged_file_is_named(text, tmp_path):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(UserError, match=r"config.json is damaged \("):
        run.read(str(tmp_path))


def test_fields_side_by_side_come_into_their_parts():
    flat = {"model": "lenet", "batch_size": 3, "rotation": 5.0, "dataset": "ab"}
    assert run.nest(flat) == {
        "model": {"name": "lenet"},
        "data": {"batch_size": 3},
        "augmentation": {"rotation": 5.0},
        "dataset": {"fingerprint": "ab"},
    }
