"""Opaque cursors: where the next page of a list starts.

A cursor names the last item of the page before, and where it stood in case that item is gone. It
is no secret: who forges one sees no more than the list shows anyway.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import TypeVar

from ..protocol.errors import InvalidParams

T = TypeVar("T")


def encode(kind: str, index: int, key: str) -> str:
    """A cursor to what follows the item `key`, which stands at `index` in the list `kind`."""
    text = json.dumps([kind, index, key], separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode("ascii").rstrip("=")


def start(kind: str, cursor: str | None, keys: Sequence[str]) -> int:
    """The index the page after `cursor` starts at; raises InvalidParams for a cursor not ours."""
    if cursor is None:
        return 0
    index, key = _decode(kind, cursor)
    if index < len(keys) and keys[index] == key:
        return index + 1
    try:
        return keys.index(key) + 1
    except ValueError:
        # The item is gone; those that followed it have moved up into its place.
        return min(index, len(keys))


def _decode(kind: str, cursor: str) -> tuple[int, str]:
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        found, index, key = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, TypeError, RecursionError):
        raise _unknown(kind) from None
    if found != kind or type(index) is not int or index < 0 or not isinstance(key, str):
        raise _unknown(kind)
    return index, key


def _unknown(kind: str) -> InvalidParams:
    return InvalidParams(
        f"params.cursor is not a cursor of {kind}: send nextCursor of the page before unchanged, "
        "or no cursor to start again."
    )
