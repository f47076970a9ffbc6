"""predict and export of a run whose images have several labels, and which threshold they take."""

import json

import numpy as np
import pytest
import tensorflow as tf

from headrace.errors import UserError
from tests.conftest import run_program
from tests.trainer.configs import with_values
from tests.trainer.serving.classifiers import trained_classifier
from trainer import run_dir
from trainer.config import run as run_config
from trainer.config.run import RunConfig
from trainer.evaluation import run_evaluation


@pytest.fixture
def several(copy):
    """A finished run, taken for one of several labels; and its probabilities of the images."""
    config = run_config.read(str(copy))
    config = with_values(config, multi_label=True, loss="binary", monitor="map")
    (copy / "config.json").write_text(run_config.to_json(config))
    rows = run_dir.read_metrics(str(copy))
    for row in rows:
        if row["split"] == "validation":
            row["threshold"] = 0.75 if row["step"] == 80 else 0.25
    (copy / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return copy


def expected_lines(workdir, images, threshold: float) -> str:
    classifier = trained_classifier(workdir)
    pixels = np.stack([tf.io.decode_png(path.read_bytes()).numpy() for path in images])
    probabilities = tf.sigmoid(classifier._network(pixels, training=False)).numpy()
    lines = []
    for path, row in zip(images, probabilities, strict=True):
        present = [i for i in np.argsort(-row, kind="stable") if row[i] >= threshold]
        labels = "|".join(("dark", "grey", "light")[i] for i in present)
        numbers = "|".join(f"{row[i]:.4f}" for i in present)
        lines.append(f"{path}\t{labels}\t{numbers}\n")
    return "".join(lines)


def test_predict_and_export_have_the_same_labels_from_the_threshold_of_the_checkpoint(
    several, images
):
    predicted = run_program("trainer.predict", f"--workdir={several}", *images)
    assert (predicted.returncode, predicted.stderr) == (0, "")
    assert predicted.stdout == expected_lines(several, images, 0.75)
    exported = run_program("trainer.export", f"--workdir={several}")
    assert (exported.returncode, exported.stderr) == (0, "")
    model = tf.saved_model.load(f"{several}/export/0001")
    encoded = tf.constant([path.read_bytes() for path in images])
    served = model.signatures["serving_default"](image=encoded)
    assert served.keys() == {"label", "probability", "probabilities", "labels"}
    rows = [line.split("\t") for line in predicted.stdout.splitlines()]
    assert [row[1].encode() for row in rows] == served["labels"].numpy().tolist()
    chosen = run_program("trainer.predict", f"--workdir={several}", "--threshold=0.001", *images)
    assert chosen.stdout == expected_lines(several, images, 0.001) != predicted.stdout


def test_without_a_validation_split_it_is_a_half_in_a_line(several):
    config = with_values(run_config.read(str(several)), validation_split=None)
    network = trained_classifier(several)._network
    said: list[str] = []
    chosen = run_evaluation.choose_threshold(
        config, str(several), network, 80, False, note=said.append
    )
    line = "has no validation split to choose the threshold of a label by: it is 0.5"
    assert (chosen, said) == (0.5, [f"{several} {line}"])


def test_a_threshold_that_is_not_logged_needs_the_dataset(several):
    config: RunConfig = run_config.read(str(several))
    network = trained_classifier(several)._network

    def choose(config: RunConfig, step: int, average: bool = False) -> float | None:
        return run_evaluation.choose_threshold(config, str(several), network, step, average)

    assert choose(config, 76) == 0.25
    moved = with_values(config, data_dir=str(several / "moved"))
    assert choose(moved, 80) == 0.75
    with pytest.raises(UserError, match=r"moved.*put it there, or say `threshold`"):
        choose(moved, 7)
    for average in ({"ema_decay": 0.9}, {"optimizer": "schedule_free_adamw"}):
        averaged = with_values(moved, **average)
        assert choose(averaged, 80, average=True) == 0.75
        with pytest.raises(UserError, match="or say `threshold`"):  # the logged one is of these
            choose(averaged, 80, average=False)
