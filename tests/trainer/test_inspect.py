"""The program that shows what training sees, or a model: its picture, its numbers, and what it
refuses."""

import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from input import stream
from input.augment.config import Augmentation
from input.dataset import dataset_dir
from input.dataset.reader import Reader
from input.preprocessing.spec import Preprocessing
from input.sampling.order import Order
from tests.conftest import ROOT, assert_one_line_error, run_program
from trainer.config.schedule import ScheduleConfig
from trainer.optimization import schedules
from trainer.reporting import image_grid, schedule_curve

AUGMENTED = ("--rotation=20", "--horizontal_flip", "--pad=1")
AUGMENTATION = Augmentation(rotation=20, horizontal_flip=True, pad=1)
BATCH = ("--batch_size=16", "--lanes=4", "--seed=3")


NO_TENSORFLOW = "assert not {'tensorflow', 'keras'} & set(sys.modules)"


def run_inspect(*flags: str, before: str = "", after: str = "pass"):
    """Runs the program between two statements in its process."""
    code = (
        f"import sys, runpy; sys.argv = ['inspect', *sys.argv[1:]]; {before or 'pass'}\n"
        "try: runpy.run_module('trainer.inspect', run_name='__main__', alter_sys=True)\n"
        f"finally: {after}"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *flags],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def stream_images(data_dir, start_step=0, **changes) -> list[tuple[np.ndarray, tuple[str, ...]]]:
    """Return images and classes as the stream gives them, of three batches."""
    card = dataset_dir.read_card(str(data_dir))
    reader = Reader(str(data_dir), card, "train")
    order = Order(len(reader), **{"batch_size": 16, "lanes": 4, "seed": 3, **changes})
    batches = stream.training(
        reader, order, Preprocessing((8, 8)), start_step=start_step, augmentation=AUGMENTATION
    )
    return [
        (image, (card.classes[label],))
        for batch in batches.take(3).as_numpy_iterator()
        for image, label in zip(batch["image"], batch["label"], strict=True)
    ]


def image_at(path, index: int, columns: int, lines: int = 1) -> np.ndarray:
    """Return image `index` of a grid of 8×8 images, each pixel of which is a square of 16."""
    pixels = np.asarray(Image.open(path))
    top, left = image_grid.pixel_offset(index, columns, (8, 8, 1), lines)
    large = pixels[top : top + 128, left : left + 128]
    small = large[::16, ::16, :1]
    np.testing.assert_array_equal(large, np.repeat(np.repeat(small, 16, 0), 16, 1).repeat(3, 2))
    return small


def test_the_picture_shows_what_training_sees(prepared, tmp_path):
    output = tmp_path / "seen.png"
    finished = run_program(
        "trainer.inspect", f"--data_dir={prepared}", *BATCH, *AUGMENTED, f"--output={output}",
        "--step=5", "--rows=4", "--columns=10",
    )  # fmt: skip
    assert (finished.returncode, finished.stderr) == (0, "")
    assert f"{output}: 40 images, as in training from step 5 on" in finished.stdout
    expected = stream_images(prepared, start_step=5)
    for index, (image, _) in enumerate(expected[:40]):
        np.testing.assert_array_equal(image_at(output, index, 10), image)
    assert output.read_bytes() == image_grid.draw(expected[:40], 10, "PNG")


