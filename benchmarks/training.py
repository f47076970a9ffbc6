"""Measures the trainer against a bare loop, `Model.fit` and itself.

    python -m benchmarks.training --archives=ARCHIVES --json=training.json

loop: ResNet on CIFAR-10, batch 64, pad-and-crop by 4 and flip, beside a loop written by hand.
fit: LeNet on 1,797 digits of 32×32 in memory, batch 64, beside `Model.fit` of Keras; Headrace as it
is by default, which saves once an epoch, and without saves, as `fit`. workers: ResNet on a worker
that has one core, and on two that have one each and share the batch of 128, or have 128 each, or
train apart, which is the most that two cores of the machine could give.
restart: seconds from the start of the command that goes on after a `kill -9` to the first step.
saves: ResNet with a save every few seconds and without, and what one a minute costs by that.

Contenders are in modules of their own, which say what each does. A ratio is the contender's figure
by Headrace's of the same round: below 1, Headrace was quicker.
"""

import dataclasses
import pathlib
import sys
import tempfile
from collections.abc import Callable, Sequence

from absl import flags

from benchmarks import datasets, folders, harness, reporting, runs
from benchmarks.harness import OURS, Contender, Row, Run
from headrace import program
from recipes import demo

FLAGS = flags.FLAGS

PARTS = ("loop", "fit", "workers", "restart", "saves")
PACKAGES = ["keras", "numpy", "tensorflow"]

_STEPS, _IMAGES, _SECONDS = "steps/s", "images/s", "s"
_RUN = "--workdir={output}/run"
_NEVER = f"--save_every_steps={10**9}"
_MINUTE = 60

flags.adopt_module_key_flags(reporting)


@dataclasses.dataclass(frozen=True)
class Work:
    """What is trained.

    Attributes:
        flags: of `trainer.task`, without those that say when to save.
        batch: global.
        first: step at which the clock starts; it is logged.
        last: step at which it stops; it is logged.
    """

    flags: Sequence[str]
    batch: int
    first: int
    last: int

    @property
    def clock(self) -> list[str]:
        """The flags that say when it runs."""
        return [f"--first={self.first}", f"--last={self.last}"]

    def task(self, batch: int | None = None) -> list[str]:
        """Return the flags of the trainer, which is not to end by itself."""
        return [*self.flags, f"--batch_size={batch or self.batch}", f"--steps={10**6}"]


def main() -> None:
    """Run the program."""
    asked = reporting.parts(PARTS)
    facts = reporting.facts("training")
    run = {
        "loop": lambda: loop(resnet(), FLAGS.rounds),
        "fit": lambda: fit(lenet(), FLAGS.rounds),
        "workers": lambda: workers(resnet_in_small_epochs(), FLAGS.rounds),
        "restart": lambda: restart(resnet(), FLAGS.rounds),
        "saves": lambda: saves(resnet(), FLAGS.rounds),
    }
    rows = [row for part in asked for row in run[part]()]
    reporting.report("training", rows, facts, PACKAGES)


def resnet() -> Work:
    """Return the network of the CIFAR-10 experiments."""
    return Work(_cifar(), batch=64, first=50, last=150)


def resnet_in_small_epochs() -> Work:
    """Return the same; its lines are logged more often, for steps that take long."""
    return Work([*_cifar(), "--train_split=train[:2560]", _NEVER], batch=128, first=20, last=40)


def lenet() -> Work:
    """Return a small network, on which what is around the steps weighs most."""
    digits = folders.once(reporting.cache() / "digits", demo.write_digits)
    records = datasets.headrace(digits, "keep")
    chosen = [f"--data_dir={records}", "--model=lenet", "--image_size=32,32"]
    return Work(chosen, batch=64, first=280, last=1120)


def loop(work: Work, rounds: int) -> list[Row]:
    """Return the trainer and a bare loop."""
    bare = "bare loop"
    contenders = [
        Contender(OURS, trainer(work, work.task())),
        Contender(bare, module("bare_loop", *work.clock, *work.task())),
    ]
    results = _run("loop", contenders, rounds)
    made = harness.rows("loop", results, _figure(_STEPS), _STEPS)
    return made + _by("loop", results, OURS, bare, _figure(_STEPS))


def fit(work: Work, rounds: int) -> list[Row]:
    """Return the trainer and `Model.fit`."""
    without = f"{OURS}, without saves"
    started = module("keras_fit", *work.clock, *work.task())
    tuned = [*started, "--tuned", "--epoch_a_call"]
    peers = {
        "Model.fit, arrays": started,
        "Model.fit, tf.data": [*started, "--tuned"],
        "Model.fit, tf.data, an epoch a call": tuned,
        "Model.fit, tf.data, an epoch a call, no XLA": [*tuned, "--nojit"],
    }
    contenders = [
        Contender(OURS, trainer(work, work.task())),
        Contender(without, trainer(work, [*work.task(), _NEVER])),
        *(Contender(name, command) for name, command in peers.items()),
    ]
    results = _run("fit", contenders, rounds)
    made = harness.rows("fit", results, _figure(_STEPS), _STEPS)
    for ours in (OURS, without):
        for peer in peers:
            made += _by("fit", results, ours, peer, _figure(_STEPS))
    return made


