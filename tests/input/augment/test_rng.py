"""Random numbers of a batch: pure, elastic and independent of one another."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from input.augment.rng import BatchRng


def drawn(name="flip", seed=1, step=5, first=0, count=64, shape=()):
    step = tf.constant(step, tf.int64)
    return BatchRng(seed, step, 64, first, count).uniform(name, *shape).numpy()


@given(first=st.integers(0, 63), data=st.data(), step=st.integers(0, 2**40))
def test_a_pipeline_draws_its_part_of_the_batch(first, data, step):
    count = data.draw(st.integers(1, 64 - first))
    for shape in ((), (3,)):
        whole = drawn(step=step, shape=shape)
        part = drawn(step=step, first=first, count=count, shape=shape)
        np.testing.assert_array_equal(part, whole[first : first + count])


def test_names_seeds_and_steps_give_independent_numbers():
    one = drawn()
    for other in (drawn(name="shift"), drawn(seed=2), drawn(seed=1 + 2**32), drawn(step=6)):
        assert abs(np.corrcoef(one, other)[0, 1]) < 0.4
    np.testing.assert_array_equal(one, drawn())


def test_numbers_are_uniform_and_chances_hold():
    many = np.concatenate([drawn(step=step) for step in range(100)])
    assert many.min() >= 0 and many.max() < 1
    np.testing.assert_allclose(many.mean(), 0.5, atol=0.02)
    rng = BatchRng(1, tf.constant(0, tf.int64), 10_000, 0, 10_000)
    np.testing.assert_allclose(rng.bernoulli("erase", 0.25).numpy().mean(), 0.25, atol=0.02)
    assert -3 <= rng.uniform("turn", low=-3, high=5).numpy().min() < -2.9


def many(count=20_000, step=0):
    return BatchRng(1, tf.constant(step, tf.int64), count, 0, count)


@pytest.mark.parametrize("limit", [1, 2, 7, 25, 1000])
def test_whole_numbers_are_below_their_limit_and_equally_frequent(limit):
    drawn = many().randint("op", limit, 3).numpy()
    assert drawn.dtype == np.int32
    assert drawn.shape == (20_000, 3)
    counts = np.bincount(drawn.ravel(), minlength=limit)
    assert len(counts) == limit
    np.testing.assert_allclose(counts, 60_000 / limit, atol=6 * np.sqrt(60_000 / limit))


def test_the_largest_uniform_number_stays_below_any_limit():
    largest = np.float32(1 - 2**-23)
    assert many().uniform("any", 100).numpy().max() <= largest
    limits = np.arange(1, 100_000, dtype=np.float32)
    assert (largest * limits < limits).all()


@pytest.mark.parametrize("alpha", [0.001, 0.1, 0.2, 0.4, 1.0, 2.0, 50.0])
def test_beta_has_its_mean_and_variance(alpha):
    drawn = many().beta("share", alpha).numpy()
    assert drawn.dtype == np.float32
    assert ((drawn >= 0) & (drawn <= 1)).all()
    np.testing.assert_allclose(drawn.mean(), 0.5, atol=0.015)
    np.testing.assert_allclose(drawn.var(), 1 / (8 * alpha + 4), rtol=0.05)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 3.0])
def test_beta_has_its_distribution(alpha):
    quantiles = np.linspace(0.1, 0.9, 17)
    below = many().beta("share", alpha).numpy() <= stats.beta.ppf(quantiles, alpha, alpha)[:, None]
    np.testing.assert_allclose(below.mean(1), quantiles, atol=6 * 0.5 / np.sqrt(20_000))


@given(first=st.integers(0, 63), data=st.data(), step=st.integers(0, 2**40))
def test_a_pipeline_draws_its_part_of_other_distributions(first, data, step):
    count = data.draw(st.integers(1, 64 - first))
    step = tf.constant(step, tf.int64)
    whole, part = BatchRng(1, step, 64, 0, 64), BatchRng(1, step, 64, first, count)
    for name, rest in (("beta", ("share", 0.3)), ("randint", ("op", 9, 2))):
        numbers = getattr(whole, name)(*rest).numpy()
        np.testing.assert_array_equal(getattr(part, name)(*rest), numbers[first : first + count])
