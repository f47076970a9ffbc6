"""Groups of weights by patterns of their names."""

import keras
import pytest

from headrace.errors import UserError
from trainer.config.optimization import OptimizationConfig
from trainer.optimization import weight_groups

NAMES = ["c1/kernel", "c1/bias", "c3/kernel", "c3/bias", "logits/kernel", "logits/bias"]


def test_the_first_pattern_that_fits_counts():
    assert weight_groups.assign("group_rates", ["*/bias", "logits/*", "c?/k*"], NAMES) == {
        "c1/bias": 0,
        "c3/bias": 0,
        "logits/bias": 0,
        "logits/kernel": 1,
        "c1/kernel": 2,
        "c3/kernel": 2,
    }
    assert weight_groups.assign("group_rates", [], NAMES) == {}


@pytest.mark.parametrize(
    ("patterns", "words"),
    [
        (
            ["*/bias", "head/*"],
            r"^`group_rates`: head/\* names no weight that trains; there are c1/kernel, c1/bias, "
            r"c3/kernel, c3/bias, …, logits/bias$",
        ),
        (["logits/*", "logits/bias"], "logits/bias names only weights that patterns before it"),
        (["C1/*"], "names no weight"),
    ],
)
def test_a_pattern_without_a_weight_is_named_with_weights_that_there_are(patterns, words):
    with pytest.raises(UserError, match=words):
        weight_groups.assign("group_rates", patterns, NAMES)


def test_names_are_the_same_in_every_network_of_a_process():
    for _ in range(2):
        model = keras.Sequential(
            [keras.Input((3,)), keras.layers.Dense(2), keras.layers.Dense(2, name="logits")]
        )
        config = OptimizationConfig(group_rates=("dense#0/*=2", "*/bias=0.5"))
        factors = weight_groups.rate_factors(config, model)
        paths = [variable.path for variable in model.trainable_variables]
        assert factors == {paths[0]: 2.0, paths[1]: 2.0, paths[3]: 0.5}


def test_what_does_not_train_is_of_no_group():
    model = keras.Sequential([keras.Input((3,)), keras.layers.BatchNormalization(name="norm")])
    config = OptimizationConfig(group_rates=("norm/*=2",))
    names = {path.rpartition("/")[2] for path in weight_groups.rate_factors(config, model)}
    assert names == {"gamma", "beta"}
