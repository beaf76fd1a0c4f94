"""Covers for books that have none: a PNG of coloured bands, the same for a title each time."""

from __future__ import annotations

import random
import struct
import zlib

WIDTH, HEIGHT = 120, 180
PAPER = (240, 234, 222)


def draw(title: str) -> bytes:
    """The cover for `title` as a PNG."""
    chance = random.Random(title)  # noqa: S311 - it has to be repeatable, not secret
    cloth = tuple(chance.randint(40, 140) for _ in range(3))
    bands = {chance.randrange(20, HEIGHT - 20) for _ in range(4)}
    rows = [
        bytes(PAPER if any(0 <= y - band < 6 for band in bands) else cloth) * WIDTH
        for y in range(HEIGHT)
    ]
    # A PNG is a signature and chunks; each row of pixels begins with the number of its filter.
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    chunks = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(name + data)
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)