def test_the_rate_is_that_of_whole_batches(prepared, tmp_path):
    finished = run_program(
        "trainer.inspect", f"--data_dir={prepared}", *BATCH, "--cache=none",
        f"--output={tmp_path / 'seen.jpg'}",
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr
    line = re.search(
        r"^([\d,]+) images/s: ([\d,]+) batches of 16 in ([\d.]+) s, (\d+) cores, decoded images "
        r"not kept$",
        finished.stdout,
        re.MULTILINE,
    )
    assert line
    rate, batches, seconds, cores = line.groups()
    count = int(batches.replace(",", "")) * 16
    assert int(rate.replace(",", "")) == pytest.approx(count / float(seconds), rel=0.05)
    assert int(cores) >= 1
    assert Image.open(tmp_path / "seen.jpg").format == "JPEG"


def test_a_runs_own_flags_show_the_same_as_the_run(prepared, tmp_path):
    workdir = tmp_path / "run"
    data_flags = [f"--data_dir={prepared}", *BATCH, "--batch_sampling=balanced"]
    trained = run_program(
        "trainer.task", f"--workdir={workdir}", *data_flags, *AUGMENTED, "--steps=1",
        "--model=resnet_cifar", "--model_options=stages=(1,1);filters=(4,4,8)",
    )  # fmt: skip
    assert trained.returncode == 0, trained.stderr
    expected = image_grid.draw(stream_images(prepared, sampling="balanced")[:16], 8, "PNG")
    for flags in ([f"--workdir={workdir}"], [*data_flags, *AUGMENTED]):
        output = tmp_path / "seen.png"
        finished = run_program("trainer.inspect", *flags, "--rows=2", f"--output={output}")
        assert (finished.returncode, finished.stderr) == (0, "")
        assert output.read_bytes() == expected

    refused = run_program("trainer.inspect", f"--workdir={workdir}", "--rotation=3", "--seed=1")
    assert_one_line_error(refused, 2, "leave --seed, --rotation out")
    changed = shutil.copytree(prepared, tmp_path / "moved")
    card = (changed / "card.json").read_text()
    fingerprint = dataset_dir.read_card(str(prepared)).fingerprint
    (changed / "card.json").write_text(card.replace(fingerprint, fingerprint[::-1]))
    refused = run_program("trainer.inspect", f"--workdir={workdir}", f"--data_dir={changed}")
    assert_one_line_error(refused, 1, str(changed), "does not hold the dataset", "--data_dir")


def test_the_shares_are_written_under_mixed_images(prepared, tmp_path):
    output = tmp_path / "mixed.png"
    finished = run_program(
        "trainer.inspect", f"--data_dir={prepared}", "--batch_size=16", "--mixup=1",
        "--rows=1", "--columns=4", f"--output={output}",
    )  # fmt: skip
    assert (finished.returncode, finished.stderr) == (0, "")
    card = dataset_dir.read_card(str(prepared))
    reader = Reader(str(prepared), card, "train")
    batches = stream.training(
        reader,
        Order(len(reader), 16, 8, 0),
        Preprocessing((8, 8)),
        augmentation=Augmentation(mixup=1),
    )
    batch = next(batches.as_numpy_iterator())
    assert output.read_bytes() == image_grid.draw(
        image_grid.with_captions(batch, card.classes)[:4], 4, "PNG"
    )
    single_labels = image_grid.with_captions(
        {"image": batch["image"], "label": batch["label"]}, card.classes
    )
    assert output.read_bytes() != image_grid.draw(single_labels[:4], 4, "PNG")


def test_the_rate_over_a_run_is_drawn_as_the_run_would_have_it(prepared, tmp_path):
    output = tmp_path / "rate.png"
    finished = run_program(
        "trainer.inspect", "--schedule=one_cycle", "--warmup_epochs=1", "--epochs=5",
        "--learning_rate=0.2", "--base_batch_size=32", f"--data_dir={prepared}", "--batch_size=16",
        f"--output={output}",
    )  # fmt: skip
    assert (finished.returncode, finished.stderr) == (0, "")
    schedule = ScheduleConfig("one_cycle", warmup_epochs=1, base_batch_size=32)
    factor = schedules.make_factor(schedule, 20, 4)
    rates = np.array([float(factor(step)) for step in range(20)], np.float32) * np.float32(0.1)
    assert finished.stdout.splitlines() == [
        f"{output}: the learning rate over 20 steps",
        f"highest {max(rates):.4g} at step {np.argmax(rates)}, first {rates[0]:.4g}, last "
        f"{rates[-1]:.4g}",
    ]
    assert output.read_bytes() == schedule_curve.draw(rates, title="learning rate, one_cycle")


def test_the_rate_needs_no_dataset_where_lengths_are_in_steps(tmp_path):
    output = tmp_path / "rate.jpg"
    finished = run_program(
        "trainer.inspect", "--schedule=step", "--schedule_options=every=40;unit=steps",
        "--steps=100", "--learning_rate=1", f"--output={output}",
    )  # fmt: skip
    assert (finished.returncode, finished.stderr) == (0, "")
    assert "highest 1 at step 0, first 1, last 0.01" in finished.stdout
    assert Image.open(output).format == "JPEG"


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ([], ["--model", "--data_dir, or a run's --workdir"]),
        (["--data_dir={data}", "--output=seen.gif"], ["--output=seen.gif", ".png or .jpg"]),
        (["--data_dir={data}", "--rows=0"], ["--rows"]),
        (["--data_dir={data}", "--step=-1"], ["--step"]),
        (["--data_dir={data}", "--zoom=2"], ["--zoom=2", "0.99"]),
        (["--data_dir={data}", "--image_size=0"], ["--image_size=0"]),
        (["--data_dir={data}", "--batch_size=9", "--lanes=2"], ["--lanes=2 does not divide"]),
        (["--data_dir={data}", "--crop=resized", "--cache=disk"], ["--cache=disk"]),
        (["--data_dir={data}", "--clip_norm=1"], ["clip_norm"]),
        (["--data_dir={data}", "--learning_rate=1"], ["either --epochs or --steps, not both"]),
        (["--schedule=cosine", "--epochs=3"], ["how many steps an epoch has, by --data_dir"]),
        (["--schedule=step", "--steps=3"], ["unit=steps among --schedule_options"]),
        (["--schedule=cosine", "--steps=3", "--rows=2", "--ema_decay=0.9"],
         ["--rows, --ema_decay: of no use with the flags of a learning rate"]),
        (["--schedule=cosine", "--steps=3", "--schedule_options=every=3"], ["has no option"]),
        (["--schedule=cosine", "--steps=3", "--output=rate.gif"], [".png or .jpg"]),
        (["--model=lenet", "--image_size=32", "--schedule=cosine"], ["--schedule: of no use"]),
        (["--data_dir={data}", "--optimizer=adam", "--classes=3"],
         ["--classes, --optimizer: of no use with images; name a --model"]),
        (["--workdir={data}", "--model_options=depth=18"], ["--model_options: of no use"]),
        (["--model=lenet"], ["say --image_size=ROWS,COLUMNS", "--data_dir"]),
        (["--model=lenes", "--image_size=32"], ["unknown model 'lenes'"]),
        (["--model=lenet", "--image_size=32", "--model_options=a=1"], ["has no option 'a'"]),
        (["--model=lenet", "--image_size=32", "--seed=1", "--rows=2", "--rotation=3"],
         ["--rows, --seed, --rotation: of no use with --model"]),
        (["--model=lenet", "--image_size=32", "--workdir={data}"], ["--workdir: of no use"]),
        (["--model=mlp", "--data_dir={data}", "--channels=1"],
         ["of --data_dir says channels; leave --channels out"]),
        (["--model=lenet", "--image_size=32", "--grad_accum_steps=5"],
         ["--grad_accum_steps=5 does not divide --batch_size=64"]),
        (["--model=lenet", "--image_size=32", "--ema_decay=1"], ["--ema_decay=1"]),
        (["--model=lenet", "--image_size=32", "--output=model.gif"], [".png or .jpg"]),
    ],
)  # fmt: skip
def test_wrong_flags_are_refused_before_tensorflow_is_imported(prepared, flags, words):
    given = [flag.format(data=prepared) for flag in flags]
    finished = run_inspect(*given, after=NO_TENSORFLOW)
    assert_one_line_error(finished, 2, *words)


