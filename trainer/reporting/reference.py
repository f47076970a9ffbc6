"""Draws the pictures of docs/training.md and docs/signs.md, and prints the latter page.

    python -m trainer.reporting.reference docs/images > docs/signs.md

Pictures are of the code's own numbers, which each holds as text as well. So a test sees whether
they are what the code gives now, whatever version of what draws them.
"""

import io
import json
import re
import sys
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from headrace import files
from headrace.tensorflow_import import import_tensorflow
from trainer.config.optimization import OptimizationConfig
from trainer.config.run import RunConfig
from trainer.config.schedule import ScheduleConfig
from trainer.config.training import TrainingConfig
from trainer.diagnosis import examples, signs
from trainer.diagnosis.diagnosis import Diagnosis, Finding

# The text of a picture that holds its numbers.
NUMBERS = "numbers"

# Of each picture the schedule, over 40 epochs of 10 steps at the rate 0.1.
EPOCHS, STEPS_PER_EPOCH, _RATE = 40, 10, 0.1
SCHEDULES = {
    "constant": ScheduleConfig("constant"),
    "step": ScheduleConfig("step", {"every": 10.0, "factor": 0.5}),
    "piecewise": ScheduleConfig("piecewise", {"at": (20, 30), "factors": (0.3, 0.1)}),
    "polynomial": ScheduleConfig("polynomial", {"power": 2.0}),
    "exponential": ScheduleConfig("exponential"),
    "inverse_time": ScheduleConfig("inverse_time", {"every": 10.0}),
    "cosine": ScheduleConfig("cosine"),
    "cyclic": ScheduleConfig("cyclic", {"every": 5.0, "growth": 2.0, "factor": 0.7}),
    "one_cycle": ScheduleConfig("one_cycle"),
    "triangular": ScheduleConfig("triangular"),
    "warmup": ScheduleConfig("cosine", warmup_epochs=5.0),
}

_INTRODUCTION = """\
# Signs

A run looks at its own curves after each evaluation. A bad sign is a warning in its log, once, when
it is first seen; all signs stand in `report.html` of the run directory, with the epoch, beside the
curves. They are the nine of Ferlitsch, The Idiomatic Programmer, 2019, on training, and that of
weights from elsewhere that do harm, of the same book on transfer learning. `make docs` writes this
page: the pictures are of the curves that the tests of the signs use, the dotted line is where the
sign is first seen, and the sentence is what the run says there.

A trend is a line through the last points: at least five, at least a tenth of the run, and also
twice and four times as many, by which a plateau shows under more noise. It counts where it is more
than two standard errors. Of a run too short for that nothing bad is said. Nothing is said either of
a level curve where rank-1 is above 0.95, or where the schedule has brought the rate to a tenth of
the highest, or not yet up to it: there the curve is meant to be level.

Two of the book's signs cannot be meant as they stand there: a training accuracy that *decreases*
while the one of validation stays level (its fifth) or increases (its sixth). With *loss* in the
place of accuracy both are what overfitting looks like: training gets better, and validation does
not, or gets worse. So they are read here; the other reading, training that gets worse, is said of
the same signs in other words.

The thresholds stand in `trainer/diagnosis/signs.py`, each with its reason.
"""

# How each sign is meant, in the order of `signs.SIGNS`.
_MEANING = (
    "The training loss of the third epoch is at least a tenth lower than that of the first.",
    "The training loss falls by less than half a percent an epoch (of a run of 50 epochs or more, "
    "by less than 2.5 % in a tenth of it), even at the upper end of what its noise leaves open; or "
    "it rises.",
    "A loss is not a finite number. A training loss like that also ends the run, with an error "
    "that says the same.",
    "Over three evaluations rank-1 on validation rises with that of training, and is at most 0.1 "
    "away from it.",
    "Rank-1 in training rises by more than 0.02, that on validation by less than a quarter of it, "
    "and they are more than 0.1 apart; or that in training falls, and that on validation stays.",
    "The validation loss rises while that of training falls; or rank-1 in training falls while "
    "that on validation rises.",
    "The validation loss falls at three evaluations in a row, by 2.5 % or more in all.",
    "The validation loss moves by less than 2.5 % over five points, up or down.",
    "The validation loss turns at half of the points, and lies a tenth of its level away from its "
    "own trend, as a standard deviation.",
    "Of a run with `--pretrained` or `--init_from`, looked at from the fifth to the tenth epoch: "
    "rank-1 is no better than half again that of guessing, or is below a half and has not risen "
    "since the first epoch, or has fallen.",
)


