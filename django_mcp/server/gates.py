"""Who is told to come again later: the errors of it, and the shape of what decides.

A server's `gate` is asked before each request, its `door` before somebody is let in at all. What
they go by is handed in: `backends.throttles` counts, `backends.switches` knows which servers are
closed.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

from ..protocol.errors import ProtocolError

if TYPE_CHECKING:
    from .exchange import Exchange


class Later(ProtocolError):
    """Not now. `retry_after` is in how many whole seconds it is worth another attempt; the client
    is told over every transport, in HTTP by a header of that name."""

    code = -32000

    def __init__(self, message: str, retry_after: float) -> None:
        self.retry_after = max(1, math.ceil(retry_after))
        super().__init__(message, data={"retryAfter": self.retry_after})


class Throttled(Later):
    """Somebody sends more than they may."""

    status = 429


class Closed(Later):
    """The server was closed by the people who run it."""

    status = 503


#: Returns where a request may go on, and raises Later where not.
Gate: TypeAlias = Callable[["Exchange"], Awaitable[None]]
#: The same before there is a request.
DoorKeeper: TypeAlias = Callable[[], Awaitable[None]]
