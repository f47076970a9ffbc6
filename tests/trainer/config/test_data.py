"""What the fields about data make of text, and what is filled in."""

import dataclasses

import pytest

from headrace.errors import UsageError, UserError
from input.dataset import dataset_dir
from trainer.config import data
from trainer.config.data import DataConfig, SizeParser


def test_image_sizes_are_rows_and_columns():
    parse = SizeParser().parse
    assert parse("") == ()
    assert parse("32") == (32, 32)
    assert parse("32,48") == (32, 48)
    assert SizeParser().format((32, 48)) == "32,48"
    for text in ("1,2,3", "0", "a", "3,", "-1", "1.5"):
        with pytest.raises(ValueError, match="expected ROWS,COLUMNS"):
            parse(text)


@pytest.fixture(scope="module")
def card(prepared):
    return dataset_dir.read_card(str(prepared))


def resolved(prepared, card, **values) -> DataConfig:
    return data.resolve(DataConfig(data_dir=str(prepared), **values), card)


def test_what_is_left_out_suits_the_dataset_and_the_batch(prepared, card):
    config = resolved(prepared, card, batch_size=12)
    assert (config.image_size, config.resize_to) == ((8, 8), (8, 8))
    assert (config.lanes, config.shuffle_chunk, config.shuffle_window) == (4, 1, 1)


def test_what_is_given_stays(prepared, card):
    values = {"image_size": (6, 7), "lanes": 2, "shuffle_chunk": 3, "shuffle_window": 5}
    config = resolved(prepared, card, batch_size=12, **values)
    assert all(getattr(config, name) == value for name, value in values.items())
    assert config.resize_to == (6, 7)
    order = config.order(72)
    assert (order.lanes, order.chunk, order.window, order.steps_per_epoch) == (2, 3, 5, 6)


def test_images_that_differ_in_size_need_one(prepared, card):
    mixed = dataclasses.replace(
        card, image_size={"rows": {"min": 3, "max": 9}, "columns": {"min": 4, "max": 4}}
    )
    with pytest.raises(UserError, match=r"3-9 rows, 4-4 columns\); say `image_size`=ROWS,COLUMNS"):
        resolved(prepared, mixed)
    assert resolved(prepared, mixed, image_size=(5, 5)).image_size == (5, 5)


@pytest.mark.parametrize("sampling", ["stratified", "balanced"])
def test_batches_by_class_of_images_of_several_are_refused(prepared, card, sampling):
    several = dataclasses.replace(card, multi_label=True)
    with pytest.raises(UsageError, match=rf"`batch_sampling`={sampling} .*`class_weights`"):
        resolved(prepared, several, batch_size=12, batch_sampling=sampling)
    assert resolved(prepared, several, batch_size=12).batch_sampling == "natural"


def test_an_order_that_there_is_not_is_refused(prepared, card):
    with pytest.raises(UserError, match="72 records, fewer than one batch of 73"):
        resolved(prepared, card, batch_size=73)
    with pytest.raises(UsageError, match="`lanes`=5 does not divide `batch_size`=12"):
        resolved(prepared, card, batch_size=12, lanes=5)
