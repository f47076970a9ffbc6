"""Names of parts of a dataset: the records that TensorFlow Datasets takes them for."""

import dataclasses

import pytest
import tensorflow_datasets as tfds
from hypothesis import given
from hypothesis import strategies as st

from beam_pipelines.planning import sharding
from headrace.errors import UsageError, UserError
from input.dataset import dataset_dir, split_spec
from input.dataset.dataset_dir import Card
from input.dataset.split_spec import Slice, parse
from tests.beam_pipelines.jobs import prepare
from tests.conftest import write_images


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """47 records to train on in shards of unequal length, and 13 to test on."""
    folder = tmp_path_factory.mktemp("slices")
    write_images(folder / "source", {"dark": 25, "light": 35})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sharding, "shard_count", lambda *_: 4)
        prepare(folder / "source", folder / "data", splits="test:13")
    return folder / "data"


@pytest.fixture(scope="module")
def card(data) -> Card:
    return dataset_dir.read_card(str(data))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("train", [Slice("train", 0, 47)]),
        ("train[:90%]", [Slice("train", 0, 42)]),
        ("train[90%:]", [Slice("train", 42, 47)]),
        ("train[40:]", [Slice("train", 40, 47)]),
        ("train[-5:]", [Slice("train", 42, 47)]),
        ("test+train[:10]", [Slice("test", 0, 13), Slice("train", 0, 10)]),
        ("train[20:30]+train[:10]", [Slice("train", 20, 30), Slice("train", 0, 10)]),
        ("all", [Slice("train", 0, 47), Slice("test", 0, 13)]),
    ],
)
def test_a_name_stands_for_records_in_the_order_of_its_parts(data, card, text, expected):
    assert parse(str(data), card, text) == expected
    assert split_spec.records(expected) == sum(each.stop - each.start for each in expected)


@pytest.mark.parametrize("text", ["train[:33%]", "train[33%:]+test[50%:]", "train[1shard:3shard]"])
def test_tensorflow_datasets_finds_the_same_records(data, card, text):
    builder = tfds.builder_from_directory(str(data))
    theirs = [each["file_name"] for each in tfds.as_numpy(builder.as_dataset(split=text))]
    everything = {
        split: [each["file_name"] for each in tfds.as_numpy(builder.as_dataset(split=split))]
        for split in card.splits
    }
    ours = [
        name
        for each in parse(str(data), card, text)
        for name in everything[each.split][each.start : each.stop]
    ]
    assert ours == theirs


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        (
            "train[",
            UsageError,
            r"'train\[' names no part of a dataset: expected 'train', or slices",
        ),
        ("train[a:b]", UsageError, "names no part"),
        ("train[:300%]", UsageError, "names no part"),
        ("all[:10%]", UsageError, "names no part"),
        ("", UsageError, "names no part"),
        ("trian", UserError, "has no split 'trian'; it has 'train', 'test'"),
        ("trian[:10%]", UserError, "has no split 'trian'; it has 'train', 'test'"),
        ("train+tset", UserError, "has no split 'tset'; it has 'train', 'test'"),
        ("train[:48]", UserError, "requested slice .* incompatible with 47 examples"),
        ("train[5:5]", UserError, r"train\[5:5\] has no records"),
        ("train+test[:1%]", UserError, r"test\[0:0\] has no records"),
        ("train[:10]+train[5:20]", UserError, "names 5 records twice"),
    ],
)
def test_what_names_nothing_or_twice_the_same_is_told(data, card, text, kind, said):
    with pytest.raises(UserError, match=said) as caught:
        parse(str(data), card, text)
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)


PARTS = st.sampled_from([*"[]:%+-_15", "train", "test", "all", "shard", "abs", "9" * 21])


@given(st.lists(PARTS, max_size=8).map("".join) | st.text(max_size=12))
def test_any_text_is_either_a_name_or_a_mistake_of_the_user(data, card, text):
    try:
        found = parse(str(data), card, text)
    except UserError:
        return
    assert all(0 <= each.start < each.stop <= card.splits[each.split].records for each in found)


@given(cuts=st.lists(st.integers(0, 60), min_size=4, max_size=4))
def test_shared_records_are_counted(cuts):
    one, other = Slice("train", *sorted(cuts[:2])), Slice("train", *sorted(cuts[2:]))
    common = set(range(one.start, one.stop)) & set(range(other.start, other.stop))
    assert split_spec.shared([one], [other]) == len(common)
    assert split_spec.shared([one], [dataclasses.replace(other, split="test")]) == 0
