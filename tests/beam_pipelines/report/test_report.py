"""The report: everything on it, nothing outside it, and no file name that becomes markup."""

import html.parser
import re

import pytest

from beam_pipelines.report import report
from input.dataset.dataset_dir import Shard, Split
from tests.beam_pipelines.cards import NASTY, draw, make_card, picture

VOID = {"meta", "img", "br"}


SUMMARY = {
    "histograms": {
        "rows": {"edges": [7, 500, 4321], "counts": [2000, 40]},
        "columns": {"edges": [7, 500, 4321], "counts": [1999, 41]},
        "aspect": {"edges": [-1.0, 0.0, 1.0], "counts": [30, 2010]},
    },
    "samples": [picture("rose/1.jpg"), picture(NASTY, label=1)],
    "near_bits": 6,
    "rejected": [{"path": NASTY, "reason": "truncated", "detail": "a < b"}],
    "duplicate_samples": [
        {
            "pixels": "ab",
            "size": 40,
            "labels": 2,
            "images": [
                picture("rose/1.jpg", split=0, dropped=None),
                picture("twin.jpg", label=1, split=None, dropped="duplicate"),
            ],
        },
        {
            "distance": 5,
            "size": 2,
            "labels": 1,
            "images": [
                picture("like.jpg", split=1, dropped=None),
                picture("rose/1.jpg", split=0, dropped=None),
            ],
        },
    ],
}


def render(summary=SUMMARY, **changes) -> str:
    return report.render(make_card(**changes), summary, draw)


class Checker(html.parser.HTMLParser):
    """Collects text and attributes, and makes sure that tags are closed in order."""

    def __init__(self):
        super().__init__()
        self.open, self.text, self.attributes = [], [], []

    def handle_starttag(self, tag, attrs):
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_is_well_formed_and_names_cannot_become_markup():
    page = render()
    checker = Checker()
    checker.feed(page)
    assert checker.open == []
    assert "<script" not in page
    assert " ".join(checker.text).count(NASTY) >= 3


def test_the_page_needs_nothing_but_itself():
    checker = Checker()
    checker.feed(render())
    sources = [value for name, value in checker.attributes if name in ("src", "href")]
    assert len(sources) == 6
    assert all(source.startswith("data:image/jpeg;base64,") for source in sources)


def test_every_number_is_on_the_page():
    page = render()
    for number in ("2,040 images", "1,500", "75.0%", "4,321", "101.125", "53.000", "2.5", "42"):
        assert number in page, number
    for text in ("0123abcd", "Headrace 1.2.3", "truncated", "a &lt; b", "train 0.98, test 0.02"):
        assert text in page, text
    for text in ("77 (not applied)", "1,999 images", "0.50", "2.00"):
        assert text in page, text
    assert "2,051 files in the source = 2,040 records + 1 quarantined + 10 duplicates" in page
    assert "python -m beam_pipelines.prepare \\\n  &#x27;--name=two words&#x27;" in page


def test_duplicates_stand_side_by_side_with_what_became_of_them():
    page = render()
    for text in (
        "8 groups",
        "1 of them under more than one class",
        "7 images dropped",
        "the same picture under more than one class",
        "2 of 40 images",
        "<span>dropped</span><span>twin.jpg</span>",
        "The first 1 are here",
        "Within 6 of 64 bits",
        "5 of 64 bits differ",
        '<span class="class">rose</span><span>test</span><span>like.jpg</span>',
    ):
        assert text in page, text
    assert page.index("twin.jpg") < page.index("like.jpg")


def test_the_bar_of_a_class_is_as_long_as_its_share_of_the_largest():
    widths = [float(width) for width in re.findall(r"width:([0-9.]+)rem;background", render())]
    assert len(widths) == 4  # two classes, two splits
    assert sum(widths[:2]) / sum(widths[2:]) == pytest.approx(3, rel=0.01)


def test_a_clean_grey_dataset_says_so():
    summary = {**SUMMARY, "samples": [], "rejected": [], "duplicate_samples": []}
    page = render(summary, channels=1, mean=[1.0], std=[2.0])
    assert "Every file is a sound image." in page
    assert "No two images have the same pixels." in page
    assert "<td>grey</td>" in page


def test_one_size_for_all_images_is_said_and_not_drawn():
    one = {"edges": [27.5, 28.5], "counts": [2040]}
    aspect = {"edges": [0.5, 1.5], "counts": [2040]}
    page = render({**SUMMARY, "histograms": {"rows": one, "columns": one, "aspect": aspect}})
    assert page.count("all 28<") == 2
    assert "all 2.00<" in page
    assert "<svg" not in page


def test_folds_are_not_called_a_training_split():
    split = Split([1500, 500], [Shard("flowers-fold", 2000, 2_500_000, "ab")])
    page = render(splits={"fold_0": split, "fold_1": split})
    assert "Channels of all folds" in page
    assert "Samples of the first fold" in page
    assert "training split" not in page


def test_the_page_does_not_grow_with_classes_beyond_a_thousand():
    pages = []
    for classes in (1_500, 30_000):
        split = Split([2] * classes, [Shard("flowers-train", 2 * classes, 2_500_000, "ab")])
        names = [f"class {label:05d}" for label in range(classes)]
        pages.append(
            render(
                {**SUMMARY, "samples": []}, classes=names, splits={"train": split, "test": split}
            )
        )
        assert f"The first 1,000 of {classes:,} classes" in pages[-1]
    assert abs(len(pages[0]) - len(pages[1])) < 100
