"""The smallest picture and the smallest sound there are."""

from __future__ import annotations

import base64

#: One pixel, red.
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
)

#: One sample of silence: mono, 8 kHz, 8 bits.
WAV = base64.b64decode("UklGRiUAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQEAAACAAA==")
