"""How much of a process one principal may take, so that others have theirs.

Owns the count of the calls that run, which go on without their clients, and the allowance for what
is handed on to other processes, which all of them have to read. Callers without a name are one
principal, and have a larger share.
"""

from __future__ import annotations

import time
from typing import Final

from ..protocol.errors import ProtocolError
from .access import ANONYMOUS

#: Requests that are answered at a time, by one process: of a session, and of a principal.
MAX_CALLS: Final = 1024
MAX_CALLS_OF_ONE: Final = 2048
#: Bytes that a principal may hand on at a time, and by the second. A message that is larger goes,
#: and those after it wait for it to be made good.
HANDED_ON_AT_ONCE: Final = 4 * 1024 * 1024
HANDED_ON_A_SECOND: Final = 1024 * 1024
#: How many times that callers without a name have together.
OF_ANONYMOUS: Final = 8

#: What handing on a message costs beside its bytes.
_OVERHEAD: Final = 1024
#: Allowances that are remembered before those that are whole again are looked for.
_MAX_REMEMBERED: Final = 1024


class TooManyCalls(ProtocolError):
    """A session or a principal has as many requests that wait for an answer as it may."""

    code = -32000
    status = 429


class TooMuchAtOnce(ProtocolError):
    """A principal sends more by way of other processes than it may."""

    code = -32000
    status = 429


def share(owner: str) -> int:
    """How many times the share of one principal this one has."""
    return OF_ANONYMOUS if owner == ANONYMOUS.id else 1


def check_calls(owner: str, of_session: int, of_owner: int) -> None:
    """Raise TooManyCalls where so many run that one more may not begin."""
    if of_session >= MAX_CALLS:
        whose = "session"
    elif of_owner >= MAX_CALLS_OF_ONE * share(owner):
        whose = "caller"
    else:
        return
    raise TooManyCalls(
        f"As many requests of this {whose} are being answered as are allowed at a time: wait for "
        "an answer, or cancel one."
    )


class Tally(dict[str, int]):
    """How many there are of each name; a name of which there is none is not in it."""

    def add(self, name: str) -> None:
        """One more."""
        self[name] = self.get(name, 0) + 1

    def remove(self, name: str) -> None:
        """One less."""
        self[name] -= 1
        if not self[name]:
            del self[name]


class Allowance:
    """What each principal may still hand on, which grows again by the second."""

    def __init__(self) -> None:
        self._left: dict[str, tuple[float, float]] = {}

    def spend(self, owner: str, size: int) -> None:
        """Take `size` bytes of the allowance of `owner`; raises TooMuchAtOnce where none is left.

        What is larger than the rest is let through, and has to be made good before the next.
        """
        self.check(owner)
        now = time.monotonic()
        left = self._now(owner, now)
        if len(self._left) >= _MAX_REMEMBERED:
            self._forget_whole(now)
        self._left[owner] = (left - size - _OVERHEAD, now)

    def check(self, owner: str) -> None:
        """Raise TooMuchAtOnce where nothing is left to `owner`."""
        if self._now(owner, time.monotonic()) <= 0:
            raise TooMuchAtOnce(
                "More is sent by way of other processes of this server than one caller may: send "
                "this again in a few seconds."
            )

    def _now(self, owner: str, now: float) -> float:
        most = float(HANDED_ON_AT_ONCE * share(owner))
        left, at = self._left.get(owner, (most, now))
        return min(most, left + (now - at) * HANDED_ON_A_SECOND * share(owner))

    def _forget_whole(self, now: float) -> None:
        for owner in list(self._left):
            if self._now(owner, now) >= HANDED_ON_AT_ONCE * share(owner):
                del self._left[owner]
