"""How a program starts and ends."""

import os

import pytest

from tests.conftest import assert_one_line_error
from tests.headrace import scripts

PROGRAM = """
from absl import flags
from headrace import errors, program
flags.DEFINE_integer("size", 3, "How large.", 1)
def main(*files: str) -> None:
    {body}
program.run(main)
"""


def run_script(tmp_path, body: str, *arguments: str, **changed):
    return scripts.run_script(tmp_path, PROGRAM.format(body=body), *arguments, **changed)


@pytest.mark.parametrize(("kind", "code"), [("UserError", 1), ("UsageError", 2)])
def test_a_users_mistake_is_one_line(tmp_path, kind, code):
    finished = run_script(tmp_path, f"raise errors.{kind}('no such thing; try another')")
    assert_one_line_error(finished, code, "error: no such thing; try another")


def test_a_defect_keeps_its_traceback(tmp_path):
    finished = run_script(tmp_path, "{}['missing']")
    assert finished.returncode == 1
    assert "Traceback" in finished.stderr
    assert "KeyError" in finished.stderr


def test_a_defect_about_arguments_is_not_taken_for_a_users(tmp_path):
    finished = run_script(tmp_path, "(lambda: None)(1)")
    assert "Traceback" in finished.stderr


def test_flags_that_absl_words_or_raises_otherwise_are_one_line_too(tmp_path):
    finished = run_script(tmp_path, "pass", f"--flagfile={tmp_path}/none")
    assert_one_line_error(finished, 2, "error: unable to open flagfile", "none")
    finished = run_script(tmp_path, "pass", "--nologtostderr=3")
    assert_one_line_error(finished, 2, "error: --nologtostderr=3 does not take an argument")


def test_success_is_silent(tmp_path):
    finished = run_script(tmp_path, "print(*files)", "a", "b")
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "a b\n", "")


@pytest.mark.parametrize(
    ("body", "arguments"),
    [("pass", ["--help"]), ("print(1)", []), ("[print('x' * 999) for _ in range(999)]", [])],
)
def test_a_program_whose_output_nobody_reads_ends_without_a_word(tmp_path, body, arguments):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer) as unread:
        finished = run_script(tmp_path, body, *arguments, stdout=unread)
    assert (finished.returncode, finished.stderr) == (141, "")


def test_a_pipe_that_breaks_elsewhere_is_a_defect(tmp_path):
    body = "import os; r, w = os.pipe(); os.close(r); os.write(w, b'x')"
    finished = run_script(tmp_path, body)
    assert finished.returncode == 1
    assert "BrokenPipeError" in finished.stderr


def test_flags_out_of_range_are_refused(tmp_path):
    assert_one_line_error(run_script(tmp_path, "pass", "--size=0"), 2, "--size=0")