def main(folder: str) -> None:
    """Draw the pictures into a folder, and print the page."""
    import_tensorflow()
    for name in SCHEDULES:
        files.write_atomic(f"{folder}/schedule-{name}.png", draw_schedule(name))
    print(_INTRODUCTION)
    for sign, meaning in zip(signs.SIGNS, _MEANING, strict=True):
        finding = find(sign.name)
        picture = picture_name(finding)
        files.write_atomic(f"{folder}/{picture}", draw_sign(finding))
        kind = "good" if sign.good else "bad"
        flags = re.sub(r"`(\w+)`(=[\w.()-]+)?", r"`--\1\2`", finding.sentence)
        print(f"## {sign.name.capitalize()} ({kind})\n\n{meaning}\n")
        print(f"![{sign.name}](images/{picture})\n\n> {flags}\n")


def schedule_rates(name: str) -> np.ndarray:
    """Return the rate of each step of a picture."""
    from trainer.optimization import schedules  # with TensorFlow, takes seconds

    config = RunConfig(
        schedule=SCHEDULES[name],
        optimization=OptimizationConfig(learning_rate=_RATE),
        training=TrainingConfig(steps=EPOCHS * STEPS_PER_EPOCH),
    )
    return schedules.planned_rates(config, STEPS_PER_EPOCH)[:-1]


def draw_schedule(name: str) -> bytes:
    """Draw a schedule as PNG."""
    from trainer.reporting import schedule_curve

    rates = schedule_rates(name)
    title = "cosine behind a warm-up" if name == "warmup" else name
    return _shrink(schedule_curve.draw(rates, title=title, size=(3.4, 2.0)), rates_as_text(rates))


def rates_as_text(rates: np.ndarray) -> str:
    """Return every tenth rate, to four digits, as JSON."""
    return json.dumps([f"{rate:.4g}" for rate in rates[::10]])


def find(name: str) -> Finding:
    """Find a sign in its example."""
    example = examples.EXAMPLES[name]()
    diagnosis = Diagnosis(example.setting)
    diagnosis.extend(example.rows)
    return diagnosis.findings[name]


def picture_name(finding: Finding) -> str:
    """Return the file of a sign's picture, one for all signs that are seen in it at one step."""
    example = examples.EXAMPLES[finding.name].__name__.replace("_", "-")
    return f"sign-{example}-{finding.step}.png"


def draw_sign(finding: Finding) -> bytes:
    """Draw the example of a sign as PNG."""
    from trainer.reporting import curves

    rows = examples.EXAMPLES[finding.name]().rows
    image = curves.render(rows, size=(6.5, 2.4), seen_at=finding.step, from_zero=True)
    return _shrink(image, rows_as_text(rows))


def rows_as_text(rows: list[dict[str, Any]]) -> str:
    """Return the numbers of rows, to four digits, as JSON."""
    return json.dumps([[row["step"], f"{row['loss']:.4g}", f"{row['rank1']:.4g}"] for row in rows])


def _shrink(png: bytes, numbers: str) -> bytes:
    """Return a picture in few colours, which is a third of the bytes, with its numbers as text."""
    picture, text = Image.open(io.BytesIO(png)).convert("RGB").quantize(64), PngInfo()
    text.add_text(NUMBERS, numbers)
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True, pnginfo=text)
    return file.getvalue()


if __name__ == "__main__":
    main(*sys.argv[1:])
