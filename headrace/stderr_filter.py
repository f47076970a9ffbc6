"""Passes standard input on to standard error, but for what libraries that decode images write.

    python headrace/stderr_filter.py    # as `stdio.filter_stderr` starts it: it imports no package

libjpeg, libtiff, libpng and TensorFlow's decoders write a line for each damaged image, which names
no file. They are counted by kind, and one line at the end says so. Where the program has said which
image it decodes (`stdio.name_image`), the line is shown at once, with the name.

A process of its own, so that nothing is lost when the program aborts or is killed: it ends when
nobody can write any more, or nobody reads, and hears no signal before.
"""

import os
import re
import select
import signal

# A line that begins with this says which image is decoded from here on; nothing for none.
NAME = b"\0image "

_LIBJPEG = (
    rb"Corrupt JPEG data: |Premature end of JPEG file|Inconsistent progression sequence for "
    rb"|Invalid SOS parameters for sequential JPEG|Unknown Adobe color transform code "
    rb"|Warning: unknown JFIF revision number |Not a JPEG file: starts with "
    rb"|Unsupported JPEG (?:process|data precision)|Unsupported marker type 0x|Bogus \w+ "
    rb"|(?:Huffman|Quantization|Arithmetic) table 0x|Invalid JPEG file structure: "
    rb"|Invalid (?:component ID|progressive parameters)|Improper call to JPEG library in state "
    rb"|Empty JPEG image |Empty input file|Maximum supported image dimension is "
    rb"|Unsupported color conversion request|Sampling factors too large for interleaved scan"
    rb"|Missing Huffman code table entry|Application transferred too many scanlines"
)
_LIBTIFF = (
    rb"(?:_?TIFF|ZIP|LZW|Fax|CCITT|O?JPEG|PackBits|LogL|PixarLog|ZSTD|LZMA|WebP|JBIG|LERC|Thunder"
    rb"|NeXT|Dump)\w*: |tempfile\.tif: "
)
_LIBPNG = rb"libpng (?:warning|error): "
_TENSORFLOW = re.compile(
    rb"(?:[IWE]\d+ |[\d:. -]+: [IWE] ).*\b(?:jpeg_mem|png_io|gif_io|decode_image_op)\.cc:\d+\] "
)
_DECODER = re.compile(rb"%s|%s|%s" % (_LIBJPEG, _LIBTIFF, _LIBPNG))
_NUMBER = re.compile(rb"0x[0-9a-fA-F]+|\d+")

_LONGEST_LINE = 1 << 16  # bytes; a longer one is passed on in pieces
_SILENCE_SECONDS = 0.1  # after which the beginning of a line is passed on
_MOST_KINDS = 5


class Filter:
    """Sorts lines into those to be shown and those to be counted."""

    def __init__(self) -> None:
        self._counts: dict[bytes, int] = {}
        self._image = b""

    def shown(self, line: bytes) -> bytes:
        """Return what is to be shown of a line, with its end; nothing of one that is counted."""
        if line.startswith(NAME):
            self._image = line.removeprefix(NAME)
            return b""
        prefix = _TENSORFLOW.match(line)
        if not (prefix or _DECODER.match(line)):
            return line + b"\n"
        text = line[prefix.end() :] if prefix else line
        if self._image:
            return b"warning: %s: %s\n" % (self._image, text)
        kind = _NUMBER.sub(b"N", text.rstrip(b". \r"))
        self._counts[kind] = self._counts.get(kind, 0) + 1
        return b""

    def summary(self) -> bytes:
        """Return the line that says what was counted; nothing if nothing was."""
        if not self._counts:
            return b""
        kinds = sorted(self._counts, key=lambda kind: -self._counts[kind])
        parts = [b"%s (%d)" % (kind, self._counts[kind]) for kind in kinds[:_MOST_KINDS]]
        if len(kinds) > _MOST_KINDS:
            parts.append(b"%d more kinds" % (len(kinds) - _MOST_KINDS))
        times = sum(self._counts.values())
        return b"warning: damaged images, %d messages of their decoders: %s\n" % (
            times,
            b"; ".join(parts),
        )


def main() -> None:
    """Pass lines on until there are no more."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    lines, rest = Filter(), b""
    while True:
        if rest and not select.select([0], [], [], _SILENCE_SECONDS)[0]:
            _write(rest)
            rest = b""
        read = os.read(0, _LONGEST_LINE)
        if not read:
            break
        *whole, rest = (rest + read).split(b"\n")
        _write(b"".join(map(lines.shown, whole)))
        if len(rest) >= _LONGEST_LINE:
            _write(rest)
            rest = b""
    _write((lines.shown(rest) if rest else b"") + lines.summary())


def _write(data: bytes) -> None:
    while data:
        try:
            data = data[os.write(2, data) :]
        except BlockingIOError:
            select.select([], [2], [])
        except OSError:  # nobody reads any more, and who writes to a pipe without a reader hears it
            os._exit(0)


if __name__ == "__main__":
    main()
