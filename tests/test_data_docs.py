"""What docs/stream.md, augmentation.md and training.md say of flags, presets and batches is so."""

import ast
import dataclasses
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from input.augment import config
from input.augment.config import PRESETS, Augmentation
from input.loading import cache_policy
from input.sampling import class_sampling, index_shuffle
from input.sampling.order import Order
from models.layers import normalization
from tests.conftest import ROOT, run_program
from trainer.config.loss import LOSSES
from trainer.config.optimization import OPTIMIZERS
from trainer.config.schedule import SCHEDULES

STREAM = (ROOT / "docs/stream.md").read_text()
AUGMENTATION = (ROOT / "docs/augmentation.md").read_text()
TRAINING = (ROOT / "docs/training.md").read_text()
PICTURES = ROOT / "docs/augmentation"
# A line for each picture: its name, and its flags.
STRIPS = re.search(r"<< 'END'\n(.*?)\nEND\n", AUGMENTATION, re.DOTALL)[1].splitlines()


@pytest.fixture(scope="module")
def choices() -> dict[str, str]:
    """What `--help` shows for each flag's value, of the programs that the pages name."""
    programs = ("trainer.task", "trainer.inspect", "trainer.evaluate", "beam_pipelines.prepare")
    helps = [run_program(program, "--help").stdout for program in programs]
    return dict(re.findall(r"^  --(\w+)=?(.*)$", "\n".join(helps), re.MULTILINE))


@pytest.mark.parametrize("page", [STREAM, AUGMENTATION, TRAINING])
def test_no_flag_or_choice_is_named_that_does_not_exist(page, choices):
    for name, value in re.findall(r"--([a-z]\w*)(?:=([\w.]+))?", page):
        assert name in choices
        if value and "|" in choices[name]:
            assert value in choices[name].split("|")


def test_every_way_to_cache_and_to_make_up_batches_is_in_a_table():
    for name in (*cache_policy.WHERE, "natural", *class_sampling.BATCHES):
        assert f"\n| `{name}` |" in STREAM


def test_the_picture_of_the_order_shows_what_the_stream_reads():
    given = re.search(r"(\d+) records, `--batch_size=(\d+) --lanes=(\d+) --seed=(\d+)`", STREAM)
    records, batch_size, lanes, seed = map(int, given.groups())
    order = Order(records, batch_size, lanes, seed)
    picture = (ROOT / "docs/stream.svg").read_text()
    for step in range(order.steps_per_epoch):
        cells = picture.partition(f">step {step}<")[2].partition(">step")[0]
        shown = re.findall(r'class="n">(\d+)<', cells)
        found = index_shuffle.batch(order, tf.constant(step, tf.int64)).numpy()
        assert list(map(int, shown)) == found.tolist()


def test_every_augmentation_is_in_the_table_and_every_choice_has_a_picture():
    described = set(re.findall(r"^\| `--(\w+)", AUGMENTATION, re.MULTILINE))
    assert {field.name for field in dataclasses.fields(Augmentation)} <= described
    for name, names in (
        ("crop", config.CROPS[1:]),
        ("policy", config.POLICIES[1:]),
    ):
        for value in names:
            assert f"\n| `--{name}={value}` |" in AUGMENTATION
    for value in config.FILLS:
        assert f"`{value}`" in AUGMENTATION


def test_the_pictures_are_those_that_the_page_shows_and_makes():
    shown = re.findall(r"!\[\]\(augmentation/(\w+)\.jpg\)", AUGMENTATION)
    assert sorted(shown) == sorted(line.split()[0] for line in STRIPS)
    assert sorted(shown) == sorted(path.stem for path in PICTURES.iterdir())
    assert all(path.stat().st_size < 30_000 for path in PICTURES.iterdir())


def test_presets_have_the_values_of_the_table():
    header, *_ = re.findall(r"^\| `--augment` \|(.*)\| experiment \|$", AUGMENTATION, re.MULTILINE)
    names = re.findall(r"`(\w+)`", header)
    for preset, values in PRESETS.items():
        row = re.search(rf"^\| `{preset}` \|(.*)$", AUGMENTATION, re.MULTILINE)[1].split("|")
        words = {"–": 0.0, "yes": True}
        cells = [cell.strip() for cell in row[: len(names)]]
        read = [words[cell] if cell in words else float(cell) for cell in cells]
        given = dataclasses.replace(Augmentation(), **dict(zip(names, read, strict=True)))
        assert given == values


def test_every_normalisation_is_in_the_table():
    for name, text in normalization.MODES.items():
        assert f"\n| `{name}` | {text} |\n" in AUGMENTATION
    rows = re.findall(r"^\| `(\w+)` \| (`.*`) \|$", AUGMENTATION, re.MULTILINE)
    application_modes = {
        module: mode for mode, modules in rows for module in re.findall(r"`(\w+)`", modules)
    }
    assert application_modes == normalization.APPLICATION_MODES


def test_the_commands_as_pasted_make_the_pictures(tmp_path):
    (tmp_path / "docs/augmentation").mkdir(parents=True)
    python = re.search(r"```python\n(.*?)```", AUGMENTATION, re.DOTALL)[1]
    shell = re.findall(r"```sh\n(.*?)```", AUGMENTATION, re.DOTALL)[-1]
    few = ["rotation", "mixup"]
    for line in STRIPS:
        if line.split()[0] not in few:
            shell = shell.replace(f"\n{line}\n", "\n")
    for command in ([sys.executable, "-c", python], ["bash", "-ec", shell]):
        finished = subprocess.run(
            command,
            cwd=tmp_path,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "PATH": f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert finished.returncode == 0, finished.stderr
    for name in few:
        made, shown = (
            np.asarray(Image.open(folder / f"{name}.jpg"), np.float32)
            for folder in (tmp_path / "docs/augmentation", PICTURES)
        )
        assert made.shape == shown.shape
        assert np.abs(made - shown).mean() < 0.5


def test_each_schedule_stands_with_its_options():
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \|(.*)\|$", TRAINING, re.MULTILINE)
    documented = {name: dict(re.findall(r"`(\w+)=([^`]+)`", text)) for name, text in rows}
    for name, options in SCHEDULES.items():
        found = {option: ast.literal_eval(value) for option, value in documented[name].items()}
        assert found.keys() == options.keys()
        if name != "piecewise":  # its examples are no defaults
            assert found == options


def test_each_optimizer_stands_with_its_options():
    section = TRAINING.partition("## Optimizers")[2].partition("\n## ")[0]
    documented: dict[str, dict[str, object]] = {}
    for names, text in re.findall(r"^\| (`.*`) \| (.*) \|$", section, re.MULTILINE):
        options = {n: ast.literal_eval(v) for n, v in re.findall(r"`(\w+)=([^`]+)`", text)}
        documented |= dict.fromkeys(re.findall(r"`(\w+)`", names), options)
    assert documented == OPTIMIZERS


def test_each_loss_stands_with_its_options():
    section = TRAINING.partition("## Losses")[2].partition("\n## ")[0]
    documented = {
        name: {
            option: ast.literal_eval(value)
            for option, value in re.findall(r"`(\w+)=([^`]+)`", text)
        }
        for name, text in re.findall(r"^\| `(\w+)` \| .* \| (.*) \|$", section, re.MULTILINE)
    }
    assert documented == LOSSES
