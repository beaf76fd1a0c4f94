"""A file as an argument: its name, its type and its bytes, which JSON holds in Base64.

It is what a browser uploads, for forms and views that take one. Files that are sent are
`server.content`'s business.
"""

from __future__ import annotations

import base64
import mimetypes
import re
from typing import Any, Final

from django.core.files.uploadedfile import SimpleUploadedFile

#: Bytes of a file, and letters of its name.
MOST_BYTES: Final = 1024 * 1024
LONGEST_NAME: Final = 100

#: What callers are told of it.
SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": LONGEST_NAME},
        "mime_type": {"type": "string"},
        "data": {
            "type": "string",
            "contentEncoding": "base64",
            "maxLength": (MOST_BYTES + 2) // 3 * 4,
        },
    },
    "required": ["name", "data"],
    "additionalProperties": False,
}

_NAMES: Final = frozenset(SCHEMA["properties"])
_FILE_NAME: Final = re.compile(r'[^/\\"\x00-\x1f\x7f\ud800-\udfff]+')
_MIME_TYPE: Final = re.compile(r"[A-Za-z0-9.+-]{1,60}/[A-Za-z0-9.+-]{1,60}")


def upload_of(value: Any) -> SimpleUploadedFile:
    """The file that `value`, an object of `SCHEMA`, holds.

    Raises ValueError for anything else, and for more bytes than `MOST_BYTES`.
    """
    if not isinstance(value, dict) or not {"name", "data"} <= value.keys() <= _NAMES:
        raise ValueError("should be a file: an object with name, data in Base64, and mime_type")
    name = _name(value["name"])
    kind = value.get("mime_type")
    if kind is None:
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    if not isinstance(kind, str) or not _MIME_TYPE.fullmatch(kind):
        raise ValueError("mime_type should be one, such as image/png")
    return SimpleUploadedFile(name, _content(value["data"]), kind)


def _name(given: Any) -> str:
    """The name of a file, which leads to no folder and fits between quotes."""
    if (
        not isinstance(given, str)
        or len(given) > LONGEST_NAME
        or not _FILE_NAME.fullmatch(given)
        or given in (".", "..")
    ):
        raise ValueError(
            f"name should be the name of a file, without a folder, of 1 to {LONGEST_NAME} letters"
        )
    return given


def _content(data: Any) -> bytes:
    if not isinstance(data, str):
        raise ValueError("data should be the bytes of the file in Base64")
    if len(data) > SCHEMA["properties"]["data"]["maxLength"]:
        raise ValueError(f"data should have at most {MOST_BYTES:,} bytes")
    try:
        content = base64.b64decode(data, validate=True)
    except ValueError:
        raise ValueError("data should be the bytes of the file in Base64") from None
    if len(content) > MOST_BYTES:
        raise ValueError(f"data should have at most {MOST_BYTES:,} bytes; got {len(content):,}")
    return content
