"""What decides the order of records: what is chosen for it, and what is refused."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import UserError
from input.sampling import order
from input.sampling.order import Order


@pytest.mark.parametrize(
    ("asked", "pipelines", "said"),
    [
        (Order(7, 8, 8, 0), 1, "7 records, fewer than one batch of 8; use `batch_size`=7"),
        (Order(70, 8, 3, 0), 1, "`lanes`=3 does not divide `batch_size`=8; use `lanes`=1"),
        (Order(70, 8, 4, 0), 3, "`lanes`=4 does not divide over 3 workers; use `lanes`=12"),
        (
            Order(70, 64, 8, 0, held_out=7),
            1,
            "70 records, less 7 held out, fewer than one batch of 64; use `batch_size`=63",
        ),
        (
            Order(70, 8, 8, 0, sampling="balanced", held_out=7),
            1,
            "`batch_sampling`=balanced makes batches of all records, and `rotating_validation`",
        ),
    ],
)
def test_an_impossible_order_is_refused(asked, pipelines, said):
    with pytest.raises(UserError, match=said):
        order.check(asked, pipelines)


def test_the_last_epoch_of_a_run_is_the_one_that_its_last_step_lies_in():
    asked = Order(72, 16, 8, 0, held_out=18)
    assert asked.steps_per_epoch == 3
    assert [asked.last_epoch(step) for step in range(8)] == [0, 0, 0, 0, 1, 1, 1, 2]


def test_the_lanes_of_a_batch_divide_it():
    assert [order.default_lanes(size) for size in (1, 6, 20, 100, 128)] == [1, 2, 4, 4, 8]


@given(st.integers(1, 10**8), st.integers(1, 10**7))
def test_a_chunk_is_about_a_mebibyte_and_a_split_has_128(records, record_bytes):
    chunk = order.default_chunk(records, records * record_bytes)
    assert 1 <= chunk <= max(1, records // 128)
    if 1 < chunk < records // 128:
        assert 2 / 3 <= chunk * record_bytes / 2**20 <= 4 / 3


@given(st.integers(1, 10**7), st.integers(1, 1000), st.integers(2, 1000))
def test_a_window_mixes_about_128_chunks_and_no_window_is_short(records, batch_size, chunk):
    window = order.default_window(records, batch_size, chunk)
    steps = records // batch_size
    assert 1 <= window <= max(1, steps)
    if window < steps:
        assert (window * batch_size) / chunk >= 63
        assert ((window - 1) * batch_size) / chunk <= 193
        windows = math.ceil(steps / window)
        assert windows * window - steps < windows


def test_chunks_of_known_datasets():
    assert order.default_chunk(50_000, 50_000 * 3_200) == 328  # CIFAR-10, pixels
    assert order.default_window(50_000, 128, 328) == 390  # the whole epoch: 152 chunks
    assert order.default_chunk(1_281_167, 1_281_167 * 110_000) == 10  # ImageNet
    assert order.default_window(1_281_167, 256, 10) == 5
    assert order.default_chunk(72, 72 * 300) == order.default_window(72, 16, 1) == 1
