"""Policies: what they draw, and that the plan is carried out as Pillow would."""

import collections

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from input.augment import ops, policies
from input.augment.rng import BatchRng
from tests.input.augment.pictures import photo
from tests.input.augment.test_ops import PILLOW

SIZE = (32, 64)
MANY = 20_000
POLICIES = {
    "rand": lambda rng: policies.rand_augment(rng, SIZE),
    "trivial": policies.trivial_augment,
    "auto": lambda rng: policies.auto_augment_cifar10(rng, SIZE),
}
EACH = pytest.mark.parametrize("policy", POLICIES.values(), ids=list(POLICIES))


def planned(policy, count=MANY, first=0, of=None, step=0, seed=1):
    plan = policy(BatchRng(seed, tf.constant(step, tf.int64), of or count, first, count))
    return policies.Plan(*(part.numpy() for part in plan))


def drawn_values(plan):
    """All values that each operation got, by its name."""
    return {
        name: sorted(set(plan.value[plan.op == number].tolist()))
        for number, name in enumerate(ops.NAMES)
    }


@EACH
@given(first=st.integers(0, 63), data=st.data(), step=st.integers(0, 2**40))
def test_a_pipeline_plans_its_part_of_the_batch(policy, first, data, step):
    count = data.draw(st.integers(1, 64 - first))
    whole = planned(policy, 64, step=step)
    part = planned(policy, count, first, of=64, step=step)
    for one, other in zip(part, whole, strict=True):
        np.testing.assert_array_equal(one, other[first : first + count])


@EACH
def test_a_plan_is_carried_out_as_pillow_would(policy):
    images = np.stack([np.roll(photo()[:32, :64], shift, 1) for shift in range(48)])
    plan = planned(policy, 48)
    for channels in (1, 3):
        given_images = np.ascontiguousarray(images[..., :channels])
        found = tf.function(policies.apply)(tf.constant(given_images), policies.Plan(*plan)).numpy()
        assert (found.shape, found.dtype) == (given_images.shape, np.uint8)
        for image, op, value, result in zip(given_images, *plan, found, strict=True):
            picture = Image.fromarray(image[..., 0] if channels == 1 else image)
            for number, argument in zip(op, value, strict=True):
                picture = PILLOW[ops.NAMES[number]](picture, float(argument))
            np.testing.assert_array_equal(np.asarray(picture).reshape(image.shape), result)


@EACH
def test_parts_of_a_batch_come_out_as_in_the_whole(policy):
    images = np.stack([np.roll(photo()[:32, :64], shift, 0) for shift in range(16)])
    plan = planned(policy, 16)
    whole = policies.apply(tf.constant(images), policies.Plan(*plan)).numpy()
    for first in range(0, 16, 4):
        part = policies.Plan(*(each[first : first + 4] for each in plan))
        found = policies.apply(tf.constant(images[first : first + 4]), part)
        np.testing.assert_array_equal(found, whole[first : first + 4])


@EACH
def test_seeds_and_steps_give_other_plans_and_the_same_gives_the_same(policy):
    plans = [planned(policy, 64), planned(policy, 64, seed=2), planned(policy, 64, step=1)]
    assert len({plan.op.tobytes() for plan in plans}) == 3
    np.testing.assert_array_equal(plans[0].value, planned(policy, 64).value)


@pytest.mark.parametrize("name", ["rand", "trivial"])
def test_all_fourteen_operations_are_as_frequent(name):
    plan = planned(POLICIES[name])
    counts = np.bincount(plan.op.ravel(), minlength=len(ops.NAMES))
    assert counts[ops.NAMES.index("Invert")] == 0
    wanted = plan.op.size / 14
    np.testing.assert_allclose(counts[:-1], wanted, atol=6 * np.sqrt(wanted))


@pytest.mark.parametrize("count", [1, 3])
def test_randaugment_has_as_many_operations_as_asked_for(count):
    plan = planned(lambda rng: policies.rand_augment(rng, SIZE, count=count), 100)
    assert plan.op.shape == plan.value.shape == (100, count)
    assert (plan.op.dtype, plan.value.dtype) == (np.int32, np.float32)


def test_the_least_magnitude_of_randaugment_is_the_identity_but_for_histograms():
    plan = planned(lambda rng: policies.rand_augment(rng, SIZE, magnitude=0), 500)
    image = photo()[:32, :64]
    for name, values in drawn_values(plan).items():
        for value in values if name not in ("AutoContrast", "Equalize") else []:
            found = ops.OPS[name](tf.constant(image), tf.constant(value))
            np.testing.assert_array_equal(found, image, err_msg=name)


