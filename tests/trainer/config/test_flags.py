"""From flags to the config of a run: what they say together, and what the dataset's card adds."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace import files, recipes
from headrace.errors import UsageError, UserError
from input.augment.config import PRESETS, Augmentation
from input.dataset import dataset_dir
from input.dataset.dataset_dir import Card
from models import registry
from tests.conftest import run_program
from tests.trainer.configs import with_values
from trainer.config import flags as training_flags
from trainer.config import resume
from trainer.config.data import DataConfig
from trainer.config.run import RunConfig

EPOCHS = "--epochs=2"
# Of flags, which read a path; the fields have it as it is written.
DATA = DataConfig(cache_dir=files.expand(DataConfig().cache_dir))
DEFAULTS = RunConfig(data=DATA)


@pytest.fixture
def parse(command_line):
    """The run that a command line describes."""
    training_flags.define()

    def parsed(*arguments: str) -> RunConfig:
        command_line(*arguments)
        return training_flags.parse()

    return parsed


@pytest.fixture(scope="module")
def card(prepared):
    return dataset_dir.read_card(str(prepared))


@pytest.fixture
def resolve(prepared, card):
    """A run on `prepared`, of 72 training records, with what the card fills in."""

    def resolved(card: Card = card, **values: object) -> RunConfig:
        base = {"model": "lenet", "epochs": 2, "batch_size": 12, "data_dir": str(prepared)}
        values = base | values
        return training_flags.resolve(with_values(RunConfig(), **values), card)

    return resolved


def test_no_tensorflow_is_imported():
    finished = run_program("trainer.config.flags", PYTHONPROFILEIMPORTTIME="1")
    assert finished.returncode == 0
    assert "trainer.config.optimization" in finished.stderr
    assert " tensorflow\n" not in finished.stderr


def test_what_no_flag_says_is_the_default(parse):
    assert parse(EPOCHS) == with_values(DEFAULTS, epochs=2)


def test_each_flag_comes_into_its_part(parse):
    config = parse(
        "--steps=7", "--model=lenet", "--optimizer=adam", "--max_to_keep=2", "--tpu=local",
        "--batch_size=3", "--rotation=5",
    )  # fmt: skip
    assert config == with_values(
        DEFAULTS, steps=7, model="lenet", optimizer="adam", max_to_keep=2, tpu="local",
        batch_size=3, rotation=5.0,
    )  # fmt: skip


@pytest.mark.parametrize("name", recipes.names())
def test_a_run_knows_each_flag_of_a_recipe(parse, name):
    config = parse(*recipes.expand(["program", f"--recipe={name}"])[1:])
    assert config.model.name in registry.names()
    assert recipes.read(name).startswith("# ")


def test_flags_of_augmentations_change_the_experiment_that_is_named(parse):
    config = parse(EPOCHS, "--augment=tiny_imagenet", "--rotation=10", "--nohorizontal_flip")
    assert config.augmentation == dataclasses.replace(
        PRESETS["tiny_imagenet"], rotation=10.0, horizontal_flip=False
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "either `epochs` or `steps`, not both"),
        ([EPOCHS, "--steps=1"], "either `epochs` or `steps`, not both"),
        (
            [EPOCHS, "--save_every_steps=9", "--save_every_epochs=2"],
            "`save_every_steps` and `save_every_epochs` both say when to save",
        ),
        ([EPOCHS, "--init_optimizer=restore"], "say of which run, with `init_from`"),
        ([EPOCHS, "--reduce_lr_factor=0"], "`reduce_lr_factor`=0: expected more than 0"),
        ([EPOCHS, "--reduce_lr_factor=1"], "`reduce_lr_factor`=1: expected more than 0"),
        (
            [EPOCHS, "--batch_sampling=balanced", "--class_weights=balanced"],
            "`batch_sampling`=balanced and `class_weights`=balanced do the same",
        ),
        (
            [EPOCHS, "--rotating_validation=0.1", "--validation_split=test"],
            "`rotating_validation` and `validation_split` both say what to evaluate",
        ),
        (
            [EPOCHS, "--rotating_validation=0.1", "--on_bad_record=skip"],
            "`on_bad_record`=skip trains on the next record in place of a damaged one",
        ),
        ([EPOCHS, "--ema_decay=1"], "`ema_decay`=1: expected less than 1"),
        (
            [EPOCHS, "--optimizer=schedule_free_adamw", "--schedule=cosine"],
            "`schedule`=cosine: schedule_free_adamw averages the weights instead",
        ),
        (
            [EPOCHS, "--group_optimizers=*/bias=schedule_free_adamw", "--reduce_lr_patience=2"],
            "`reduce_lr_patience`: schedule_free_adamw averages the weights instead",
        ),
        ([EPOCHS, "--jit_compile", "--deterministic"], "`jit_compile` and `deterministic`: "),
    ],
)
def test_flags_that_exclude_each_other_are_refused_before_data_is_touched(parse, arguments, said):
    with pytest.raises(UsageError, match=said):
        parse(*arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--steps=1", "--save_every_steps=9"],
        [EPOCHS, "--save_every_epochs=2"],
        [EPOCHS, "--init_optimizer=restore", "--init_from=run"],
        [EPOCHS, "--batch_sampling=balanced"],
        [EPOCHS, "--batch_sampling=stratified", "--class_weights=balanced"],
        [EPOCHS, "--ema_decay=0.999", "--reduce_lr_factor=0.5", "--jit_compile"],
    ],
)
def test_flags_that_go_together_are_taken(parse, arguments):
    parse(*arguments)


def test_flags_of_batches_alone_are_those_of_data_and_augmentations(command_line):
    training_flags.define_data()
    command_line("--batch_size=3", "--augment=cifar10", "--zoom=0.5")
    assert training_flags.parse_data() == (
        dataclasses.replace(DATA, batch_size=3, augment="cifar10"),
        dataclasses.replace(PRESETS["cifar10"], zoom=0.5),
    )
    assert set(training_flags.given_data_flags()) == {"batch_size", "augment", "zoom"}


def test_a_flag_that_was_given_its_default_was_given(command_line):
    training_flags.define_data()
    command_line("--batch_size=64")
    assert list(training_flags.given_data_flags()) == ["batch_size"]
    assert training_flags.parse_data() == (DATA, Augmentation())


def test_the_card_fills_in_what_is_left_out(resolve, card):
    config = resolve()
    assert config.data.image_size == config.data.resize_to == (8, 8)
    assert (config.data.lanes, config.data.shuffle_chunk) == (4, 1)
    assert config.training.validation_split == "validation"
    assert config.input_shape == (8, 8, 1)
    for name in ("fingerprint", "classes", "channels", "mean", "std"):
        assert getattr(config.dataset, name) == getattr(card, name)


@pytest.mark.parametrize("multi_label", [False, True])
def test_the_run_knows_whether_images_have_several_labels(resolve, card, multi_label):
    several = dataclasses.replace(card, multi_label=multi_label)
    config = with_values(resolve(), loss="auto", monitor=None)
    assert training_flags.resolve(config, several).dataset.multi_label == multi_label


@pytest.mark.parametrize(
    ("values", "steps", "save_every_steps"),
    [
        ({"epochs": 2}, 12, 6),
        ({"epochs": 2, "train_split": "train[:50%]"}, 6, 3),
        ({"epochs": 2, "save_every_epochs": 3}, 12, 18),
        ({"epochs": 2, "save_every_steps": 4}, 12, 4),
        ({"epochs": None, "steps": 7}, 7, 6),
    ],
)
def test_epochs_are_so_many_steps(resolve, values, steps, save_every_steps):
    config = resolve(**values)
    assert config.training.steps == steps
    assert config.checkpoints.save_every_steps == save_every_steps


@pytest.mark.parametrize(
    ("part", "held_out", "steps"), [(0.25, 18, 8), (0.001, 1, 10), (0.5, 36, 6)]
)
def test_what_is_held_out_in_turn_is_watched_and_shortens_an_epoch(resolve, part, held_out, steps):
    config = resolve(rotating_validation=part, patience=3)
    assert config.training.validation_split == "rotating"
    assert config.data.order(72).held_out == held_out
    assert config.training.steps == steps


def test_a_dataset_has_no_split_of_the_name_of_what_is_held_out_in_turn(card, prepared):
    other = dataclasses.replace(card, splits={**card.splits, "rotating": card.splits["test"]})
    values = {"data_dir": str(prepared), "rotating_validation": 0.1, "batch_size": 12, "epochs": 2}
    config = with_values(RunConfig(), model="lenet", **values)
    with pytest.raises(UserError, match="has a split 'rotating', and so `rotating_validation`"):
        training_flags.resolve(config, other)


@given(
    batch_size=st.integers(1, 36),
    rotating=st.sampled_from([0.0, 0.1, 0.5]),
    chunk=st.none() | st.integers(1, 72),
    split=st.sampled_from(["train", "train+test", "validation[:20]+train"]),
    saves=st.sampled_from([{}, {"save_every_epochs": 2}, {"save_every_steps": 5}]),
)
@settings(max_examples=30)
def test_what_is_filled_in_once_stays(resolve, card, batch_size, rotating, chunk, split, saves):
    config = resolve(
        batch_size=batch_size,
        rotating_validation=rotating,
        shuffle_chunk=chunk,
        train_split=split,
        **saves,
    )
    assert training_flags.resolve(config, card) == config


@pytest.mark.parametrize("patience", ["patience", "reduce_lr_patience"])
def test_patience_needs_something_to_watch(resolve, patience):
    resolve(**{patience: 3})
    with pytest.raises(UsageError, match="name something with `validation_split`"):
        resolve(**{patience: 3, "train_split": "train+validation+test"})


@pytest.mark.parametrize(
    ("values", "kind", "said"),
    [
        ({"train_split": "fold_0"}, UserError, "no split 'fold_0'"),
        ({"validation_split": "train[:10]"}, UsageError, "share 10 records"),
        ({"resize_to": (4, 4)}, UsageError, "`resize_to`=4,4 is smaller"),
        ({"crop": "random"}, UsageError, "`crop`=random cuts the model's input"),
        ({"mixup": 0.2, "lanes": 12}, UsageError, "`mixup` and `cutmix` mix images of one lane"),
        ({"cache": "memory", "crop": "resized"}, UsageError, "`cache`=memory keeps decoded"),
    ],
)
def test_what_does_not_go_with_the_dataset_is_refused(resolve, values, kind, said):
    with pytest.raises(kind, match=said):
        resolve(**values)


def test_a_batch_larger_than_the_split_is_no_run_of_no_steps(resolve):
    with pytest.raises(UserError, match="72 records, fewer than one batch of 73"):
        resolve(batch_size=73)


def test_loss_and_monitor_are_those_that_suit_the_labels_unless_they_are_said(resolve, card):
    several = dataclasses.replace(card, multi_label=True)
    for labels, expected in ((card, ("cross_entropy", "rank1")), (several, ("binary", "map"))):
        config = resolve(card=labels)
        assert (config.optimization.loss, config.training.monitor) == expected
        assert config.dataset.multi_label == labels.multi_label == config.is_binary
    said = resolve(card=several, loss="binary_focal", monitor="rank5")
    assert (said.optimization.loss, said.training.monitor) == ("binary_focal", "rank5")
    assert resolve(loss="binary").is_binary
    assert not resolve(loss="focal").is_binary


def test_what_is_for_several_labels_or_for_one_is_refused_elsewhere(resolve, card):
    for monitor in ("map", "f1"):
        with pytest.raises(
            UsageError, match=f"`monitor`: {monitor} is .* use rank1, rank5 or loss"
        ):
            resolve(monitor=monitor)
    several = dataclasses.replace(card, multi_label=True)
    with pytest.raises(UsageError, match="`loss`=focal takes images of one label"):
        resolve(card=several, loss="focal")


def test_a_run_from_before_there_were_losses_goes_on(resolve):
    config = resolve()
    earlier = resume.fingerprint(config)
    del earlier["loss"], earlier["loss_options"], earlier["monitor"]
    assert resume.differences(earlier, resume.fingerprint(config)) == {}
    told = {"loss": "`loss` was cross_entropy and is focal"}
    assert resume.differences(earlier, resume.fingerprint(resolve(loss="focal"))) == told
