"""The choice by measurement: what a run gets of it, also where the measurement comes to nothing."""

import functools
import json
import pathlib

import psutil
import pytest
import tensorflow as tf

from headrace.errors import UsageError
from tests.trainer import workers
from tests.trainer.configs import with_values
from tests.trainer.loop.trials import TINY, shell
from trainer.config import precision
from trainer.config import run as run_config
from trainer.config.precision import Candidate
from trainer.distribution.cluster import Cluster
from trainer.distribution.collectives import Collectives
from trainer.loop import auto_precision
from trainer.loop.auto_precision import SpeedTrial

FLOAT32, BFLOAT16, BFLOAT16_XLA = (
    Candidate("none"),
    Candidate("bfloat16"),
    Candidate("bfloat16", True),
)
AUTO = with_values(TINY, mixed_precision="auto")


def tried(command: list[str], seconds: float = 250.0, config=AUTO, tries_xla=True) -> SpeedTrial:
    """A measurement that is over, and of which nothing runs any more."""
    others = set(psutil.Process().children())  # such as what other tests share
    with SpeedTrial(config, tries_xla, seconds, command) as trial:
        while not trial.wait(0.1):
            pass
    assert set(psutil.Process().children()) <= others
    return trial


def test_float32_bfloat16_and_xla_on_the_faster_one_are_measured():
    """By the process that a run starts, with a run's own step."""
    trial = tried([])
    first, second, third = trial.rates
    assert (first, second) == (FLOAT32, BFLOAT16)
    plain = precision.choose({each: trial.rates[each] for each in (first, second)}, False)
    assert third == Candidate(plain.mixed_precision, True)
    assert min(trial.rates.values()) > 0
    assert trial.obstacle == ""


def test_one_that_hangs_is_killed_when_the_time_is_up():
    """And holds nobody up that tells it much, of which it reads nothing."""
    large = with_values(AUTO, classes=[f"class {number}" for number in range(50_000)])
    trial = tried(["sleep", "1000"], 0.5, large)
    assert (trial.rates, trial.obstacle) == ({}, "float32 not measured in 0.5 s")


def test_what_was_measured_before_the_time_was_up_counts():
    with SpeedTrial(AUTO, True, 250.0, shell(after="exec sleep 1000", none=5, bfloat16=9)) as trial:
        while len(trial.rates) < 2:
            assert not trial.wait(0.1)
        trial._deadline = 0.0
        assert trial.wait(0.1)
    assert trial.rates == {FLOAT32: 5, BFLOAT16: 9}
    assert trial.obstacle == "bfloat16 with XLA not measured in 250 s"


def test_one_that_dies_leaves_what_it_has_measured(capfd):
    trial = tried(shell(after="echo Aborted >&2; kill -9 $$", none=5, bfloat16=9))
    assert trial.rates == {FLOAT32: 5, BFLOAT16: 9}
    assert trial.obstacle == "bfloat16 with XLA ended its process"
    assert capfd.readouterr().err == ""


def test_one_that_cannot_be_started_is_none(tmp_path):
    trial = tried([str(tmp_path / "none")])
    assert (trial.rates, trial.obstacle) == ({}, "float32 not measured: No such file or directory")


def test_it_is_over_with_the_last_candidate_whatever_else_its_process_says_and_does():
    command = shell("echo hello", "exec sleep 1000", none=5, bfloat16=9)
    trial = tried(command, tries_xla=False)
    assert (list(trial.rates), trial.obstacle) == ([FLOAT32, BFLOAT16], "")


