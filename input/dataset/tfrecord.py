"""TFRecord frames: how a record lies in a shard, and whether it is whole.

A frame is the record's length (little-endian uint64), the length's CRC, the record, its CRC; a CRC
is CRC-32C, rotated and shifted, as uint32.
"""

import struct

import google_crc32c

HEADER_BYTES, FOOTER_BYTES = 12, 4
_MASK_DELTA = 0xA282EAD8


def frame(record: bytes) -> bytes:
    """Return a record as a shard holds it."""
    length = struct.pack("<Q", len(record))
    return b"".join((length, _crc(length), record, _crc(record)))


def unframe(framed: bytes) -> bytes:
    """Return the record in a frame.

    Raises:
        ValueError: the frame is damaged; the message says what of it.
    """
    length, record, crc = framed[:8], framed[HEADER_BYTES:-FOOTER_BYTES], framed[-FOOTER_BYTES:]
    if _crc(length) != framed[8:HEADER_BYTES]:
        raise ValueError("its length fails the checksum")
    if struct.unpack("<Q", length)[0] != len(record):
        raise ValueError("its length is not that of the index")
    if _crc(record) != crc:
        raise ValueError("it fails its checksum")
    return record


def _crc(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF)
