"""Signs in whole runs: warned of once, in the log and the report, and not again by a next start."""

import re

import pytest

from tests.trainer.configs import with_values
from tests.trainer.loop.starts import go_on
from tests.trainer.test_transfer import PER_EPOCH, train_in_parts
from trainer.config import run as run_config

PLATEAU = r"the (training|validation) loss has hardly changed from epoch \d+ \(([\d.]+)\) to epoch "


@pytest.fixture(scope="module")
def config(run):
    """A run at a learning rate of nothing, of a model that is compiled in a moment."""
    return with_values(
        run_config.read(str(run)),
        model="mlp",
        model_options={"units": (8,)},
        learning_rate=0.0,
        deterministic=False,
        epochs=6,
        steps=6 * PER_EPOCH,
        save_every_steps=PER_EPOCH,
    )


def warnings(capsys) -> list[str]:
    lines = capsys.readouterr().out.splitlines()
    return [line for line in lines if line.startswith("warning: ")]


def test_a_warning_is_said_once_and_stays_in_the_report(config, tmp_path, capsys):
    assert train_in_parts(tmp_path / "run", config, None) == 1
    (said,) = warnings(capsys)
    split, loss = re.search(PLATEAU, said).groups()
    assert split == "validation"
    assert said == (
        f"warning: the validation loss has hardly changed from epoch 1 ({loss}) to epoch 5 "
        f"({loss}): nothing new is learnt; try `learning_rate`=0.01 (now 0: no step changes "
        "anything)"
    )
    page = (tmp_path / "run/report.html").read_text()
    assert "bad: validation plateau" in page
    assert f"hardly changed from epoch 1 ({loss})" in page
    assert "try <code>--learning_rate=0.01</code> (now 0" in page
    assert "finished at step 24, epoch 6" in page

    go_on(tmp_path / "run", epochs=14, steps=14 * PER_EPOCH)
    (new,) = warnings(capsys)  # 64 images an epoch: their loss is more noise than that
    assert re.search(PLATEAU, new)[1] == "training"
    page = (tmp_path / "run/report.html").read_text()
    assert "bad: validation plateau" in page
    assert "bad: training plateau" in page
    assert "finished at step 56, epoch 14" in page
