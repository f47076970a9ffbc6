"""The report: everything on it, nothing outside it, and no file name that becomes markup."""

import html.parser
import re

import pytest

from beam_pipelines import report
from input.dataset_dir import Card, Shard, Split

NASTY = "<script>alert('&')</script>"
VOID = {"meta", "img", "br"}


def make_card(**changes) -> Card:
    sizes = {"min": 7, "p5": 8, "p50": 9, "p95": 10, "max": 4321}
    fields = {
        "name": "flowers",
        "classes": ["rose", NASTY],
        "encoding": "keep",
        "channels": 3,
        "mean": [101.125, 102.25, 103.5],
        "std": [51.0, 52.0, 53.0],
        "image_size": {"rows": sizes, "columns": sizes},
        "splits": {
            "train": Split([1500, 500], [Shard("flowers-train", 2000, 2_500_000, "ab")]),
            "test": Split([30, 10], [Shard("flowers-test", 40, 50_000, "cd")]),
        },
        "split_fractions": {"train": 0.98, "test": 0.02},
        "seed": 42,
        "source": {"spec": f"folder:{NASTY}", "images": 2041, "quarantined": 1, "fingerprint": "e"},
        "fingerprint": "0123abcd",
        "command": ["python", "-m", "beam_pipelines.prepare", "--name=two words"],
        "headrace": "1.2.3",
    }
    return Card(**{**fields, **changes})


def render(**changes) -> str:
    samples = {"rose": [("rose/1.jpg", b"\xff\xd8one")], NASTY: [(NASTY, b"\xff\xd8two")]}
    rejected = [{"path": NASTY, "reason": "truncated", "detail": "a < b"}]
    return report.render(make_card(**changes), samples, rejected)


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
    assert len(sources) == 2
    assert all(source.startswith("data:image/jpeg;base64,") for source in sources)


def test_every_number_is_on_the_page():
    page = render()
    for number in ("2,040 images", "1,500", "75.0%", "4,321", "101.125", "53.000", "2.5", "42"):
        assert number in page, number
    for text in ("0123abcd", "Headrace 1.2.3", "truncated", "a &lt; b", "train 0.98, test 0.02"):
        assert text in page, text
    assert "--name=two words" in page


def test_the_largest_class_has_the_longest_bar():
    widths = [float(width) for width in re.findall(r"width:([0-9.]+)rem", render())]
    assert len(widths) == 2
    assert widths[0] / widths[1] == pytest.approx(3, rel=0.01)


def test_a_clean_grey_dataset_says_so():
    page = report.render(make_card(channels=1, mean=[1.0], std=[2.0]), {}, [])
    assert "Every file is a sound image." in page
    assert "<td>grey</td>" in page
