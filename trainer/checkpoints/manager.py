"""Checkpoints of a run: the latest few to go on from, and the best of all evaluations.

    manager = CheckpointManager(workdir, state)
    manager.restore()
    while state.step < steps:
        …
        manager.save()                  # takes a snapshot; a thread writes it
    manager.wait()

A checkpoint is a folder, `checkpoints/step-00001234/` or `checkpoints/best/step-00001234/`, with
TensorFlow's files and their hashes: all of a `TrainState`. It is checked before it gets its name,
and again before it is restored; those before it go when it stands.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import tensorflow as tf

from headrace.errors import UserError
from trainer import run_dir
from trainer.checkpoints import paths, restore, verified_dir
from trainer.checkpoints.snapshot import Snapshot
from trainer.checkpoints.train_state import REFERENCE, SEEDS, TrainState
from trainer.config import resume


class CheckpointManager:
    """Saves and restores a run in training.

    Attributes:
        changes: after `restore`, what the run now has otherwise, see `resume.differences`.
        latest_step: step of the latest checkpoint of this run; None where there is none.
    """

    def __init__(
        self,
        workdir: str,
        state: TrainState,
        *,
        max_to_keep: int = 3,
        writes: bool = True,
        note: Callable[[str], None] = lambda text: None,
        fingerprint: Mapping[str, object] | None = None,
    ) -> None:
        """Make a manager, which touches no file yet.

        Args:
            workdir: run directory, local or `gs://`.
            state: state of the run, with all the variables that it will have.
            max_to_keep: how many of the latest checkpoints stay.
            writes: whether this process saves; one that does not restores all the same.
            note: function that is called with lines for the user.
            fingerprint: what a run must have in common with the one it goes on from, see
                `resume.fingerprint`.
        """
        self._state = state
        self._trackables = state.trackables()
        self._snapshot = Snapshot(tf.train.Checkpoint(**self._trackables))
        self._latest, self._best = (paths.home(workdir, which) for which in run_dir.WHICH)
        self._max_to_keep, self._writes, self._note = max_to_keep, writes, note
        self._fingerprint = dict(fingerprint or {})
        self.changes: dict[str, str] = {}
        self.latest_step: int | None = None
        self._latest_eval_step = 0  # that the latest checkpoint knows of
        self._damaged: list[str] = []
        # One thread, so that checkpoints are written one after the other.
        self._writer = ThreadPoolExecutor(1)
        self._in_flight: dict[str, Future] = {}

    def restore(self, allow_changes: bool = False) -> None:
        """Restore the newest sound checkpoint, if there is any; else the state stays as it is.

        Says which newer ones are damaged. They go when the next checkpoint stands.

        Args:
            allow_changes: go on from a checkpoint with another fingerprint; where by that the
                optimizer has other variables, it stays as it is.

        Raises:
            UserError: there are checkpoints but none is sound, or it is of another model or run.
        """
        if self._writes:
            paths.clean(self._latest)

        def read(folder: str, prefix: str, about: Mapping[str, object]) -> None:
            self.changes = self._changes(folder, about, allow_changes)
            complete = not resume.affected(self.changes, "optimizer")
            objects = {
                name: trackable
                for name, trackable in self._trackables.items()
                if (name != "optimizer" or complete)
                # Earlier versions left seeds out, and runs without `min_delta` the reference.
                and (name not in (SEEDS, REFERENCE) or restore.holds(prefix, name))
            }
            complete = complete and "min_delta" not in self.changes
            restore.read(tf.train.Checkpoint(**objects), folder, prefix, complete)

        remedy = "put a copy back, or start in another `workdir`"
        damaged = restore.restore_newest(self._latest, read, remedy)
        for folder, reason in damaged.items():
            self._note(f"checkpoint {folder} is damaged ({reason}): going on from the one before")
        self._damaged = list(damaged)
        if paths.newest_first(self._latest):
            self._state.read_counters()
            self._remember_latest()

    def save(self) -> None:
        """Save as the latest, unless that holds this step and its evaluation already.

        Values are those of now; a thread writes them, and one that is still at the one before is
        waited for.

        Raises:
            DivergedError: a weight is no number; the one before stays the latest.
            UserError: an earlier checkpoint could not be written.
        """
        if (self.latest_step, self._latest_eval_step) == self._progress():
            return
        self._state.check_finite()
        self._save(self._latest, self._max_to_keep)
        self._remember_latest()

    def save_best(self) -> None:
        """Save as the best, in place of the one before; otherwise as `save`."""
        self._save(self._best, 1)

    def clear_best(self) -> None:
        """Remove what a killed process left of best checkpoints; for the process that saves them.

        `restore` does not: beside parameter servers it is the evaluator that saves them, perhaps
        just now, and the chief that restores.
        """
        if self._writes:
            paths.clean(self._best)

    def wait(self) -> None:
        """Wait until everything is written.

        Raises:
            UserError: a checkpoint could not be written.
        """
        for home in list(self._in_flight):
            self._in_flight.pop(home).result()

    def _progress(self) -> tuple[int, int]:
        return self._state.step, self._state.last_eval_step

    def _remember_latest(self) -> None:
        self.latest_step, self._latest_eval_step = self._progress()

    def _changes(
        self, folder: str, about: Mapping[str, object], allow_changes: bool
    ) -> dict[str, str]:
        """Compare the run with the one that a checkpoint is of.

        Raises:
            UserError: they differ, and changes are not allowed.
        """
        earlier = about["fingerprint"]
        changes = resume.differences(earlier, self._fingerprint)  # type: ignore[arg-type]  # JSON
        if changes and not allow_changes:
            raise UserError(
                f"checkpoint {folder} is of another run: {'; '.join(changes.values())}; "
                f"{resume.REMEDY}"
            )
        return changes

    def _save(self, home: str, max_to_keep: int) -> None:
        if not self._writes:
            return
        for other, future in list(self._in_flight.items()):
            if other == home or future.done():
                self._in_flight.pop(other).result()
        self._state.write_counters()
        step, values = self._state.step, self._snapshot.take()
        self._in_flight[home] = self._writer.submit(self._write, home, step, max_to_keep, values)

    def _write(self, home: str, step: int, max_to_keep: int, values: list[tf.Tensor]) -> None:
        folder = paths.next_path(home, step)
        earlier = [path for path in paths.newest_first(home) if path not in self._damaged]
        earlier = [path for path in earlier if paths.step_of(path) != step]

        def write_files(staging: str) -> None:
            self._snapshot.write(values, f"{staging}/{restore.PREFIX}")
            with paths.without_wildcards(staging) as plain:
                restore.read_through(f"{plain}/{restore.PREFIX}")

        about = {"step": step, "fingerprint": self._fingerprint}
        try:
            verified_dir.write(folder, write_files, about)
        except (OSError, tf.errors.OpError) as error:
            raise UserError(
                f"checkpoint {folder} cannot be written ({restore.reason(error)}); it takes "
                f"{self._snapshot.size / 1e6:,.1f} MB: make room there or check the disk, and "
                "start again with the same command to go on from the one before"
            ) from None
        remaining = {folder, *earlier[: max_to_keep - 1]}
        for path in paths.newest_first(home):
            if path not in remaining:
                verified_dir.remove(path)