def test_data_or_a_place_that_is_not_there_is_refused(prepared, tmp_path):
    finished = run_program("trainer.inspect", f"--data_dir={tmp_path / 'none'}")
    assert_one_line_error(finished, 1, "none")
    finished = run_program("trainer.inspect", f"--workdir={tmp_path}")
    assert_one_line_error(finished, 1, "is no run directory")
    output = tmp_path / "none" / "seen.png"
    finished = run_program("trainer.inspect", f"--data_dir={prepared}", f"--output={output}")
    assert_one_line_error(finished, 1, f"{tmp_path / 'none'}; make it")
    output.parent.mkdir()
    output.mkdir()
    finished = run_program("trainer.inspect", f"--data_dir={prepared}", f"--output={output}")
    assert_one_line_error(finished, 1, f"--output={output} cannot be written")


def test_images_too_small_for_a_model_are_refused_before_tensorflow_is_imported(prepared):
    for flags in (["--image_size=31,32"], [f"--data_dir={prepared}"]):
        finished = run_inspect("--model=lenet", *flags, after=NO_TENSORFLOW)
        assert_one_line_error(finished, 1, "lenet: expected images of at least 32×32")


def test_a_model_is_described_and_drawn(tmp_path):
    output = tmp_path / "lenet.png"
    finished = run_program(
        "trainer.inspect", "--model=lenet", "--image_size=32", "--classes=10", "--channels=1",
        "--batch_size=7", "--optimizer=adam", "--ema_decay=0.9", f"--output={output}",
    )  # fmt: skip
    assert (finished.returncode, finished.stderr) == (0, "")
    lines = [" ".join(line.split()) for line in finished.stdout.splitlines()]
    assert "c3 Conv2D 10×10×16 2,416 481,600" in lines
    assert "lenet Functional 10 61,706 845,862" in lines
    flops = 845_862 + 2 * 32 * 32 + 1  # with the normalisation
    total = f"61,706 parameters, 61,706 of them trainable; {flops:,} FLOPs for an image"
    # 4 bytes each of 61,706 weights; 9,118 activations of each image, see `test_memory`.
    assert lines[lines.index(total) + 1 :] == [
        "",
        "memory to train it on 7 images a step, at least:",
        "weights 241 KiB",
        "gradients 241 KiB",
        "optimizer 482 KiB",
        "moving average of weights 241 KiB",
        "activations 249 KiB",
        "together 1.42 MiB",
        f"{output}: the layers as a graph",
    ]
    picture = Image.open(output)
    assert picture.format == "PNG"
    assert 300 < picture.width < picture.height


