"""Headers that are given along with every request, and those that are not anybody's to give."""

from __future__ import annotations

from collections.abc import Mapping

from ...protocol.headers import SENDERS_OWN


def given(headers: Mapping[str, str] | None) -> dict[str, str]:
    """A copy of them. Raises ValueError for one that a request has of its own.

    A session id or a method that went along with every request would not be that of the message.
    """
    for name in headers or {}:
        if is_own(name):
            raise ValueError(
                f"The header {name!r} is written by whoever sends the request: leave it out."
            )
    return dict(headers or {})


def is_own(name: str) -> bool:
    """Whether a request has a header of that name by itself."""
    return name.lower() in SENDERS_OWN
