"""Which layers train when: of small networks, all plans that can be asked for."""

import itertools

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import UserError
from models.layers.batch_norm import GlobalBatchNormalization
from tests.trainer.configs import with_values
from trainer.config.run import RunConfig
from trainer.transfer.plan import Plan, make_plan

PER_EPOCH = 7
GROUPS = ("dense", "stage1", "stem", "up*", "norm")


def network() -> keras.Model:
    """Layers of every group; `fixed` is one that the model itself never trains."""
    images = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(2, 3, padding="same", name="low")(images)
    x = keras.layers.Conv2D(2, 1, trainable=False, name="fixed")(x)
    x = keras.layers.MaxPooling2D()(x)
    x = keras.layers.Conv2D(2, 3, padding="same", name="upper")(x)
    x = GlobalBatchNormalization(name="norm")(x)
    x = keras.layers.Dense(3, name="dense")(keras.layers.Flatten()(x))
    return keras.Model(images, keras.layers.Dense(2, name="logits")(x))


def plan_of(model: keras.Model, *unfreeze: str, freeze=True, **values) -> Plan:
    base = {"learning_rate": 0.5, "steps": 10 * PER_EPOCH}
    config = with_values(RunConfig(), freeze=freeze, unfreeze=unfreeze, **(base | values))
    return make_plan(model, config, PER_EPOCH)


def training(model: keras.Model) -> set[str]:
    return {layer.name for layer in model.layers if layer.trainable_weights}


ALL = {"low", "upper", "norm", "dense", "logits"}


def test_without_a_plan_all_layers_train_and_nothing_is_said():
    model = network()
    plan = plan_of(model, freeze=False)
    plan.apply(0)
    assert training(model) == ALL
    assert ([*plan.describe()], plan.next_step(0), plan.rate_factors(0.5)) == ([], None, {})


def test_groups_train_from_their_epochs_on_without_their_batch_norm():
    model = network()
    plan = plan_of(model, "stage1@2=0.05", "stem@5", "dense@2")
    expected = {0: {"logits"}, 14: {"logits", "dense", "upper"}}
    expected |= {35: {"logits", "dense", "upper", "low"}}
    for step in range(40):
        plan.apply(step)
        assert training(model) == expected[max(s for s in expected if s <= step)]
    assert plan.changes == [14, 35]
    assert [plan.next_step(step) for step in (0, 13, 14, 34, 35, 99)] == [
        14,
        14,
        35,
        35,
        None,
        None,
    ]
    assert plan.rate_factors(0.5) == {"upper/kernel": 0.1, "upper/bias": 0.1}


def test_the_plan_is_told_group_by_group():
    lines = [*plan_of(network(), "stage1@2=0.05", "low@3").describe()]
    assert lines == [
        "group           layers  weights  trains from  learning rate",
        "head            1       8        step 0       0.5",
        "stage1          1       38       step 14      0.05",
        "low             1       56       step 21      0.5",
        "dense           1       99       never        –",
        "rest of stage1  1       8        never        –",
    ]


def test_a_pattern_reaches_batch_norm_but_no_layer_that_the_model_itself_freezes():
    model = network()
    plan = plan_of(model, "*@1")
    plan.apply(PER_EPOCH)
    assert training(model) == ALL


def test_the_head_can_have_a_rate_of_its_own():
    plan = plan_of(network(), "head@0=0.25", "dense@1")
    assert plan.rate_factors(0.5) == {"logits/kernel": 0.5, "logits/bias": 0.5}
    with pytest.raises(UserError, match="nothing would train before step 7; leave head out"):
        plan_of(network(), "head@1")


@pytest.mark.parametrize("group", ["block9", "stage2", "Stem", "logit"])
def test_a_group_that_is_none_is_refused_with_those_there_are(group):
    with pytest.raises(UserError, match=f"no group '{group}'.*head, dense, stage1, stem"):
        plan_of(network(), f"{group}@1")


def test_random_weights_may_not_be_frozen():
    plan = plan_of(network(), "dense@0", "stage1@1")
    plan.check_fresh(["logits/kernel", "dense/bias"])
    remedy = r"random weights, of upper, norm, would .*: add upper@0,norm@0 to `unfreeze`$"
    with pytest.raises(UserError, match=remedy):
        plan.check_fresh(["logits/kernel", "norm/beta", "upper/bias"])


def test_a_part_that_would_change_nothing_is_refused():
    for twice in (("stage1@1", "stage1@2=0.1"), ("*@0", "stem@1"), ("head@0", "head@2=0.1")):
        with pytest.raises(UserError, match="names no layer that does not train by then"):
            plan_of(network(), *twice)
    with pytest.raises(UserError, match="stem would not train before the run ends, at step 70"):
        plan_of(network(), "stem@10", steps=70)


@given(st.lists(st.tuples(st.sampled_from(GROUPS), st.integers(0, 4)), max_size=5))
def test_what_trains_once_goes_on_and_depends_on_the_step_alone(unfreeze):
    model = network()
    try:
        plan = plan_of(model, *(f"{group}@{epoch}" for group, epoch in unfreeze))
    except UserError as error:
        assert "names no layer that does not train by then already" in str(error)
        return
    steps = [0, *plan.changes, 5 * PER_EPOCH]
    ascending = []
    for step in steps:
        plan.apply(step)
        ascending.append(training(model))
    assert all(one <= other for one, other in itertools.pairwise(ascending))
    assert all("logits" in each for each in ascending)
    for step, expected in [*zip(steps, ascending, strict=True)][::-1]:
        plan.apply(step)
        assert training(model) == expected
    layers = [layer.name for part in plan.parts for layer in part.layers]
    assert sorted(layers) == sorted(ALL)


def test_frozen_batch_norm_keeps_its_statistics_in_training():
    model = network()
    plan_of(model, "stage1@0").apply(0)
    norm = model.get_layer("norm")
    before = norm.moving_mean.numpy()
    model(np.ones((4, 8, 8, 3), "f4"), training=True)
    np.testing.assert_array_equal(norm.moving_mean.numpy(), before)
    norm.trainable = True
    model(np.ones((4, 8, 8, 3), "f4"), training=True)
    assert not np.array_equal(norm.moving_mean.numpy(), before)


def dropping(rate: float = 0.3) -> keras.Model:
    images = keras.Input((4,))
    return keras.Model(images, keras.layers.Dense(2)(keras.layers.Dropout(rate, name="d")(images)))


def test_dropout_is_high_until_the_warm_start_ends():
    model = dropping()
    plan = plan_of(model, freeze=False, warm_start_epochs=2)
    rates = []
    for step in (0, 13, 14, 30, 13):
        plan.apply(step)
        rates.append(model.get_layer("d").rate)
    assert rates == [0.75, 0.75, 0.3, 0.3, 0.75]
    assert plan.dropout.end == 14


def test_a_warm_start_of_a_model_without_dropout_is_refused():
    with pytest.raises(UserError, match="has no dropout that could be higher; give it some"):
        plan_of(network(), freeze=False, warm_start_epochs=1)
