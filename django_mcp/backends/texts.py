"""Texts as rows have them: what every database takes, and the name of a user."""

from __future__ import annotations

import re
from typing import Any, Final

#: What databases refuse in a text: NUL, and half of a surrogate pair.
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")


def storable(text: str, longest: int) -> str:
    """`text` as every database takes it, cut to `longest` characters."""
    return _UNSTORABLE.sub("\ufffd", text[:longest])


def named(user: Any) -> tuple[str, str]:
    """The key and the name of a user, "" where there is none. For a thread."""
    key = getattr(user, "pk", None)
    if key is None:
        return "", ""
    try:
        return str(key), str(user.get_username())
    except Exception:
        # It may have to ask the database for a user who is gone by now.
        return str(key), ""
