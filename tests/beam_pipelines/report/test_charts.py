"""Bar charts: heights and widths are the numbers, and no name becomes markup."""

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_pipelines.report import charts
from tests.beam_pipelines.cards import NASTY

counts_of_bins = st.lists(st.integers(0, 10**7), min_size=1, max_size=24).filter(any)


def drawn(counts: list[int], edges: list[float] | None = None, label="width", edge="{:.0f}"):
    """A histogram, as a tree of elements."""
    edges = edges or [float(number) for number in range(len(counts) + 1)]
    return ElementTree.fromstring(charts.histogram(edges, counts, label, edge))


@given(counts_of_bins)
def test_a_bar_is_as_high_as_its_share_of_the_largest(counts):
    bars = list(drawn(counts).iter("rect"))
    assert len(bars) == len(counts)
    heights = [float(bar.get("height", "")) for bar in bars]
    for bar, height, count in zip(bars, heights, counts, strict=True):
        assert height == pytest.approx(110 * count / max(counts), abs=0.051)
        # All stand on the same ground.
        assert float(bar.get("y", "")) + height == pytest.approx(110, abs=0.11)


@given(counts_of_bins)
def test_bars_fill_the_chart_side_by_side_from_left_to_right(counts):
    bars = list(drawn(counts).iter("rect"))
    lefts = [float(bar.get("x", "")) for bar in bars]
    assert lefts == sorted(lefts)
    assert lefts[0] == 0
    for bar, left, after in zip(bars, lefts, [*lefts[1:], 420], strict=True):
        assert left + float(bar.get("width", "")) == pytest.approx(after - 1, abs=0.16)


def test_a_bar_tells_its_bin_and_its_images():
    titles = [title.text for title in drawn([1234, 0], [0.5, 1.25, 2], edge="{:.2f}").iter("title")]
    assert titles == ["0.50 to 1.25: 1,234 images", "1.25 to 2.00: 0 images"]


@pytest.mark.parametrize(
    ("edges", "written"),
    [
        ([0, 10], ["0", "10"]),
        ([0, 10, 30], ["0", "10", "30"]),
        ([0, 10, 30, 40], ["0", "40"]),
        ([0, 1, 2, 3, 4], ["0", "2", "4"]),
        ([7.1, 7.2, 7.9], ["7", "8"]),
    ],
)
def test_the_ends_of_the_axis_are_written_and_an_edge_in_its_middle(edges, written):
    tree = drawn([1] * (len(edges) - 1), edges)
    (axis,) = (part for part in tree.iter("div") if part.get("class") == "axis")
    assert [span.text for span in axis] == written


def test_the_highest_bar_is_counted_and_a_label_cannot_become_markup():
    tree = drawn([5, 2000], label=NASTY)
    assert tree.findtext("figcaption") == NASTY
    assert tree.find("svg").get("aria-label") == NASTY
    assert tree.findtext("div") == "2,000 images"


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=12).filter(any), st.integers(1, 50))
def test_the_parts_of_a_bar_are_as_wide_as_their_numbers(parts, times):
    largest = times * sum(parts)
    bar = ElementTree.fromstring(charts.stacked_bar(parts, largest, 14))
    styles = [
        re.fullmatch(r"width:([0-9.]+)rem;background:(#\w+)", span.get("style", "")) for span in bar
    ]
    assert [style[2] for style in styles] == [
        charts.colour(number) for number, part in enumerate(parts) if part
    ]
    widths = [float(style[1]) for style in styles]
    expected = [14 * part / largest for part in parts if part]
    assert widths == pytest.approx(expected, abs=0.0051)


def test_the_legend_tells_the_colour_of_every_part_in_its_order():
    names = ["train", NASTY, *(f"fold_{number}" for number in range(8))]
    keys = ElementTree.fromstring(f"<p>{charts.legend(names)}</p>")
    assert ["".join(key.itertext()) for key in keys] == names
    colours = [key.find("i").get("style").removeprefix("background:") for key in keys]
    assert colours == [charts.colour(number) for number in range(10)]
    assert len(set(colours[:8])) == 8
    assert colours[8:] == colours[:2]
