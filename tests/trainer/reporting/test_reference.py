"""The page of signs and the pictures of docs/: they are what the code gives now."""

import re

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.conftest import ROOT
from trainer.config.schedule import SCHEDULES
from trainer.diagnosis.examples import EXAMPLES
from trainer.optimization import schedules
from trainer.reporting import reference

IMAGES = ROOT / "docs/images"


def numbers(name: str) -> str:
    return Image.open(IMAGES / name).info[reference.NUMBERS]


@pytest.mark.parametrize("name", reference.SCHEDULES)
def test_the_picture_of_a_schedule_has_the_numbers_of_its_function(name):
    factor = schedules.make_factor(reference.SCHEDULES[name], 400, 10)
    steps = range(0, 400, 19)
    expected = [0.1 * float(factor(tf.constant(step, tf.int64))) for step in steps]
    found = reference.schedule_rates(name)[steps]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-8)
    assert numbers(f"schedule-{name}.png") == reference.rates_as_text(
        reference.schedule_rates(name)
    )


def test_every_schedule_and_the_warm_up_are_in_the_page_of_training():
    assert {*SCHEDULES, "warmup"} == set(reference.SCHEDULES)
    page = (ROOT / "docs/training.md").read_text()
    assert re.findall(r"images/schedule-(\w+)\.png", page) == list(reference.SCHEDULES)
    for name, schedule in reference.SCHEDULES.items():
        shown = re.search(rf"schedule-{name}\.png\)(?:<br>`([^`]*)`)?", page)[1] or ""
        options = [
            f"{key}={value}".replace(" ", "").replace(".0", "")
            for key, value in schedule.options.items()
        ]
        assert shown.startswith("--schedule") or shown == ";".join(options)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_picture_of_a_sign_is_of_the_curve_that_its_test_uses(name):
    finding = reference.find(name)
    assert numbers(reference.picture_name(finding)) == reference.rows_as_text(EXAMPLES[name]().rows)


def test_the_page_of_signs_is_what_the_code_says_and_no_picture_is_left_over(tmp_path, capsys):
    reference.main(str(tmp_path))
    assert capsys.readouterr().out == (ROOT / "docs/signs.md").read_text()
    made, kept = ({path.name: path for path in folder.iterdir()} for folder in (tmp_path, IMAGES))
    assert made.keys() == kept.keys()
    for name, path in made.items():
        assert Image.open(path).size == Image.open(kept[name]).size
        assert kept[name].stat().st_size < 30_000
