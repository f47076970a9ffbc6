"""The output directory: what a job replaces in it, and what it leaves alone."""

import shutil

import pytest

from beam_pipelines.pipeline import job
from headrace.errors import UsageError, UserError
from input.dataset import dataset_dir
from tests.beam_pipelines.jobs import file_contents, prepare
from tests.conftest import assert_one_line_error, run_program


def test_a_finished_dataset_is_replaced_only_on_request(source, tmp_path):
    first = prepare(source, tmp_path / "data")
    before = file_contents(tmp_path / "data")
    with pytest.raises(UserError, match="`overwrite`"):
        prepare(source, tmp_path / "data", seed=1)
    assert file_contents(tmp_path / "data") == before
    second = prepare(source, tmp_path / "data", seed=1, overwrite=True)
    assert second.fingerprint != first.fingerprint
    assert dataset_dir.read_card(str(tmp_path / "data")) == second


@pytest.mark.parametrize(
    "name", ["thesis.txt", "other-train.tfrecord-00000-of-00001", "other-train.labels"]
)
def test_a_folder_with_other_files_is_left_alone(source, tmp_path, name):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / name).write_text("precious")
    with pytest.raises(UserError, match=f"holds other files .{name}"):
        prepare(source, tmp_path / "mine")
    assert file_contents(tmp_path / "mine") == {name: b"precious"}


@pytest.mark.parametrize("below", ["", "/out", "/dark/out"])
def test_a_dataset_is_not_written_among_its_own_images(source, tmp_path, below):
    before = file_contents(source)
    (tmp_path / "link").symlink_to(source)
    for given in (source, tmp_path / "link"):
        with pytest.raises(UsageError, match=r"`output_dir`=.* lies in the source"):
            prepare(source, f"{given}{below}")
        with pytest.raises(UsageError, match=r"`output_dir`=.* lies in the source"):
            prepare(f"filename:{source}", f"{given}{below}", class_pattern="(.)")
    assert file_contents(source) == before


def test_a_dataset_does_not_replace_the_one_it_is_made_from(prepared, tmp_path):
    shutil.copytree(prepared, tmp_path / "data")
    before = file_contents(tmp_path / "data")
    with pytest.raises(UsageError, match=r"`output_dir`=.* lies in the source"):
        prepare(f"tfds:{tmp_path / 'data'}", tmp_path / "data", splits="", overwrite=True)
    assert file_contents(tmp_path / "data") == before


def test_a_listing_may_lie_beside_the_output(source, tmp_path):
    rows = [f"{path},{path.parent.name}" for path in sorted(source.rglob("*.png"))]
    (tmp_path / "all.csv").write_text("\n".join(rows))
    card = prepare(f"listing:{tmp_path / 'all.csv'}", tmp_path / "data")
    assert card.source["images"] == 30


def test_an_output_folder_that_cannot_be_written_is_named(source):
    with pytest.raises(UserError, match=r"`output_dir`=/proc/data cannot be written"):
        prepare(source, "/proc/data")  # no one may make a folder there, root neither


def test_a_second_job_stays_out_of_a_folder_that_one_is_writing_to(source, tmp_path, monkeypatch):
    whole = prepare(source, tmp_path / "whole")
    plan = job.plan.run

    def start_another_then_plan(*arguments):
        finished = run_program(
            "beam_pipelines.prepare",
            *(f"--source=folder:{source}", f"--output_dir={tmp_path / 'data'}", "--overwrite"),
        )
        assert_one_line_error(finished, 1, "--output_dir", "another job is writing to it")
        return plan(*arguments)

    monkeypatch.setattr(job.plan, "run", start_another_then_plan)
    assert prepare(source, tmp_path / "data").fingerprint == whole.fingerprint
    assert file_contents(tmp_path / "data").keys() == file_contents(tmp_path / "whole").keys()


def test_a_dataset_that_was_finished_meanwhile_is_not_replaced(source, tmp_path, monkeypatch):
    check = job._check

    def check_then_finish_another(*arguments):
        check(*arguments)
        monkeypatch.setattr(job, "_check", check)
        prepare(source, tmp_path / "data", seed=1)

    monkeypatch.setattr(job, "_check", check_then_finish_another)
    with pytest.raises(UserError, match="holds a finished dataset"):
        prepare(source, tmp_path / "data")
    assert dataset_dir.read_card(str(tmp_path / "data")).seed == 1


def test_an_unfinished_job_is_replaced_but_not_files_put_beside_it(source, tmp_path):
    (tmp_path / "data" / ".work").mkdir(parents=True)
    (tmp_path / "data" / "shades-train.tfrecord-00000-of-00009").write_text("half")
    (tmp_path / "data" / "shades-fold_0.index").write_text("old")
    (tmp_path / "data" / "shades-fold_0.labels").write_text("old")
    (tmp_path / "data" / "thesis.txt").write_text("precious")
    with pytest.raises(UserError, match=r"thesis\.txt"):
        prepare(source, tmp_path / "data")
    (tmp_path / "data" / "thesis.txt").unlink()
    prepare(source, tmp_path / "data")
    assert not list((tmp_path / "data").glob("*-of-00009"))
    assert not list((tmp_path / "data").glob("*-fold_0.*"))
