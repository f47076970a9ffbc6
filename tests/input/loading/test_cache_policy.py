"""Where decoded images are kept: nowhere, in memory or on disk."""

import dataclasses

import psutil
import pytest

from headrace.errors import UsageError, UserError
from input.dataset import dataset_dir
from input.loading import cache_policy
from input.preprocessing.spec import Preprocessing

VIEW = Preprocessing((32, 32))


@pytest.fixture
def card(prepared):
    return dataset_dir.read_card(str(prepared))


def test_small_datasets_are_kept_in_memory_and_large_ones_are_not(card):
    assert cache_policy.choose("auto", card, 50_000, VIEW) == "memory"
    assert cache_policy.choose("auto", card, 2**31, VIEW) == "none"


def test_what_is_asked_for_is_done(card):
    for asked in ("memory", "disk", "none"):
        assert cache_policy.choose(asked, card, 100, VIEW) == asked


def test_what_does_not_fit_into_memory_is_refused(card):
    records = psutil.virtual_memory().total // (32 * 32)
    with pytest.raises(UserError, match=r"`cache`=memory: .* use `cache`=disk or `cache`=none"):
        cache_policy.choose("memory", card, records, VIEW)


def test_resized_crops_can_be_kept_only_of_bare_pixels_of_one_size(card):
    bare = dataclasses.replace(card, encoding="raw")
    sizes = {"rows": {"min": 8, "max": 8}, "columns": {"min": 8, "max": 9}}
    assert (
        cache_policy.cacheable_preprocessing(card, VIEW, "none")
        == cache_policy.cacheable_preprocessing(card, VIEW, "random")
        == VIEW
    )
    assert cache_policy.cacheable_preprocessing(bare, VIEW, "resized") == Preprocessing((8, 8))
    for other in (card, dataclasses.replace(bare, image_size=sizes)):
        assert cache_policy.cacheable_preprocessing(other, VIEW, "resized") is None
    assert (
        cache_policy.choose("auto", card, 100, None)
        == cache_policy.choose("none", card, 100, None)
        == "none"
    )
    for asked in ("memory", "disk"):
        with pytest.raises(UsageError, match=f"`cache`={asked} .* `crop`=resized"):
            cache_policy.choose(asked, card, 100, None)
