"""`report.html` of a run: what its curves say in words, and the curves. One file, with nothing
outside it.

    report = RunReport(workdir, config, steps_per_epoch)
    report.update(step, note)       # after an evaluation: warns of what is new
    report.write(result)            # at the end
"""

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

from headrace import files, html_page
from trainer import run_dir
from trainer.config.run import RunConfig
from trainer.diagnosis.curves import Setting
from trainer.diagnosis.diagnosis import Diagnosis, Finding
from trainer.optimization import schedules
from trainer.reporting import curves, schedule_curve

Rows = Sequence[Mapping[str, Any]]

_STYLE = """
img { max-width: 100%; background: white; border-radius: 6px; margin-top: 1rem; }
pre { background: var(--soft); padding: .6rem .8rem; border-radius: 6px; overflow-x: auto; }
.good { color: #3f9b5f; font-weight: 600; }
"""
# Numbers of an evaluation, and what stands above them; some are of images of several labels alone.
_NUMBERS = {
    "rank1": "rank-1",
    "rank5": "rank-5",
    "loss": "loss",
    "map": "mAP",
    "f1": "F1",
    "threshold": "threshold",
}
_FIELD = re.compile(r"`(\w+)`(=[\w.()-]+)?")


class RunReport:
    """The report of a run, written anew as the run goes on."""

    def __init__(self, workdir: str, config: RunConfig, steps_per_epoch: int) -> None:
        self._workdir, self._config, self._steps_per_epoch = workdir, config, steps_per_epoch
        self._diagnosis = Diagnosis(Setting.of(config, steps_per_epoch))
        # Drawn of a plan that stays the same.
        self._rates = schedules.planned_rates(config, steps_per_epoch)

    def update(self, step: int, note: Callable[[str], None]) -> None:
        """Warn of bad signs that were not seen before this step, and write the report.

        Args:
            step: step at which the run was evaluated.
            note: function that is called with lines for the user.
        """
        rows = run_dir.read_metrics(self._workdir)
        for finding in self._diagnosis.extend(rows):
            if finding.step == step and not finding.good:
                note(f"warning: {finding.sentence}")
        self._write(rows, None)

    def write(self, result: Mapping[str, Any]) -> None:
        """Write the report of a finished run; `result` is what `result.json` will hold."""
        rows = run_dir.read_metrics(self._workdir)
        self._diagnosis.extend(rows)
        self._write(rows, result)

    def _write(self, rows: Rows, result: Mapping[str, Any] | None) -> None:
        page = self._render(rows, result)
        run_dir.write_atomic(f"{self._workdir}/{run_dir.REPORT}", page.encode())

    def _render(self, rows: Rows, result: Mapping[str, Any] | None) -> str:
        logged = {row["step"]: row["learning_rate"] for row in rows if row["split"] == "train"}
        config, step = self._config, max(logged, default=0)
        return html_page.render(
            f"{escape(config.model.name)} on {escape(config.data.data_dir)}",
            [
                f"<p>{_progress(config, step, self._steps_per_epoch, result)}</p>",
                html_page.section("What the curves say", self._signs()),
                *([html_page.section("Final numbers", _numbers(result))] if result else []),
                html_page.section("Curves", _image(self._curves(rows), "loss and rank-1")),
                html_page.section(
                    "Learning rate",
                    _image(schedule_curve.draw(self._rates, logged), "learning rate over steps"),
                ),
                html_page.section("Flags", self._flags()),
            ],
            _STYLE,
        )

    def _signs(self) -> str:
        found = self._diagnosis.findings.values()
        if not found:
            return "<p>Nothing yet: signs are read from three epochs, trends from five.</p>"
        order = sorted(found, key=lambda finding: (finding.good, finding.step))
        rows = [
            [_kind(finding), _when(finding, self._diagnosis.epoch), _as_html(finding.sentence)]
            for finding in order
        ]
        return html_page.table(["", "epoch", ""], rows, "wwt")

    def _curves(self, rows: Rows) -> bytes:
        path = f"{self._workdir}/{run_dir.CURVES}"
        return files.read(path) if files.exists(path) else curves.render(rows)

    def _flags(self) -> str:
        path = f"{self._workdir}/{run_dir.FLAGS}"
        text = files.read(path).decode() if files.exists(path) else ""
        return f"<pre>{escape(text)}</pre>"


def _progress(
    config: RunConfig, step: int, steps_per_epoch: int, result: Mapping[str, Any] | None
) -> str:
    if result:
        return f"finished at step {result['steps']:,}, epoch {result['steps'] / steps_per_epoch:g}"
    end = config.training.steps
    return (
        f"at step {step:,} of {end:,}, epoch {step / steps_per_epoch:.4g} of "
        f"{end / steps_per_epoch:.4g}"
    )


def _numbers(result: Mapping[str, Any]) -> str:
    splits = result["splits"]
    there: Mapping[str, Any] = next(iter(splits.values()), {})
    columns = {name: title for name, title in _NUMBERS.items() if name in there}
    rows = [
        [
            escape(split),
            *(f"{numbers[name]:.4f}" for name in columns),
            f"{numbers['records']:,}",
        ]
        for split, numbers in splits.items()
    ]
    speed = f"<p>{result['images_per_second']:,.0f} images/s in training.</p>"
    return html_page.table(["split", *columns.values(), "images"], rows) + speed


def _kind(finding: Finding) -> str:
    kind, css = ("good", "good") if finding.good else ("bad", "warn")
    return f'<span class="{css}">{kind}: {escape(finding.name)}</span>'


def _when(finding: Finding, now: float) -> str:
    if finding.last_epoch == now or finding.last_epoch == finding.epoch:
        return f"{finding.epoch:g}"
    return f"{finding.epoch:g} to {finding.last_epoch:g}"


def _as_html(sentence: str) -> str:
    """Return a sentence that names fields as one that names flags."""
    return _FIELD.sub(r"<code>--\1\2</code>", escape(sentence[0].upper() + sentence[1:])) + "."


def _image(png: bytes, alt: str) -> str:
    return f'<img alt="{alt}" src="data:image/png;base64,{base64.b64encode(png).decode()}">'