def test_a_model_is_what_a_dataset_needs(prepared, tmp_path):
    output = tmp_path / "mlp.jpg"
    finished = run_program(
        "trainer.inspect", "--model=mlp", f"--data_dir={prepared}", f"--output={output}",
        "--normalization=mean_image", "--mixed_precision=bfloat16",
    )  # fmt: skip
    assert (finished.returncode, finished.stderr) == (0, "")
    lines = [" ".join(line.split()) for line in finished.stdout.splitlines()]
    assert "image InputLayer 8×8×1 0 0" in lines
    assert any(line.startswith("logits Dense 3 ") for line in lines)
    assert any(line.startswith("weights in 16 bits") for line in lines)
    assert Image.open(output).format == "JPEG"
    sized = run_program(
        "trainer.inspect", "--model=lenet", f"--data_dir={prepared}", "--image_size=40",
        f"--output={output}",
    )  # fmt: skip
    assert "image InputLayer 40×40×1 0 0" in " ".join(sized.stdout.split())


@pytest.mark.parametrize(
    ("before", "path", "words"),
    [
        ("sys.modules['pydot'] = None", None, ["pydot", "pip install 'headrace[graph]'"]),
        ("", "", ["Graphviz", "dot", "install graphviz"]),
    ],
)
def test_without_what_draws_it_the_table_is_there(tmp_path, monkeypatch, before, path, words):
    if path is not None:
        monkeypatch.setenv("PATH", path)
    output = tmp_path / "lenet.png"
    finished = run_inspect("--model=lenet", "--image_size=32", f"--output={output}", before=before)
    assert_one_line_error(finished, 1, *words)
    assert "c3 Conv2D" in " ".join(finished.stdout.split())
    assert "together" in finished.stdout
    assert not output.exists()


def test_a_model_that_cannot_be_built_or_written_is_refused(tmp_path):
    model = ("--model=applications/vgg16", "--image_size=32")
    finished = run_program("trainer.inspect", *model, "--channels=1")
    assert_one_line_error(finished, 2, "'caffe' is for RGB images")
    finished = run_program("trainer.inspect", *model, f"--output={tmp_path}/none/a.png")
    assert_one_line_error(finished, 1, "there is no folder")


def test_the_flags_about_data_are_those_of_training():
    shown = [
        run_program(program, "--help").stdout.partition("  --data_dir")[2]
        for program in ("trainer.inspect", "trainer.task")
    ]
    assert "--mixup" in shown[0]
    assert shown[0] == shown[1].replace(" Required.", "")
