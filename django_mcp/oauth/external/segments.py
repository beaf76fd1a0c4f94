"""What a token says of itself, before anybody has verified it: who would have to be asked.

A token is as long as a header may be, so what is decoded here is small.
"""

from __future__ import annotations

import base64
import re
from typing import Any, Final

from ..documents import NoObject, json_object

_SEGMENTS: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]*")


def header_of(token: str) -> dict[str, Any]:
    """The header of a JWT; empty where the token is none."""
    return _segment(token, 1)


def issuer_named_in(token: str) -> str | None:
    """The `iss` of a token that has the form of a signed JWT; None for any other."""
    if not _segment(token, 1):
        return None
    issuer = _segment(token, 2).get("iss")
    return issuer if isinstance(issuer, str) else None


def _segment(token: str, number: int) -> dict[str, Any]:
    found = _SEGMENTS.fullmatch(token)
    if found is None:
        return {}
    text = found[number]
    try:
        return json_object(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (NoObject, ValueError):
        return {}