def test_its_process_knows_of_no_cluster(tmp_path, monkeypatch):
    for name in ("TF_CONFIG", "SLURM_PROCID", "SLURM_STEP_NODELIST"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    tried(["sh", "-c", f"env > {tmp_path}/environment"])
    names = {line.partition("=")[0] for line in (tmp_path / "environment").open()}
    assert "CUDA_VISIBLE_DEVICES" in names
    assert not {name for name in names if name == "TF_CONFIG" or name.startswith("SLURM")}


class Resolved:
    """A config as `resolve` makes it, by one process, with what it told and asked."""

    def __init__(self, monkeypatch, folder: pathlib.Path, config, replicas=1, **rates) -> None:
        command = shell(f"cat > {folder}/request", **rates)
        monkeypatch.setattr(
            auto_precision, "SpeedTrial", functools.partial(SpeedTrial, command=command)
        )
        self.notes: list[str] = []
        self.config = auto_precision.resolve(
            config,
            str(folder),
            Cluster(),
            Collectives(tf.distribute.get_strategy(), Cluster()),
            replicas,
            self.notes.append,
        )
        path = folder / "request"
        self.request = json.loads(path.read_text()) if path.exists() else None


@pytest.fixture
def resolved(monkeypatch, tmp_path):
    return functools.partial(Resolved, monkeypatch, tmp_path)


def test_a_new_run_takes_what_is_measured_to_be_faster_and_says_so(resolved):
    result = resolved(AUTO, none=299, bfloat16=894, bfloat16_xla=1610)
    assert result.config == with_values(AUTO, mixed_precision="bfloat16", jit_compile=True)
    assert result.notes == [
        "`mixed_precision`=auto: float32 299, bfloat16 894, bfloat16 with XLA 1,610 images/s: "
        "bfloat16 with XLA"
    ]


def test_without_a_measurement_a_run_computes_in_float32_and_says_so(resolved):
    result = resolved(AUTO)
    assert result.config == with_values(AUTO, mixed_precision="none")
    assert result.notes == [
        "`mixed_precision`=auto: nothing measured (float32 ended its process): float32"
    ]


def test_a_replicas_share_is_measured_without_xla_where_there_are_several(resolved):
    result = resolved(AUTO, 4, none=5)
    assert result.request["config"]["data"]["batch_size"] == 2
    assert result.request["tries_xla"] is False
    assert result.config.data.batch_size == 8


def test_xla_that_the_user_has_on_stays_on(resolved):
    result = resolved(with_values(AUTO, jit_compile=True), none_xla=5, bfloat16_xla=9)
    assert result.config == with_values(AUTO, mixed_precision="bfloat16", jit_compile=True)


@pytest.mark.parametrize("value", ["none", "bfloat16", "float16"])
def test_what_the_user_says_is_not_measured(resolved, value):
    config = with_values(AUTO, mixed_precision=value)
    result = resolved(config, none=5, bfloat16=9)
    assert (result.config, result.notes, result.request) == (config, [], None)


@pytest.mark.parametrize(
    ("values", "replicas", "jit_compile"),
    [
        ({}, 1, True),
        # XLA that nobody asked for would end the run there.
        ({}, 2, False),
        ({"deterministic": True}, 1, False),
        ({"strategy": "central_storage"}, 1, False),
    ],
)
def test_a_run_that_has_begun_keeps_its_choice_where_it_can(
    resolved, tmp_path, values, replicas, jit_compile
):
    begun = with_values(TINY, mixed_precision="bfloat16", jit_compile=True)
    (tmp_path / "config.json").write_text(run_config.to_json(begun))
    result = resolved(with_values(AUTO, **values), replicas, none=9, bfloat16=5)
    assert result.config.model.mixed_precision == "bfloat16"
    assert result.config.optimization.jit_compile is jit_compile
    assert (result.notes, result.request) == ([], None)


def test_a_run_that_has_begun_with_what_a_strategy_does_not_have_says_so(resolved, tmp_path):
    begun = with_values(TINY, mixed_precision="float16")
    (tmp_path / "config.json").write_text(run_config.to_json(begun))
    with pytest.raises(UsageError, match="`mixed_precision`=float16 is not for `strategy`=central"):
        resolved(with_values(AUTO, strategy="central_storage"))


def test_workers_take_the_choice_of_their_chief_which_alone_measures(tmp_path):
    said = workers.run(2, "tests.trainer.loop.chosen_precision", str(tmp_path))
    assert [code for code, _, _ in said] == [0, 0], said
    chief, other = (json.loads((tmp_path / f"{i}.json").read_text()) for i in range(2))
    assert chief["mixed_precision"] == other["mixed_precision"] == "bfloat16"
    assert (len(chief["notes"]), other["notes"]) == (1, [])
    assert [path.name for path in tmp_path.glob("*.measured")] == ["0.measured"]
