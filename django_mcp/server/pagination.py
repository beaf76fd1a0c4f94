"""Opaque cursors: where the next page of a list starts.

A cursor names the last item of the page before, and where it stood in case that item is gone; or
one of the listings that follow a list, and where in it. It is no secret: who forges one sees no
more than the list shows anyway.
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
    return _encode([kind, index, key])


def encode_within(kind: str, listing: str, after: str | None) -> str:
    """A cursor to what follows `after` in a listing behind the list `kind`; None for its start."""
    return _encode([kind, listing, after])


def within(kind: str, cursor: str | None) -> tuple[str, str | None] | None:
    """The listing a cursor leads into, and where; None for one into the list itself.

    Raises InvalidParams for a cursor not ours.
    """
    if cursor is None:
        return None
    place, key = _decode(kind, cursor)
    return (place, key) if isinstance(place, str) else None


def start(kind: str, cursor: str | None, keys: Sequence[str]) -> int:
    """The index the page after `cursor` starts at; raises InvalidParams for a cursor not ours."""
    if cursor is None:
        return 0
    index, key = _decode(kind, cursor)
    if isinstance(index, str) or key is None:
        raise unknown(kind)
    if index < len(keys) and keys[index] == key:
        return index + 1
    try:
        return keys.index(key) + 1
    except ValueError:
        # The item is gone; those that followed it have moved up into its place.
        return min(index, len(keys))


def unknown(kind: str) -> InvalidParams:
    """The error for a cursor that is none of the list `kind`."""
    return InvalidParams(
        f"params.cursor is not a cursor of {kind}: send nextCursor of the page before unchanged, "
        "or no cursor to start again."
    )


def _encode(parts: list[object]) -> str:
    text = json.dumps(parts, separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode("ascii").rstrip("=")


def _decode(kind: str, cursor: str) -> tuple[int | str, str | None]:
    """What `encode` was given, or `encode_within`: an index or the name of a listing, and a key."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        found, place, key = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, TypeError, RecursionError):
        raise unknown(kind) from None
    in_list = type(place) is int and place >= 0 and isinstance(key, str)
    in_listing = isinstance(place, str) and (key is None or isinstance(key, str))
    if found != kind or not (in_list or in_listing):
        raise unknown(kind)
    return place, key
