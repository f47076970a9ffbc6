"""What libraries that decode images write is known and counted; all else passes as it is."""

import fcntl
import io
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from headrace import stderr_filter
from headrace.stderr_filter import Filter
from tests.headrace import scripts
from tests.headrace.scripts import FILTERED


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
    finished = scripts.run_script(
        tmp_path, FILTERED.format(body=body), *(damaged / name for name in names)
    )
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


DECODER_LINES = [
    b"Corrupt JPEG data: 12 extraneous bytes before marker 0xd9",
    b"Premature end of JPEG file",
    b"Inconsistent progression sequence for component 1 coefficient 0",
    b"Invalid SOS parameters for sequential JPEG",
    b"Unknown Adobe color transform code 3",
    b"Warning: unknown JFIF revision number 2.01",
    b"Not a JPEG file: starts with 0x00 0x00",
    b"Unsupported JPEG process: SOF type 0xc9",
    b"Bogus Huffman table definition",
    b"Quantization table 0x01 was not defined",
    b"TIFFReadDirectory: Warning, Unknown field with tag 33723 (0x83bb) encountered.",
    b'_TIFFVSetField: /a.tif: Null count for "Tag 34022" (type 1, writecount -3, passcount 1).',
    b"ZIPDecode: Decoding error at scanline 0, incorrect header check.",
    b"OJPEGReadHeaderInfo: JPEG strip/tile size and subsampling do not agree.",
    b"tempfile.tif: Old-style LZW codes not supported",
    b"libpng warning: iCCP: known incorrect sRGB profile",
    b"libpng error: IDAT: CRC error",
]
TENSORFLOW = b"2026-11-21 11:24:25.012345: W tensorflow/core/lib/jpeg/jpeg_mem.cc:118] "
OWN_LINES = [
    b"",
    b"error: photos holds no image; name another folder",
    b"warning: 3 images were left out",
    b"the line says: Premature end of JPEG file",
    b"2026-11-21 11:24:25.012345: W tensorflow/core/framework/op_kernel.cc:1] no more memory",
    b'  File "jpeg_mem.py", line 3, in <module>',
]


@pytest.mark.parametrize("line", DECODER_LINES)
def test_a_decoders_line_is_not_shown_but_counted(line):
    lines = Filter()
    assert lines.shown(line) == b""
    assert lines.shown(TENSORFLOW + line) == b""
    assert b", 2 messages of their decoders: " in lines.summary()


@given(st.sampled_from(OWN_LINES) | st.binary().map(lambda tail: b"ours: %s" % tail))
def test_any_other_line_is_shown_as_it_is(line):
    lines = Filter()
    assert lines.shown(line) == line + b"\n"
    assert lines.summary() == b""


def test_kinds_are_counted_whatever_numbers_they_have_and_the_commonest_come_first():
    lines = Filter()
    for number in range(3):
        lines.shown(
            b"Corrupt JPEG data: %d extraneous bytes before marker 0xd%d" % (number, number)
        )
    for _ in range(2):
        for kind in range(6):
            lines.shown(b"libpng warning: %s." % (b"abcdef"[kind : kind + 1]))
    kinds = "; ".join(f"libpng warning: {kind} (2)" for kind in "abcd")
    assert lines.summary().decode() == (
        "warning: damaged images, 15 messages of their decoders: "
        f"Corrupt JPEG data: N extraneous bytes before marker N (3); {kinds}; 2 more kinds\n"
    )


def test_a_line_about_a_named_image_is_shown_with_its_name_and_not_counted():
    lines = Filter()
    assert lines.shown(stderr_filter.NAME + b"a b.jpg") == b""
    shown = b"warning: a b.jpg: Premature end of JPEG file\n"
    assert lines.shown(b"Premature end of JPEG file") == shown
    assert lines.shown(TENSORFLOW + b"Premature end of JPEG file") == shown
    assert lines.shown(b"of ours") == b"of ours\n"
    assert lines.summary() == b""
    lines.shown(stderr_filter.NAME)
    assert lines.shown(b"Premature end of JPEG file") == b""


def start(stderr: int) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-I", "-S", stderr_filter.__file__],
        stdin=subprocess.PIPE,
        stderr=stderr,
    )


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (b"", b""),
        (b"one\ntwo", b"one\ntwo\n"),
        (b"x" * 200_000 + b"\nlast\n", b"x" * 200_000 + b"\nlast\n"),
        (b"Premature end of JPEG file\nours\n", b"ours\n" + b"%s"),
        (b"Premature end of JPEG file", b"%s"),
    ],
    ids=["nothing", "no end", "long", "counted", "counted, no end"],
)
def test_the_process_shows_what_is_to_be_shown_and_then_its_summary(written, shown):
    summary = (
        b"warning: damaged images, 1 messages of their decoders: Premature end of JPEG file (1)\n"
    )
    _, found = start(subprocess.PIPE).communicate(written)
    assert found == shown.replace(b"%s", summary)


def test_it_hears_no_signal_before_the_last_line():
    with start(subprocess.PIPE) as process:
        process.stdin.write(b"first\n")
        process.stdin.flush()
        assert process.stderr.readline() == b"first\n"
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            process.send_signal(number)
        assert process.communicate(b"last\n")[1] == b"last\n"
    assert process.returncode == 0


def test_it_ends_when_nobody_reads():
    reader, writer = os.pipe()
    process = start(writer)
    os.close(writer)
    os.close(reader)
    process.stdin.write(b"line\n")
    process.stdin.flush()
    assert process.wait(60) == 0
    process.stdin.close()


def test_a_reader_that_is_slow_loses_nothing_where_writing_does_not_wait():
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETFL, os.O_NONBLOCK)
    process = start(writer)
    os.close(writer)
    # More than one pipe holds, and less than two and the filter in between.
    lines = b"".join(b"%05d\n" % number for number in range(25_000))
    process.stdin.write(lines)
    process.stdin.close()
    with os.fdopen(reader, "rb") as shown:
        assert shown.read() == lines
    assert process.wait(60) == 0
