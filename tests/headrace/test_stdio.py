"""The standard streams: nothing is lost of what is written, but the lines of decoders."""

import os
import signal
import subprocess
import sys

import pytest

from headrace import stdio
from tests.conftest import ROOT
from tests.headrace import scripts
from tests.headrace.scripts import FILTERED

DECODER_LINE = "os.write(2, b'Premature end of JPEG file\\n'); "
SUMMARY = "warning: damaged images, 1 messages of their decoders: Premature end of JPEG file (1)\n"


def run_script(tmp_path, body: str, *arguments, **changed):
    return scripts.run_script(tmp_path, FILTERED.format(body=body), *arguments, **changed)


def test_messages_about_an_image_that_is_named_are_shown_with_its_name(tmp_path):
    body = "stdio.name_image('a b.jpg'); " + DECODER_LINE + "stdio.name_image(''); " + DECODER_LINE
    finished = run_script(tmp_path, body)
    assert finished.stderr == "warning: a b.jpg: Premature end of JPEG file\n" + SUMMARY


def test_without_a_filter_no_name_is_written(capfd):
    stdio.name_image("a.jpg")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("end", "code", "last"),
    [
        ("pass", 0, ""),
        ("sys.exit(7)", 7, ""),
        ("os._exit(7)", 7, ""),
        ("os.abort()", -signal.SIGABRT, ""),
        ("os.kill(os.getpid(), 9)", -signal.SIGKILL, ""),
        ("os.kill(0, 2)", 130, ""),
        ("os.kill(os.getpid(), 15)", -signal.SIGTERM, ""),
        ("os.killpg(0, 15)", -signal.SIGTERM, ""),
        ("[][0]", 1, "IndexError: list index out of range\n"),
    ],
)
def test_whatever_the_end_all_lines_arrive(tmp_path, end, code, last):
    body = f"{DECODER_LINE}os.write(2, b'x' * 99_999 + b'\\nlast words\\n'); {end}"
    finished = run_script(tmp_path, body, start_new_session=True)
    assert finished.returncode == code
    assert finished.stderr.startswith("x" * 99_999 + "\nlast words\n")
    assert SUMMARY in finished.stderr
    assert finished.stderr.endswith(last or SUMMARY)


def test_standard_error_is_itself_again_after_that(tmp_path):
    before = os.fstat(2), sorted(os.listdir("/proc/self/fd"))
    with stdio.filter_stderr():
        assert os.fstat(2) != before[0]
    assert (os.fstat(2), sorted(os.listdir("/proc/self/fd"))) == before


def test_children_write_through_the_filter_and_may_outlive_the_program(tmp_path):
    body = (
        "subprocess.run(['sh', '-c', 'echo Premature end of JPEG file >&2; echo kept >&2'])\n"
        "    subprocess.Popen(['sh', '-c', 'read line; echo later >&2'], stdin=subprocess.PIPE)"
    )
    finished = run_script(tmp_path, body)
    assert finished.returncode == 0
    assert finished.stderr == "kept\nlater\n" + SUMMARY


def test_a_line_without_an_end_is_shown_while_the_program_waits(tmp_path):
    script = tmp_path / "program.py"
    script.write_text(FILTERED.format(body="os.write(2, b'go on? '); sys.stdin.read()"))
    with subprocess.Popen(
        [sys.executable, script],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stderr
        assert process.stderr.read(7) == b"go on? "
        process.communicate()
    assert process.returncode == 0


def test_many_threads_lose_no_line(tmp_path):
    body = (
        "write = lambda n: [os.write(2, b'%d %d\\n' % (n, i)) for i in range(2000)]\n"
        "    threads = [threading.Thread(target=write, args=[n]) for n in range(4)]\n"
        "    [thread.start() for thread in threads]; [thread.join() for thread in threads]"
    )
    lines = run_script(tmp_path, body).stderr.splitlines()
    for thread in range(4):
        assert [line for line in lines if line.startswith(f"{thread} ")] == [
            f"{thread} {number}" for number in range(2000)
        ]


def test_a_program_without_standard_error_runs(tmp_path):
    finished = run_script(tmp_path, "print('done')", preexec_fn=lambda: os.close(2), stderr=None)
    assert (finished.returncode, finished.stdout) == (0, "done\n")


def test_an_error_that_nobody_reads_keeps_its_exit_code(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    body = "from headrace.errors import UsageError; raise UsageError('no')"
    with os.fdopen(writer) as unread:
        finished = run_script(tmp_path, body, stderr=unread)
    assert (finished.returncode, finished.stdout) == (2, "")


def test_streams_that_are_discarded_take_what_is_written(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as unread:
        stdio.discard(unread)
        print("nobody reads this", file=unread, flush=True)
