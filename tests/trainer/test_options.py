"""Options of a training step, each on one device and on two replicas of it."""

import numpy as np
import pytest

from tests.conftest import run_program
from tests.trainer.options import CASES, CENTRAL

EXACT = [
    "plain",
    "norm",
    "clip",
    "clip_penalty",
    "accumulate",
    "accumulate_clip_penalty",
    "ema",
    "jit",
    "schedule_free",
    "lookahead",
    "groups",
]
ROUNDED = ["bfloat16", "float16", "float16_clip", "float16_overflow", "jit_all", "groups_jit"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """What `options` wrote, as arrays by name, by (case, strategy)."""
    output = tmp_path_factory.mktemp("options") / "out.npz"
    finished = run_program("tests.trainer.options", output)
    assert finished.returncode == 0, finished.stderr
    found: dict[tuple[str, str], dict[str, np.ndarray]] = {}
    for key, value in np.load(output).items():
        case, strategy, name = key.split("/", 2)
        found.setdefault((case, strategy), {})[name] = value
    return found


def weights(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Of the first replica."""
    return {name: value for name, value in arrays.items() if name.startswith("0/")}


def largest_difference(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> float:
    return max(np.abs(value - second[name]).max() for name, value in first.items())


def test_every_case_is_tested():
    assert {*EXACT, *ROUNDED, "plain_in_one_call", "accumulate_norm"} == set(CASES)


@pytest.mark.parametrize("case", EXACT)
def test_two_replicas_give_the_weights_and_sums_that_one_gives(trained, case):
    one, two = trained[case, "one"], trained[case, "two"]
    assert largest_difference(weights(one), two) < 1e-5
    np.testing.assert_allclose(one["sums"], two["sums"], rtol=1e-6)


@pytest.mark.parametrize("case", ROUNDED)
def test_two_replicas_give_the_weights_of_one_within_the_rounding_of_16_bits(trained, case):
    one, two = trained[case, "one"], trained[case, "two"]
    assert largest_difference(weights(one), two) < 0.01
    assert one.get("scale") == two.get("scale")


@pytest.mark.parametrize("case", CASES)
def test_replicas_end_equal(trained, case):
    two = trained[case, "two"]
    for name, value in weights(two).items():
        assert np.isfinite(value).all()
        np.testing.assert_array_equal(value, two[f"1/{name[2:]}"])


@pytest.mark.parametrize("case", CENTRAL)
def test_replicas_that_share_one_copy_of_the_weights_train_them_as_one_device_does(trained, case):
    one, central = trained[case, "one"], trained[case, "central"]
    rounding = 1e-5 if case in EXACT else 0.01
    assert largest_difference(weights(one), central) < rounding
    np.testing.assert_allclose(one["sums"], central["sums"], rtol=rounding)


@pytest.mark.parametrize("strategy", ["one", "two"])
def test_nothing_depends_on_how_a_run_is_cut_into_calls(trained, strategy):
    cut, whole = trained["plain", strategy], trained["plain_in_one_call", strategy]
    assert cut.keys() == whole.keys()
    for name, value in cut.items():
        np.testing.assert_array_equal(value, whole[name], err_msg=name)


@pytest.mark.parametrize("case", ["plain", "accumulate"])
def test_sums_stay_on_their_replicas_so_that_a_step_is_optimized_once(trained, case):
    two = trained[case, "two"]
    assert len(set(two["devices"])) == 2
    np.testing.assert_array_equal(two["devices"], two["devices_before"])


@pytest.mark.parametrize("strategy", ["one", "two"])
@pytest.mark.parametrize(
    ("case", "same"), [("accumulate", "plain"), ("accumulate_clip_penalty", "clip_penalty")]
)
def test_accumulating_gives_the_weights_of_whole_batches(trained, case, same, strategy):
    assert largest_difference(weights(trained[case, strategy]), trained[same, strategy]) < 1e-5


@pytest.mark.parametrize("strategy", ["one", "two"])
def test_xla_gives_the_weights_that_are_had_without(trained, strategy):
    assert largest_difference(weights(trained["jit", strategy]), trained["plain", strategy]) < 1e-5


@pytest.mark.parametrize("case", ["bfloat16", "float16"])
def test_mixed_precision_comes_near_the_weights_of_float32(trained, case):
    mixed, plain = trained[case, "one"], trained["plain", "one"]
    assert 0 < largest_difference(weights(mixed), plain) < 0.01
    assert all(value.dtype == np.float32 for value in weights(mixed).values())


def test_a_gradient_is_clipped_at_the_same_norm_whatever_the_loss_scale(trained):
    scaled, plain = trained["float16_clip", "one"], trained["clip", "one"]
    assert largest_difference(weights(scaled), plain) < 0.01
    assert largest_difference(weights(plain), trained["plain", "one"]) > 0.1


def test_an_overflow_on_one_replica_lowers_the_scale_of_all(trained):
    for strategy in ("one", "two"):
        assert trained["float16_overflow", strategy]["scale"] < 2**15
        assert np.isfinite(trained["float16_overflow", strategy]["sums"]).all()


def test_averages_are_had_by_asking_alone(trained):
    averaging, plain = trained["ema", "two"], trained["plain", "two"]
    for name, value in weights(plain).items():
        np.testing.assert_array_equal(averaging[name], value)
    assert np.abs(averaging["averaged/0"] - averaging["0/0"]).max() > 0.01
    np.testing.assert_array_equal(plain["averaged/0"], plain["0/0"])
