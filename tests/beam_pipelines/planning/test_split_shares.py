"""`--splits`: what each form means, and which are refused."""

from fractions import Fraction

import pytest

from beam_pipelines.planning import split_shares
from headrace.errors import UsageError


def test_fractions_are_exact():
    assert split_shares.fractions("train:0.7,validation:0.2,test:0.1", 10, set()) == {
        "train": Fraction(7, 10),
        "validation": Fraction(2, 10),
        "test": Fraction(1, 10),
    }


@pytest.mark.parametrize(
    ("images", "test"), [(999, "0.2"), (1_000, "0.1"), (9_999, "0.1"), (10_000, "0.05")]
)
def test_auto_follows_the_rule_of_thumb(images, test):
    shares = split_shares.fractions("auto", images, set())
    assert shares["test"] == Fraction(test)
    assert shares["validation"] == (1 - Fraction(test)) / 10
    assert sum(shares.values()) == 1
    assert list(shares) == split_shares.names("auto", set()) == ["train", "validation", "test"]


def test_auto_makes_only_what_the_source_lacks():
    assert split_shares.fractions("auto", 50_000, {"train", "test"}) == {
        "train": Fraction(9, 10),
        "validation": Fraction(1, 10),
    }
    assert split_shares.fractions("auto", 50, {"train", "validation", "test"}) == {"train": 1}


def test_sizes_are_met_exactly_and_train_gets_the_rest():
    shares = split_shares.fractions("validation:70,test:30", 1_001, set())
    assert {name: share * 1_001 for name, share in shares.items()} == {
        "train": 901,
        "validation": 70,
        "test": 30,
    }
    assert split_shares.fractions("train:3,test:1", 4, set()) == {
        "train": Fraction(3, 4),
        "test": Fraction(1, 4),
    }


@pytest.mark.parametrize("text", ["train:3,test:1", "test:6", "train:5,test:1"])
def test_sizes_that_do_not_fit_are_refused(text):
    with pytest.raises(UsageError, match="images"):
        split_shares.fractions(text, 5, set())


def test_folds_are_equal():
    shares = split_shares.fractions("kfold:5", 100, set())
    assert shares == {f"fold_{number}": Fraction(1, 5) for number in range(5)}


@pytest.mark.parametrize(
    "text",
    [
        "train:0.8,test:0.1",
        "train:0.8,test:0.3",
        "train:1,test:0",
        "train:1.5,test:-0.5",
        "train:0.5,train:0.5",
        "learn:0.5,test:0.5",
        "train",
        "train:x,test:0.5",
        "train:1/0",
        "train:1e400,test:0.5",
        "train:1e999999999,test:1",
        f"train:0.5,{'t' * 65}:0.5",
        f"train:0.5,{'ü' * 33}:0.5",
        "train:0.5,all:0.5",
        "Train:1",
        "train:0.5,test:100",
        "kfold:1",
        "kfold:x",
        "automatic",
    ],
)
def test_impossible_splits_are_refused(text):
    with pytest.raises(UsageError, match="`splits`"):
        split_shares.names(text, set())
