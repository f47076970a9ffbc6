"""A new run that starts from weights of another model, by their names."""

import numpy as np
import pytest

from headrace.errors import UserError
from tests.trainer.checkpoints.warm_runs import New, Saved, assert_same, values
from trainer.config import run as run_config


@pytest.fixture(scope="module")
def config(run):
    return run_config.read(str(run))


def test_of_a_model_with_other_options_weights_are_taken_by_their_names(config, tmp_path):
    source = Saved(tmp_path / "run", config, model="mlp", model_options={"units": (8, 4)})
    new = New(source, model_options={"units": (8, 5)})
    here, there = values(new.model.weights), values(source.model.weights)
    # Keras counts these layers over all models of the process: they are others by its names.
    assert_same([*here[:2], here[5]], [*there[:2], there[5]])
    assert_same(here[2:5], new.before[2:5])
    fresh = "dense#1/kernel, dense#1/bias, logits/kernel"
    assert f"3 of 6 weights by their names; fresh ones: {fresh};" in new.notes[0]


def test_the_head_of_another_model_stays_where_classes_are_others(config, tmp_path):
    options = {"blocks": (1,) * 5, "units": (4,)}
    size = {"image_size": [32, 32], "resize_to": [32, 32]}
    source = Saved(tmp_path / "run", config, model="vgg16", model_options=options, **size)
    classes = ["other", *config.dataset.classes[1:]]
    new = New(source, model="vgg19", model_options={"units": (4,)}, classes=classes)
    there = {variable.path: variable.numpy() for variable in source.model.weights[:-2]}
    taken = {variable.path for variable in new.model.weights} & there.keys()
    assert len(taken) == len(there)
    for variable, before in zip(new.model.weights, new.before, strict=True):
        expected = there.get(variable.path, before)
        np.testing.assert_array_equal(variable.numpy(), expected)


def test_a_model_with_nothing_in_common_is_refused(config, tmp_path):
    source = Saved(tmp_path / "run", config, model="mlp", model_options={})
    with pytest.raises(UserError, match="resnet_cifar has no kernel of the same name and shape"):
        New(source, model="resnet_cifar", classes=["a", "b", "c"])
