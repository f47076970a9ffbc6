"""Thumbnails: each image once, with what became of it, and what is not shown is counted."""

import base64
import re

import pytest

from beam_pipelines.report import thumbnails
from input.dataset.dataset_dir import Card
from tests.beam_pipelines.cards import NASTY, draw, make_card, picture


def images_of(page: str) -> list[bytes]:
    """What the thumbnails of a page hold, in order."""
    found = re.findall(r'src="data:image/jpeg;base64,([^"]*)"', page)
    return [base64.b64decode(data) for data in found]


def group(*images: dict, size=0, labels=1, **kind) -> dict:
    return {"images": list(images), "size": size or len(images), "labels": labels, **kind}


def member(path: str, split: int | None = 0, dropped: str | None = None, label=0) -> dict:
    return picture(path, label, split=split, dropped=dropped)


def card_of(classes: int = 2, **duplicates: int) -> Card:
    counts = {"groups": 0, "conflicts": 0, "leaks": 0, "near": 0, **duplicates}
    return make_card(classes=[f"class {n}" for n in range(classes)], duplicates=counts)


def test_samples_stand_by_class_each_once_and_the_other_classes_are_counted():
    samples = [picture("a", 1), picture("b", 1), picture("c", 4)]
    page = thumbnails.sample_grid(card_of(1500), samples, draw)
    assert images_of(page) == [draw(sample) for sample in samples]
    assert re.findall("<h3>(.*?)</h3>", page) == ["class 1", "class 4"]
    assert page.index("class 1") < page.index('alt="a"') < page.index("class 4")
    assert "and 1,498 more classes" in page
    assert "more classes" not in thumbnails.sample_grid(card_of(1), [picture("a", 0)], draw)


def test_names_cannot_become_markup():
    card = make_card(classes=[NASTY, "b"])
    images = [member(NASTY), member("b", label=1)]
    for page in (
        thumbnails.sample_grid(card, images, draw),
        thumbnails.duplicates(card, [group(*images, pixels="ab")], draw),
    ):
        assert "<script" not in page
        assert page.count("&lt;script&gt;") == 3 + ("figcaption" in page)


def test_an_image_of_a_group_tells_its_class_its_split_or_that_it_was_dropped():
    images = [member("a", 1), member("b", 0), member("c", None, "duplicate", label=1)]
    page = thumbnails.duplicates(card_of(groups=1), [group(*images, pixels="ab")], draw)
    captions = re.findall("<figcaption>(.*?)</figcaption>", page)
    assert [re.findall(">([^<>]+)<", caption) for caption in captions] == [
        ["class 0", "test", "a"],
        ["class 0", "train", "b"],
        ["class 1", "dropped", "c"],
    ]


@pytest.mark.parametrize(
    ("kind", "words"),
    [({"pixels": "ab"}, "the same picture under"), ({"distance": 3}, "alike, but under")],
)
def test_a_group_under_two_classes_is_warned_of_also_where_one_of_them_is_not_shown(kind, words):
    def page(labels: int) -> str:
        groups = [group(member("a"), member("b"), size=13, labels=labels, **kind)]
        if "pixels" in kind:
            return thumbnails.duplicates(card_of(groups=1), groups, draw)
        return thumbnails.near_duplicates(card_of(near=1), groups, 6, draw)

    assert f'<p class="warn">{words} more than one class</p>' in page(2)
    assert "warn" not in page(1)


def test_what_a_group_or_a_page_has_no_room_for_is_counted():
    card = card_of(groups=2)
    some = group(member("a"), member("b"), size=1300, pixels="ab")
    every = group(member("c"), member("d"), pixels="cd")
    page = thumbnails.duplicates(card, [some, every], draw)
    assert page.count("images</p>") == page.count("2 of 1,300 images</p>") == 1
    assert "They are in duplicates.jsonl, too." in page
    page = thumbnails.duplicates(card, [some], draw)
    assert "The first 1 are here, all in duplicates.jsonl." in page
    assert len(images_of(page)) == 2


def test_the_numbers_of_duplicates_are_those_of_the_card():
    card = card_of(groups=9, conflicts=1234, leaks=5678)
    page = thumbnails.duplicates(card, [group(member("a"), member("b"), pixels="ab")], draw)
    for words in ("1,234 of them under more", "5,678 in more than one split", "7 images dropped"):
        assert words in page
    assert thumbnails.duplicates(card, [], draw) == "<p>No two images have the same pixels.</p>"


def test_pairs_that_look_alike_tell_how_far_apart_they_are():
    pairs = [group(member("a", 1), member("b"), distance=bits) for bits in (0, 5)]
    page = thumbnails.near_duplicates(card_of(near=3), pairs, 6, draw)
    assert re.findall(r"(\d+) of 64 bits differ", page) == ["0", "5"]
    assert "Within 6 of 64 bits, the nearest first; 3 images dropped" in page
    assert "The first 2 are here" in page


def test_near_duplicates_that_were_not_looked_for_are_told_from_none_found():
    found = thumbnails.near_duplicates(card_of(), [], 0, draw)
    assert found == "<p>No image is within 0 of 64 bits of one of another split.</p>"
    assert "--near_duplicates=BITS" in thumbnails.near_duplicates(card_of(), [], None, draw)