def workers(work: Work, rounds: int) -> list[Row]:
    """Return one worker on one core, and two on one each."""
    one, same, twice = "one worker", "two workers, same batch", "two workers, twice the batch"
    apart = "two workers, apart"
    two = ["--workers=2", "--pinned"]
    contenders = [
        Contender(one, trainer(work, work.task(), "--pinned")),
        Contender(same, trainer(work, work.task(), *two)),
        Contender(twice, trainer(work, work.task(2 * work.batch), *two)),
        Contender(apart, trainer(work, work.task(), *two, "--apart")),
    ]
    results = _run("workers", contenders, rounds)
    made = harness.rows("workers", results, _figure(_IMAGES), _IMAGES)
    for several in (same, twice, apart):
        made += _by("workers", results, several, one, _figure(_IMAGES))
    return made


def restart(work: Work, rounds: int) -> list[Row]:
    """Return the start of a run that was killed."""
    with tempfile.TemporaryDirectory(dir=reporting.cache()) as killed:
        run = pathlib.Path(killed) / "run"
        saved = [*work.task(), f"--save_every_steps={work.first}"]
        with runs.started(run, saved) as processes:
            runs.wait_for_step(run, 2 * work.first, processes)
            runs.wait_for_checkpoint(run, processes)
        goes_on = ["--calls=1", f"--goes_on={run}", *saved]
        results = _run("restart", [Contender(OURS, module("stopwatch", *goes_on))], rounds)
    made = harness.rows("restart, to the first step", results, _figure("start"), _SECONDS)
    for part in ("imports", "model", "restore", "decoding", "seek", "first call"):
        made += harness.rows(f"restart, {part}", results, _figure(part), _SECONDS)

    def own(run: Run) -> float:
        return sum(run.figures[part] for part in ("restore", "decoding", "seek"))

    return made + harness.rows("restart, restore, decoding and seek", results, own, _SECONDS)


def saves(work: Work, rounds: int, calls: int = 15, seconds: float = 2) -> list[Row]:
    """Return what saves cost.

    Args:
        work: to do.
        rounds: how often.
        calls: into the graph, of a second or less each.
        seconds: between saves.
    """
    often, never = f"a save every {seconds:g} s", "no saves"
    started = module("stopwatch", f"--calls={calls}", *work.task(), _NEVER)
    contenders = [
        Contender(often, [*started, f"--save_every_seconds={seconds}"]),
        Contender(never, started),
    ]
    results = _run("saves", contenders, rounds)
    made = harness.rows("saves", results, _figure(_STEPS), _STEPS)
    with_saves = {often: results[often]}
    made += harness.rows("saves, one stands still", with_saves, _figure("stands still"), _SECONDS)

    def cost(with_saves: Run, without: Run) -> float:
        slower = without.figures[_STEPS] / with_saves.figures[_STEPS] - 1
        return 100 * slower * with_saves.figures["seconds"] / with_saves.figures["saves"] / _MINUTE

    return made + _formed("saves, cost of one a minute", results, often, never, "%", cost)


def _cifar() -> list[str]:
    records = datasets.headrace(folders.cifar(reporting.archives(), reporting.cache()), "raw")
    chosen = [f"--data_dir={records}", "--model=resnet_cifar", "--augment=cifar10"]
    return [*chosen, "--eval_every=1000000"]


def trainer(work: Work, flags: Sequence[str], *more: str) -> list[str]:
    """Return the command of a run timed from outside; `more` are flags of `trainer_rate`."""
    command = [sys.executable, "-m", "benchmarks.trainer_rate", *work.clock, *more, "{output}"]
    return [*command, "--", *flags]


def module(name: str, *more: str) -> list[str]:
    """Return the command of a contender that takes the flags of the trainer."""
    return [sys.executable, "-m", f"benchmarks.{name}", _RUN, *more]


def _run(title: str, contenders: Sequence[Contender], rounds: int) -> dict[str, list[Run] | str]:
    print(title, flush=True)
    with tempfile.TemporaryDirectory(dir=reporting.cache()) as scratch:
        return harness.in_turn(contenders, rounds, pathlib.Path(scratch))


def _by(
    title: str,
    results: dict[str, list[Run] | str],
    one: str,
    other: str,
    quantity: Callable[[Run], float],
) -> list[Row]:
    """Return a row of the one's figures by the other's."""
    name = f"{title}: {one} by {other}"
    return _formed(name, results, one, other, "×", lambda a, b: quantity(a) / quantity(b))


def _formed(
    name: str,
    results: dict[str, list[Run] | str],
    one: str,
    other: str,
    unit: str,
    of: Callable[[Run, Run], float],
) -> list[Row]:
    """Return a row formed, round by round, of two contenders' runs; none if one failed."""
    ones, others = results[one], results[other]
    if isinstance(ones, str) or isinstance(others, str):
        return []
    pairs = zip(ones, others, strict=True)
    return [harness.row(name, [of(a, b) for a, b in pairs], unit)]


def _figure(name: str) -> Callable[[Run], float]:
    return lambda run: run.figures[name]


if __name__ == "__main__":
    program.run(main)
