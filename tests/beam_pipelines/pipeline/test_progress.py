"""Progress, as it is printed where there is no terminal."""

import pytest

from beam_pipelines.pipeline import progress


def counts(upto: int, error: Exception | None = None):
    yield from range(1, upto + 1)
    if error:
        raise error


def test_a_phase_that_ended_is_a_line(capsys):
    progress.follow("write", 7, counts(7))
    assert capsys.readouterr().out.startswith("write: 7 images in ")


def test_work_that_failed_is_not_called_done_and_its_error_is_raised(capsys):
    with pytest.raises(OSError, match="disk full"):
        progress.follow("write", 7, counts(3, OSError("disk full")))
    assert capsys.readouterr().out == ""
