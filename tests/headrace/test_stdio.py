"""The standard streams: nothing is lost of what is written, but the lines of decoders."""

import io
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from headrace import stdio
from tests.conftest import ROOT

PROGRAM = """
import os, subprocess, sys, threading
from headrace import program, stdio
def main(*files: str) -> None:
    {body}
program.run(main, decodes_images=True)
"""
DECODER_LINE = "os.write(2, b'Premature end of JPEG file\\n'); "
SUMMARY = "warning: damaged images, 1 messages of their decoders: Premature end of JPEG file (1)\n"


def run_script(tmp_path, body: str, *arguments, **changed):
    script = tmp_path / "program.py"
    script.write_text(PROGRAM.format(body=body))
    return subprocess.run(
        [sys.executable, str(script), *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
        timeout=100,
        check=False,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **changed},
    )


def noise(*shape: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))


def saved(image: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.fixture(scope="module")
def damaged(tmp_path_factory):
    """Files of which libjpeg or libtiff have something to say."""
    folder = tmp_path_factory.mktemp("damaged")
    jpeg = saved(noise(64, 48, 3), "JPEG")
    tiff = bytearray(saved(noise(64, 64).convert("1"), "TIFF", compression="tiff_adobe_deflate"))
    tiff[200:260] = bytes(range(60))
    contents = {
        "short.jpg": jpeg[: len(jpeg) // 2] + b"\xff\xd9",
        "long.jpg": jpeg[:-2] + b"more than it was" + jpeg[-2:],
        "cut.jpg": jpeg[: len(jpeg) // 2],
        "zip.tif": bytes(tiff),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return folder


def test_what_tensorflow_and_pillow_say_of_damaged_images_is_counted(damaged, tmp_path):
    body = (
        "from headrace.tensorflow_import import import_tensorflow; import_tensorflow()\n"
        "    import tensorflow as tf; from PIL import Image\n"
        "    paths = tf.data.Dataset.from_tensor_slices(list(files[:3])).repeat(4)\n"
        "    decode = lambda path: tf.io.decode_jpeg(tf.io.read_file(path))\n"
        "    print(len(list(paths.map(decode, 4).ignore_errors())))\n"
        "    try: Image.open(files[3]).load()\n"
        "    except OSError: pass\n"
        "    print('of ours', file=sys.stderr)"
    )
    names = ("short.jpg", "long.jpg", "cut.jpg", "zip.tif")
    finished = run_script(tmp_path, body, *(damaged / name for name in names))
    assert (finished.returncode, finished.stdout) == (0, "8\n")
    ours, summary = finished.stderr.splitlines()
    assert ours == "of ours"
    assert summary.startswith("warning: damaged images, ")
    for kind in (
        "Corrupt JPEG data: premature end of data segment (4)",
        "Corrupt JPEG data: N extraneous bytes before marker N (4)",
        "Premature end of JPEG data. Stopped at line N/N (4)",
        "ZIPDecode: ",
    ):
        assert kind in summary


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
    script.write_text(PROGRAM.format(body="os.write(2, b'go on? '); sys.stdin.read()"))
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