def test_the_largest_magnitude_of_randaugment_is_the_end_of_each_range():
    plan = planned(lambda rng: policies.rand_augment(rng, SIZE, magnitude=30))
    values = drawn_values(plan)
    assert values["Rotate"] == [-30, 30]
    assert values["TranslateX"] == [-29, 29]  # 150 / 331 of 64 columns
    assert values["TranslateY"] == [-14, 14]
    assert values["ShearX"] == values["ShearY"] == pytest.approx([-0.3, 0.3])
    for name in ("Brightness", "Color", "Contrast", "Sharpness"):
        assert values[name] == pytest.approx([0.1, 1.9])
    assert values["Posterize"] == [4]
    assert values["Solarize"] == [0]


def test_both_directions_are_as_likely():
    plan = planned(POLICIES["rand"])
    turns = plan.value[plan.op == ops.NAMES.index("Rotate")]
    assert sorted(set(turns.tolist())) == [-9, 9]
    np.testing.assert_allclose((turns > 0).mean(), 0.5, atol=0.06)


def test_trivialaugment_has_31_magnitudes_of_the_wide_ranges():
    values = drawn_values(planned(POLICIES["trivial"], 60_000))
    np.testing.assert_allclose(values["Rotate"], np.arange(-30, 31) * 4.5, atol=1e-4)
    np.testing.assert_allclose(values["Brightness"], 1 + np.arange(-30, 31) * 0.033, atol=1e-6)
    np.testing.assert_allclose(values["ShearX"], np.arange(-30, 31) * 0.033, atol=1e-6)
    assert values["TranslateX"][::60] == [-32, 32]
    assert values["Posterize"] == [2, 3, 4, 5, 6, 7, 8]
    assert values["Solarize"][::30] == [0, 256]
    assert len(values["Solarize"]) == 31


def test_the_cifar10_policy_has_25_pairs_of_known_operations():
    assert len(policies.CIFAR10) == 25
    for pair in policies.CIFAR10:
        for name, chance, magnitude in pair:
            assert name in ops.NAMES
            assert chance in [tenth / 10 for tenth in range(11)]
            assert magnitude in range(10)
    counted = collections.Counter(name for pair in policies.CIFAR10 for name, _, _ in pair)
    assert counted == {
        "Equalize": 9, "AutoContrast": 7, "TranslateY": 5, "Sharpness": 5, "Color": 5,
        "Brightness": 4, "Solarize": 4, "Invert": 3, "Contrast": 2, "TranslateX": 2,
        "ShearY": 2, "Rotate": 1, "Posterize": 1,
    }  # fmt: skip


def test_autoaugment_does_each_operation_as_often_as_its_table_says():
    plan = planned(POLICIES["auto"])
    wanted: dict = collections.Counter()
    for place in (0, 1):
        for pair in policies.CIFAR10:
            name, chance, _ = pair[place]
            wanted[place, name] += chance / 25
    for (place, name), share in wanted.items():
        found = (plan.op[:, place] == ops.NAMES.index(name)).mean()
        np.testing.assert_allclose(found, share, atol=0.015, err_msg=name)


def test_the_two_halves_of_a_pair_belong_together():
    plan = planned(POLICIES["auto"])
    pairs = {tuple(each[0] for each in pair) for pair in policies.CIFAR10}
    names = np.array(ops.NAMES)[plan.op]
    for first, second in set(map(tuple, names.tolist())):
        assert "Identity" in (first, second) or (first, second) in pairs


def test_autoaugment_has_the_values_of_its_authors():
    """Their code's: of level l of 10, `int(l * range / 10)`, or for factors 0.1 + l * 1.8 / 10."""
    values = drawn_values(planned(POLICIES["auto"]))
    assert values["Rotate"] == [-6, 6]
    assert values["Posterize"] == [2]
    assert values["Solarize"] == [52, 128, 180, 205]
    assert values["Contrast"] == pytest.approx([1.18, 1.36])
    assert values["Brightness"] == pytest.approx([0.64, 1.18, 1.36, 1.72])
    assert values["Color"] == pytest.approx([0.1, 0.64, 1.36, 1.54, 1.72])
    assert values["Sharpness"] == pytest.approx([0.28, 0.64, 1.0, 1.18, 1.72])
    assert values["ShearY"] == pytest.approx([-0.24, -0.21, 0.21, 0.24])
    assert values["TranslateY"] == [-9, -3, 3, 9]  # of 32 rows
    assert values["TranslateX"] == [-18, -16, 16, 18]  # of 64 columns
