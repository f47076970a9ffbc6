"""Integrity of JPEG and PNG files: whether one is complete by its structure, without decoding it.

Pillow stops reading once it has all rows; TensorFlow reads on to the end, and refuses what is
broken there. And from a progressive JPEG that lacks scans, each release of libjpeg makes up the
missing detail in its own way. A complete file decodes to the same pixels everywhere.
"""

import re
import struct
import zlib

# A marker, not a byte of compressed data (0xff00), a restart (0xffd0 - 0xffd7) or a fill byte.
_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]")
_SEQUENTIAL, _PROGRESSIVE = (0xC0, 0xC1), 0xC2
_START_OF_SCAN, _END = 0xDA, 0xD9
_TABLES = {0xC4, 0xDB, 0xDD, 0xFE, *range(0xE0, 0xF0)}  # of codes and levels, and what is skipped
_COEFFICIENTS = 64

_PNG_SIGNATURE = 8
_PNG_KINDS = {b"IHDR", b"IDAT", b"PLTE", b"IEND"}


def is_complete_jpeg(data: bytes) -> bool:
    """Return whether all segments lie inside the file and all scans are there, to the end marker.

    What follows the end marker is not looked at.
    """
    position, progressive = 2, False
    # For each component, how many low bits of each coefficient are still to come.
    frame: dict[int, bytearray] = {}
    while match := _MARKER.search(data, position):
        marker, position = data[match.end() - 1], match.end()
        if marker == _END:
            return bool(frame) and not any(any(bits) for bits in frame.values())
        length = int.from_bytes(data[position : position + 2], "big")
        segment = data[position + 2 : position + length]
        if len(segment) != length - 2:
            return False
        if marker == _START_OF_SCAN:
            if not _apply_scan(frame, segment, progressive):
                return False
        elif marker in (*_SEQUENTIAL, _PROGRESSIVE) and not frame:
            progressive = marker == _PROGRESSIVE
            frame = {name: bytearray([1]) * _COEFFICIENTS for name in segment[6::3]}
        elif marker not in _TABLES:
            return False
        position += length
    return False


def is_complete_png(data: bytes) -> bool:
    """Return whether all chunks are there, up to the last, their checksums right, none unknown.

    That the compressed rows end as they should is left to these checksums.
    """
    # There is one method of compression and one of filtering; rows are interlaced or not.
    if data[26:29] not in (b"\0\0\0", b"\0\0\1"):
        return False
    position, headers = _PNG_SIGNATURE, 0
    while position + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 8 + length
        critical = not kind[0] & 0x20
        if critical:
            checksum = zlib.crc32(memoryview(data)[position + 4 : end]).to_bytes(4, "big")
            if kind not in _PNG_KINDS or data[end : end + 4] != checksum:
                return False
        headers += kind == b"IHDR"
        if kind == b"IEND":
            return headers == 1
        position = end + 4
    return False


def _apply_scan(frame: dict[int, bytearray], segment: bytes, progressive: bool) -> bool:
    """Note in `frame` what is still to come after a scan; return whether the scan makes sense."""
    count = segment[0] if segment else 0
    names, rest = segment[1 : 1 + 2 * count : 2], segment[1 + 2 * count :]
    if len(rest) != 3 or not set(names) <= frame.keys():
        return False
    first, last, low = (rest[0], rest[1], rest[2] & 15) if progressive else (0, 63, 0)
    for name in names:
        frame[name][first : last + 1] = bytes([low]) * (last + 1 - first)
    return last < _COEFFICIENTS and all(len(bits) == _COEFFICIENTS for bits in frame.values())
