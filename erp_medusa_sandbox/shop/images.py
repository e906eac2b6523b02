"""Small real pictures for the sample shop: PNG, JPEG and WebP, each with its own bytes.

Making image bytes without an imaging library. Which item gets which belongs to `seed.py`.
"""

from __future__ import annotations

import base64
import struct
import zlib

# 8 x 8 pixels of one colour each; encoded once, since the standard library encodes neither format.
_JPEG = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABALDA4MChAODQ4SERATGCgaGBYWGDEjJR0oOjM9PDkzODdASFxOQERXRTc4UG1RV19iZ2hnPk1xeXBk"
    "eFxlZ2P/2wBDARESEhgVGC8aGi9jQjhCY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2P/wAARCAAIAAgD"
    "ASIAAhEBAxEB/8QAFQABAQAAAAAAAAAAAAAAAAAAAAT/xAAUEAEAAAAAAAAAAAAAAAAAAAAA/8QAFAEBAAAAAAAAAAAAAAAAAAAABf/EABQRAQAA"
    "AAAAAAAAAAAAAAAAAAD/2gAMAwEAAhEDEQA/AIACAh//2Q=="
)
_WEBP = base64.b64decode("UklGRjQAAABXRUJQVlA4ICgAAACwAQCdASoIAAgAAsBMJaACdLoABDAAAP7oOL9qYJIyAP/gN18Wy+AA")
PNG_SIDE = 16


def image(kind: str, number: int) -> bytes:
    """Make a picture of the kind "png", "jpg", "jpeg" or "webp"; different bytes for every number."""
    if kind == "png":
        return _png(number)
    if kind == "webp":
        # Chunks that a reader does not know are skipped; the RIFF size counts them.
        riff = _WEBP[8:] + b"NUMB" + struct.pack("<II", 4, number)
        return b"RIFF" + struct.pack("<I", len(riff)) + riff
    comment = str(number).encode()
    return _JPEG[:2] + b"\xff\xfe" + struct.pack(">H", len(comment) + 2) + comment + _JPEG[2:]


def _png(number: int) -> bytes:
    colour = bytes((number * 37 % 256, number * 91 % 256, number // 256 % 256))
    rows = (b"\x00" + colour * PNG_SIDE) * PNG_SIDE
    header = struct.pack(">IIBBBBB", PNG_SIDE, PNG_SIDE, 8, 2, 0, 0, 0)
    chunks = (
        (b"IHDR", header),
        (b"tEXt", b"Comment\x00" + str(number).encode()),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
