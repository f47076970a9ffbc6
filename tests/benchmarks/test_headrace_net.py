"""The short trainings of `benchmarks.headrace_net`: what differs in each, and how it is trained."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from benchmarks import headrace_net, headrace_net_run
from benchmarks.headrace_net_run import Recipe, Triangle
from input.dataset import dataset_dir
from input.dataset.reader import Reader
from input.sampling import index_shuffle
from input.sampling.order import Order
from models import registry


@pytest.mark.parametrize("name", headrace_net.VARIANTS)
def test_a_variant_changes_what_there_is(name):
    recipe, options = headrace_net_run.parse_changes(headrace_net.VARIANTS[name])
    registry.check(headrace_net_run.MODEL, options)
    defaults = {**registry.options(headrace_net_run.MODEL), **headrace_net.BASE}
    changed = [option for option, value in options.items() if value != defaults[option]]
    assert changed == list(options)
    assert (recipe == Recipe()) == (
        not any("recipe." in each for each in headrace_net.VARIANTS[name])
    )
    assert "," not in name  # or `--only` could not name it


def test_the_rate_rises_to_its_peak_and_falls_to_0():
    rate = Triangle(2.0, 100, 0.25)
    rates = [float(rate(step)) for step in (0, 10, 25, 62.5, 100)]
    np.testing.assert_allclose(rates, [0.4, 1.04, 2, 1, 0], atol=1e-6)


def test_every_image_is_mirrored_in_one_of_two_epochs(prepared):
    card = dataset_dir.read_card(str(prepared))
    reader = Reader(str(prepared), card, "train")
    order = Order(len(reader), 8, 8, seed=3)
    epochs: list[dict[int, np.ndarray]] = [{}, {}]
    stream = headrace_net_run.batches(reader, Recipe(batch_size=8, translate=0, seed=3))
    for step, batch in enumerate(itertools.islice(stream, 2 * order.steps_per_epoch)):
        indices = index_shuffle.batch(order, tf.constant(step, tf.int64)).numpy().tolist()
        images = batch["image"].numpy()
        epochs[step // order.steps_per_epoch].update(zip(indices, images, strict=True))
    first, second = epochs
    assert first.keys() == second.keys() == set(range(72))
    for index, image in first.items():
        assert np.any(image != second[index])
        np.testing.assert_array_equal(image, second[index][:, ::-1])


def test_a_variant_is_trained_once_and_its_figures_are_rows(prepared, tmp_path, monkeypatch):
    changes = {"widths": (8, 16), "recipe.batch_size": 24, "recipe.epochs": 4}
    monkeypatch.setitem(headrace_net.VARIANTS, "small", changes)
    rows = headrace_net.measure("small", prepared, tmp_path)
    found = {row.name.removeprefix("small: "): row.value for row in rows}
    assert found.keys() == {"rank-1", "rank-1, mirrored", "training", "parameters", "forward"}
    assert (found["rank-1"] or 0) > 50  # three classes, told by their brightness
    assert headrace_net.measure("small", prepared, tmp_path) == rows
    assert [file.name for file in tmp_path.iterdir()] == ["small.json"]
