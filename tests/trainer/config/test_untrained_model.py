"""Which network is looked at without a run: of flags, or of flags and a dataset."""

import pytest

from headrace.errors import UsageError, UserError
from input.dataset import dataset_dir
from tests.conftest import run_program
from trainer.config import flags as training_flags
from trainer.config import untrained_model
from trainer.config.model import ModelConfig
from trainer.config.optimization import OptimizationConfig
from trainer.config.run import RunConfig


@pytest.fixture
def parse(command_line):
    """What a command line says of the network, with or without a dataset directory."""
    untrained_model.define()
    training_flags.define_data()

    def parsed(*arguments: str, data_dir=None) -> RunConfig:
        command_line(*arguments)
        return untrained_model.parse(data_dir and dataset_dir.read_card(str(data_dir)))

    return parsed


def test_no_tensorflow_is_imported():
    finished = run_program("trainer.config.untrained_model", PYTHONPROFILEIMPORTTIME="1")
    assert finished.returncode == 0
    assert "trainer.config.optimization" in finished.stderr
    assert " tensorflow\n" not in finished.stderr


def test_flags_alone_say_all(parse):
    config = parse(
        "--model=resnet", "--model_options=depth=18", "--image_size=64,48", "--classes=7",
        "--channels=1", "--batch_size=12", "--grad_accum_steps=3", "--optimizer=adam",
        "--ema_decay=0.9", "--mixed_precision=bfloat16",
    )  # fmt: skip
    assert config.model == ModelConfig("resnet", {"depth": 18}, mixed_precision="bfloat16")
    assert config.optimization == OptimizationConfig(
        optimizer="adam", grad_accum_steps=3, ema_decay=0.9
    )
    assert (config.input_shape, len(config.dataset.classes)) == ((64, 48, 1), 7)
    assert (config.dataset.mean, config.dataset.std) == ([0.0], [1.0])
    assert config.data.batch_size == 12


def test_without_more_it_is_for_a_thousand_classes_of_rgb_images(parse):
    config = parse("--model=lenet", "--image_size=32")
    assert (config.input_shape, len(config.dataset.classes)) == ((32, 32, 3), 1000)


def test_a_dataset_says_classes_channels_and_size(parse, prepared):
    config = parse("--model=mlp", data_dir=prepared)
    assert config.dataset.classes == ["dark", "grey", "light"]
    assert config.input_shape == (8, 8, 1)
    assert config.dataset.mean == dataset_dir.read_card(str(prepared)).mean
    assert parse("--model=mlp", "--image_size=9", data_dir=prepared).input_shape == (9, 9, 1)
    with pytest.raises(UsageError, match="says classes and channels; leave `classes`, `channels`"):
        parse("--model=mlp", "--classes=3", "--channels=1", data_dir=prepared)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--image_size="], "say `image_size`=ROWS,COLUMNS"),
        (["--image_size=31"], "at least 32×32"),
        (["--model=lenes"], "unknown model"),
        (["--model_options=depth=3"], "no option 'depth'"),
        (["--ema_decay=1"], "`ema_decay`=1"),
        (["--batch_size=10", "--grad_accum_steps=4"], "`grad_accum_steps`=4 does not divide"),
    ],
)
def test_what_cannot_be_is_refused(parse, arguments, said):
    with pytest.raises(UserError, match=said):
        parse("--model=lenet", "--image_size=32", *arguments)


def test_flags_that_are_given_are_told_from_defaults(parse):
    parse("--model=lenet", "--image_size=32", "--optimizer=momentum", "--classes=1000")
    assert list(untrained_model.given_flags()) == ["model", "classes", "optimizer"]
