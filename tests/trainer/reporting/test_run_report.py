"""The report of a finished run: signs, numbers, pictures, flags; nothing outside the page."""

import base64
import html.parser
import re

from trainer import run_dir
from trainer.config import run as run_config
from trainer.config.data import DataConfig
from trainer.config.model import ModelConfig
from trainer.config.run import RunConfig
from trainer.config.training import TrainingConfig
from trainer.diagnosis import examples
from trainer.optimization import schedules
from trainer.reporting import schedule_curve
from trainer.reporting.run_report import RunReport


def report(workdir, steps: int, steps_per_epoch: int = examples.STEPS_PER_EPOCH) -> RunReport:
    config = RunConfig(
        data=DataConfig(data_dir="<data>"),
        model=ModelConfig(name="lenet"),
        training=TrainingConfig(steps=steps),
    )
    return RunReport(str(workdir), config, steps_per_epoch)


def images(page: str) -> list[bytes]:
    return [
        base64.b64decode(text)
        for text in re.findall(r'src="data:image/png;base64,([\w+/=]+)"', page)
    ]


def test_a_finished_run_has_its_numbers_curves_rate_and_flags(run):
    page = (run / "report.html").read_text()
    result = run_dir.read_result(str(run))
    assert "finished at step 80, epoch 20" in page
    for split, numbers in result["splits"].items():
        row = "".join(
            f'<td class="number">{numbers[name]:.4f}</td>' for name in ("rank1", "rank5", "loss")
        )
        assert f"<td>{split}</td>{row}" in page
    assert "resnet_cifar on " in page
    assert "--learning_rate=0.05" in page
    config = run_config.read(str(run))
    rows = run_dir.read_metrics(str(run))
    logged = {row["step"]: row["learning_rate"] for row in rows if row["split"] == "train"}
    rates = schedules.planned_rates(config, 4)
    assert len(rates) == 81
    assert images(page) == [(run / "curves.png").read_bytes(), schedule_curve.draw(rates, logged)]
    assert not re.findall(r'(?:src|href)="(?!data:)', page)


def test_the_page_is_well_formed_and_what_it_is_told_becomes_no_markup(tmp_path):
    for row in examples.healthy(6).rows:
        run_dir.append_metrics(str(tmp_path), row)
    (tmp_path / run_dir.FLAGS).write_text("--workdir=<b>&</b>\n")
    report(tmp_path, 600).update(600, print)
    page = (tmp_path / "report.html").read_text()
    assert "--workdir=&lt;b&gt;&amp;&lt;/b&gt;" in page
    assert "<h1>lenet on &lt;data&gt;</h1>" in page
    assert "at step 600 of 600, epoch 6 of 6" in page
    open_tags: list[str] = []

    class Parser(html.parser.HTMLParser):
        def handle_starttag(self, tag, attrs):
            if tag not in {"meta", "img"}:
                open_tags.append(tag)

        def handle_endtag(self, tag):
            assert open_tags.pop() == tag

    Parser().feed(page)
    assert open_tags == []


def test_what_was_seen_and_went_away_is_said_with_its_epochs(tmp_path):
    for row in examples.overfitting().rows:
        run_dir.append_metrics(str(tmp_path), row)
    report(tmp_path, 1500).update(1500, print)
    page = (tmp_path / "report.html").read_text()
    assert re.search(r"good: validation loss falls</span></td><td[^>]*>3 to 5</td>", page)
    assert re.search(r"bad: validation stays behind</span></td><td[^>]*>8</td>", page)
    assert "<code>--patience=5</code>" in page
    assert page.index("bad: ") < page.index("good: ")


def test_with_nothing_to_see_it_says_so(tmp_path):
    report(tmp_path, 100, 10).update(0, print)
    assert "Nothing yet" in (tmp_path / "report.html").read_text()
