"""Layers in groups, of networks of any kind."""

import keras
import pytest

from models import classifier, registry
from models.layers.normalization import Normalization
from trainer.transfer.layer_groups import layer_groups


def groups_of(model: str, size: int, **options) -> dict[str, list[str]]:
    """Names of groups and of their layers, of the network as a run trains it."""
    network = classifier.build(
        (size, size, 3),
        5,
        model=model,
        normalization=Normalization("unit", [], []),
        options=options,
    )
    return {name: [layer.name for layer in group] for name, group in layer_groups(network).items()}


def test_blocks_of_vgg_are_groups_and_dense_layers_one_of_their_own():
    groups = groups_of("vgg16", 32, units=(3, 3))
    assert groups == {
        "head": ["logits"],
        "dense": ["fc1", "fc2"],
        "stage4": ["block5_conv1", "block5_conv2", "block5_conv3"],
        "stage3": ["block4_conv1", "block4_conv2", "block4_conv3"],
        "stage2": ["block3_conv1", "block3_conv2", "block3_conv3"],
        "stage1": ["block2_conv1", "block2_conv2"],
        "stem": ["block1_conv1", "block1_conv2"],
    }


def test_squeeze_and_excitation_belongs_to_its_stage():
    groups = groups_of("applications/efficientnet_b0", 64)
    assert [*groups] == ["head", "stage4", "stage3", "stage2", "stage1", "stem"]
    home = {name: group for group, names in groups.items() for name in names}
    assert home["block5a_se_reduce"] == home["block5a_project_conv"] == "stage3"
    assert home["block2b_se_expand"] == home["block2b_dwconv"] == "stage1"


@pytest.mark.parametrize("model", registry.names())
def test_every_layer_that_can_train_is_in_one_group_and_the_head_is_the_last(model):
    size = max(32, registry.min_size(model))
    network = registry.build(model, (size, size, 3), 5)
    groups = layer_groups(network)
    layers = [layer for group in groups.values() for layer in group]
    grouped = [variable.path for layer in layers for variable in layer.trainable_weights]
    assert sorted(grouped) == sorted(variable.path for variable in network.trainable_weights)
    assert len(set(map(id, layers))) == len(layers)
    assert [layer.name for layer in groups["head"]] == ["logits"]
    assert all(groups.values())


def test_a_linear_model_has_a_head_alone():
    images = keras.Input((4, 4, 1))
    logits = keras.layers.Dense(2, name="logits")(keras.layers.Flatten()(images))
    assert [*layer_groups(keras.Model(images, logits))] == ["head"]
