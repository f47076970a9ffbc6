"""Checkpoints: bit for bit, whole or not there, and the one before where one is damaged."""

import contextlib
import pathlib
import random
import shutil
import socket

import numpy as np
import pytest
import tensorflow as tf

from headrace import files, gcs
from headrace.errors import UserError
from tests.trainer import savers
from tests.trainer.checkpoints.damage import DAMAGES, FILES, cut, flip
from trainer.checkpoints import verified_dir
from trainer.checkpoints.manager import CheckpointManager
from trainer.checkpoints.restore import restore_model
from trainer.checkpoints.snapshot import Snapshot


def listing(folder: pathlib.Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def names(folder: pathlib.Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


class Run:
    """A model that tells the step it is at."""

    def __init__(self, workdir, **options) -> None:
        self.notes: list[str] = []
        self.state = savers.tiny()
        self.model = self.state.model
        self.manager = CheckpointManager(
            str(workdir), self.state, note=self.notes.append, **options
        )

    def restore(self, **options) -> int:
        self.manager.restore(**options)
        return self.state.step

    def save(self, *steps: int) -> None:
        for step in steps:
            savers.fill(self.state, step)
            self.manager.save()
        self.manager.wait()

    def save_best(self, step: int, score: float) -> None:
        savers.fill(self.state, step)
        if self.state.record_evaluation(score):
            self.manager.save_best()
        self.manager.wait()

    @property
    def content(self) -> set[float]:
        return savers.content(self.state)


@pytest.fixture
def home(tmp_path) -> pathlib.Path:
    return tmp_path / "run" / "checkpoints"


@pytest.fixture
def run(tmp_path) -> Run:
    return Run(tmp_path / "run")


@pytest.fixture
def again(tmp_path):
    """Starts the run again."""
    return lambda **options: Run(tmp_path / "run", **options)


def test_a_run_without_checkpoints_starts_at_step_0(run, tmp_path):
    assert run.restore() == 0
    assert not list(tmp_path.iterdir())


def test_all_variables_come_back_bit_for_bit(tmp_path):
    state = savers.tiny(seed=1)
    manager = CheckpointManager(str(tmp_path), state)
    savers.train(tf.distribute.get_strategy(), state)
    before = savers.values(state)
    state.metric_sums, state.sums_from_step = np.array([0.1, 1e300]), 2**40
    state.step = 2**40 + 1
    state.record_evaluation(0.3)
    state.step = 2**40 + 2
    manager.save()
    manager.wait()

    other = savers.tiny(seed=2)
    assert savers.values(other) != before
    CheckpointManager(str(tmp_path), other).restore()
    assert savers.values(other) == before
    assert (other.step, other.sums_from_step) == (2**40 + 2, 2**40)
    assert (other.best_score, other.evals_since_best, other.last_eval_step) == (0.3, 0, 2**40 + 1)
    assert other.metric_sums.tolist() == [0.1, 1e300]


def test_a_folder_may_have_any_name(tmp_path):
    workdir = tmp_path / "rate [0.1] * of 2? ü"
    run = Run(workdir)
    run.save(3)
    run.save_best(4, 0.5)
    again = Run(workdir)
    assert again.restore() == 3
    assert again.content == {3}
    assert restore_model(str(workdir), again.model, "best") == 4


def test_the_newest_few_are_kept(again, home):
    for count, left in ((3, {7, 8, 9}), (1, {12})):
        run = again(max_to_keep=count)
        first = run.restore()
        run.save(*range(first + 1, max(left) + 1))
        assert names(home) == {f"step-{step:08d}" for step in left}


def test_a_step_that_is_saved_is_not_saved_again(run, again, home):
    run.save(5)
    before = {path: path.stat().st_mtime_ns for path in home.rglob("*")}
    run.save(5)
    resumed = again()
    resumed.restore()
    resumed.save(5)
    assert {path: path.stat().st_mtime_ns for path in home.rglob("*")} == before


def test_the_best_is_that_of_the_highest_value(run, again, tmp_path, home):
    # 0.9 is more than the float32 next to it.
    for step, value in ((1, -3.0), (2, 0.9), (3, 0.9), (4, 0.2)):
        run.save_best(step, value)
    run.save(4)
    assert names(home / "best") == {"step-00000002"}
    assert restore_model(str(tmp_path / "run"), run.model, "best") == 2
    assert restore_model(str(tmp_path / "run"), run.model, "latest") == 4
    resumed = again()
    resumed.restore()
    resumed.save_best(5, 0.9)
    assert names(home / "best") == {"step-00000002"}
    resumed.save_best(6, 0.91)
    assert names(home / "best") == {"step-00000006"}


def test_a_best_of_a_step_that_is_made_again_takes_the_place_of_the_first(run, again, tmp_path):
    run.save(1)
    run.save_best(3, 0.5)  # and killed before it saved step 3
    resumed = again()
    assert resumed.restore() == 1
    resumed.save_best(3, 0.4)
    assert len(names(tmp_path / "run/checkpoints/best")) == 1
    assert restore_model(str(tmp_path / "run"), run.model, "best") == 3


def test_a_process_that_does_not_write_restores_and_leaves_all_as_it_is(run, again, tmp_path, home):
    run.save(1, 2)
    (home / f".step-00000003.{'0' * 32}").mkdir()
    other = again(writes=False)
    before = listing(tmp_path)
    assert other.restore() == 2
    assert other.content == {2}
    other.save(3)
    other.save_best(3, 1.0)
    assert listing(tmp_path) == before
    assert other.state.best_score == 1


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_gives_way_to_the_one_before(run, again, home, damage, name):
    run.save(1, 2, 3)
    damage(home / "step-00000003" / name)
    resumed = again()
    assert resumed.restore() == 2
    assert resumed.content == {2}
    (line,) = resumed.notes
    assert line.startswith(f"checkpoint {home / 'step-00000003'} is damaged (its file") or (
        name == "manifest.json"
    )
    assert name in line
    resumed.save(3)
    assert names(home) == {"step-00000001", "step-00000002", "step-00000003-1"}
    last = again()
    assert last.restore() == 3
    assert (last.content, last.notes) == ({3}, [])


def test_damaged_ones_do_not_push_out_sound_ones(run, again, home):
    run.save(10, 20, 30)
    for step in (20, 30):
        cut(home / f"step-{step:08d}" / FILES[1])
    resumed = again()
    assert resumed.restore() == 10
    assert len(resumed.notes) == 2
    resumed.save(15)
    assert names(home) == {"step-00000010", "step-00000015"}


def test_a_sound_folder_that_tensorflow_refuses_gives_way_to_the_one_before(run, again, home):
    run.save(1)

    def write(folder: str) -> None:
        shutil.copytree(home / "step-00000001", folder, dirs_exist_ok=True)
        pathlib.Path(folder, "manifest.json").unlink()
        flip(pathlib.Path(folder, FILES[2]))

    verified_dir.write(str(home / "step-00000002"), write, {"step": 2, "fingerprint": {}})
    resumed = again()
    assert resumed.restore() == 1
    assert "step-00000002 is damaged (TensorFlow cannot read it: " in resumed.notes[0]


def test_a_run_does_not_start_over_when_no_checkpoint_is_sound(run, again, tmp_path, home):
    run.save(1, 2)
    for step in (1, 2):
        cut(home / f"step-{step:08d}" / FILES[2])
    before = listing(tmp_path)
    with pytest.raises(UserError, match=r"no sound checkpoint .*step-00000002: .*-00000001: "):
        again().restore()
    with pytest.raises(UserError, match="no sound checkpoint"):
        restore_model(str(tmp_path / "run"), run.model, "latest")
    assert listing(tmp_path) == before


def test_a_checkpoint_of_another_model_is_an_error_and_no_reason_to_go_back(run, tmp_path):
    run.save(1)
    other = savers.tiny(units=41)
    other.step = 2
    manager = CheckpointManager(str(tmp_path / "other"), other)
    manager.save()
    manager.wait()
    shutil.copytree(
        tmp_path / "other/checkpoints/step-00000002", tmp_path / "run/checkpoints/step-00000002"
    )
    with pytest.raises(UserError, match=r"step-00000002 is of another model \(.*\); use another"):
        run.restore()
    with pytest.raises(UserError, match="is of another model"):
        restore_model(str(tmp_path / "run"), run.model, "latest")
    assert not run.notes


def test_a_checkpoint_of_another_run_names_the_differences(again):
    same = {"dataset_fingerprint": "a", "image_size": [8, 8], "batch_size": 4, "seed": 0}
    again(fingerprint=same).save(7)
    run = again(fingerprint=same)
    assert (run.restore(), run.manager.changes) == (7, {})
    other = same | {"dataset_fingerprint": "b", "seed": 1}
    differences = "dataset was a and is b; --seed was 0 and is 1"
    with pytest.raises(UserError, match=rf"is of another run: {differences}; use the same"):
        again(fingerprint=other).restore()
    run = again(fingerprint=other)
    assert run.restore(allow_changes=True) == 7
    assert "; ".join(run.manager.changes.values()) == differences


def test_what_a_killed_save_left_is_no_checkpoint_and_goes(run, again, home):
    run.save(1)
    run.save_best(1, 0.5)
    for parent in (home, home / "best"):
        shutil.copytree(parent / "step-00000001", parent / f".step-00000002.{'0' * 32}")
    (home / ".mine").mkdir()
    resumed = again()
    assert resumed.restore() == 1
    assert names(home) == {"step-00000001", "best", ".mine"}
    assert names(home / "best") == {"step-00000001"}


def unfinished(folder: pathlib.Path) -> list[pathlib.Path]:
    return [path for path in folder.rglob("*") if path.name.startswith(".")]


def answer_of(target, *arguments):
    """A process of `savers`, and what it answers."""
    ours, theirs = savers.processes.Pipe()
    process = savers.processes.Process(
        target=target, args=(*arguments[:1], theirs, *arguments[1:]), daemon=True
    )
    process.start()
    theirs.close()
    return process, ours


def test_processes_killed_while_they_save_leave_a_sound_checkpoint(tmp_path):
    """Of which only one is kept: so the new one stands before the old one goes."""
    rng = random.Random(0)
    workdir, checker, found, cut_short = tmp_path / "run", Run(tmp_path / "run"), 1, 0
    checker.save_best(1, 1)
    checker.save(1)
    for _ in range(20):
        process, answer = answer_of(savers.save_for_ever, str(workdir))
        stood = [answer.recv()]
        assert stood == [found]
        stood += [answer.recv() for _ in range(rng.randrange(3))]
        process.join(rng.uniform(0, 0.05))
        process.kill()
        process.join()
        with contextlib.suppress(EOFError):
            while True:
                stood.append(answer.recv())
        cut_short += bool(unfinished(workdir))

        found = checker.restore()
        assert found >= stood[-1]
        assert checker.content == {found}
        best = restore_model(str(workdir), checker.model, "best")
        assert best >= stood[-1]
        assert {float(x) for v in checker.model.variables for x in v.numpy().flat} == {best}
        assert not checker.notes
        assert not unfinished(workdir)
    assert cut_short


def test_a_full_disk_is_said_in_one_line_and_costs_no_earlier_checkpoint(again, tmp_path, home):
    process, answer = answer_of(savers.save_on_a_full_disk, str(tmp_path / "run"))
    message = answer.recv()
    process.join()
    assert message.startswith(
        f"UserError checkpoint {home / 'step-00000002'} cannot be written (File too large); "
        "it takes 0.0 MB: make room there"
    )
    assert "\n" not in message
    assert names(home) == {"step-00000001"}
    resumed = again()
    assert (resumed.restore(), resumed.content) == (1, {1})


def test_what_is_not_read_back_as_it_was_is_no_checkpoint(run, home, monkeypatch):
    run.save(1)
    write = Snapshot.write

    def write_badly(self, values, prefix: str) -> None:
        write(self, values, prefix)
        flip(pathlib.Path(f"{prefix}.data-00000-of-00001"))

    monkeypatch.setattr(Snapshot, "write", write_badly)
    with pytest.raises(
        UserError, match=r"step-00000002 cannot be written \(.*Checksum does not match"
    ):
        run.save(2)
    assert names(home) == {"step-00000001"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]


def under(workdir, seed: int, saves: bool, cpus: int = 1, workers: int = 1):
    """The step that was restored, and each worker's values."""
    cluster = [f"localhost:{free_port()}" for _ in range(workers)] if workers > 1 else []
    started = [
        answer_of(savers.under_a_strategy, str(workdir), seed, cpus, cluster, index, saves)
        for index in range(workers)
    ]
    answers = [ours.recv() for _, ours in started]
    for process, ours in started:
        ours.send("enough")
        process.join()
    (step,) = {step for step, _ in answers}
    return step, [values for _, values in answers]


def test_a_checkpoint_is_restored_on_all_replicas_and_workers(tmp_path):
    """From one device to two replicas, to two workers, which save in turn, to one device."""
    _, (one,) = under(tmp_path, seed=1, saves=True)
    step, (two,) = under(tmp_path, seed=2, saves=False, cpus=2)
    assert step == 3
    assert two == [value for value in one for _ in range(2)]
    step, workers = under(tmp_path, seed=3, saves=False, workers=2)
    assert (step, workers) == (3, [one, one])

    other = tmp_path / "other"
    _, workers = under(other, seed=4, saves=True, workers=2)
    step, (back,) = under(other, seed=5, saves=False)
    assert step == 3
    assert workers == [back, back] != [one, one]


def test_a_bucket_holds_checkpoints_as_a_disk_does(bucket):
    workdir = f"gs://{bucket.name}/runs/one"

    def objects() -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for blob in bucket.list_blobs(prefix="runs/one/checkpoints/"):
            folder, _, name = blob.name.removeprefix("runs/one/checkpoints/").rpartition("/")
            found.setdefault(folder, set()).add(name)
        return found

    run = Run(workdir)
    assert run.restore() == 0
    run.save_best(1, 0.5)
    run.save(1, 2, 3, 4)
    kept = {f"step-{step:08d}": set(FILES) for step in (2, 3, 4)}
    assert objects() == {**kept, "best/step-00000001": set(FILES)}

    bucket.blob("runs/one/checkpoints/step-00000009/variables.index").upload_from_string(b"half")
    damaged = bucket.blob("runs/one/checkpoints/step-00000004/variables.index")
    damaged.upload_from_string(b"x" * len(damaged.download_as_bytes()))
    resumed = Run(workdir)
    assert (resumed.restore(), resumed.content) == (3, {3})
    assert "step-00000004 is damaged (its file variables.index has changed" in resumed.notes[0]
    assert "step-00000009" not in objects()
    resumed.save(4)
    assert set(objects()) == {
        "step-00000002", "step-00000003", "step-00000004-1", "best/step-00000001",
    }  # fmt: skip
    assert restore_model(workdir, resumed.model, "latest") == 4
    assert restore_model(workdir, resumed.model, "best") == 1


def test_a_bucket_that_is_lost_while_it_is_written_to_has_the_checkpoint_before(
    bucket, monkeypatch
):
    workdir = f"gs://{bucket.name}/run"
    run = Run(workdir)
    run.save(1)
    written = []

    def open_write(path: str):
        written.append(path)
        if len(written) == len(FILES):
            raise OSError("connection lost")
        return gcs.open_write(path)

    def remove_tree(path: str) -> None:
        raise OSError("connection lost")

    with monkeypatch.context() as patch:
        patch.setattr(files, "open_write", open_write)
        patch.setattr(files, "remove_tree", remove_tree)
        with pytest.raises(UserError, match=r"step-00000002 cannot be written \(connection lost"):
            run.save(2)
    assert len(list(bucket.list_blobs(prefix="run/checkpoints/step-00000002/"))) == 2
    resumed = Run(workdir)
    assert (resumed.restore(), resumed.notes) == (1, [])
    assert not list(bucket.list_blobs(prefix="run/checkpoints/step-00000002/"))
