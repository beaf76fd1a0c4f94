"""The seam between what is said and how it gets there.

A `Channel` carries messages to one server, and hands what comes from there to an `Inbox`. The
conversation (`conversation.py` and its two kinds) is the only one that knows what a message means;
a transport knows how bytes travel, when a connection is over, and what can be taken up again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from ..protocol.jsonrpc import Message, RequestId
from .errors import ConnectionLost


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One message to send. `id` is that of a request that waits for an answer, else None.

    `headers` is what the message says of itself where a transport has headers; they count for
    nothing elsewhere.
    """

    body: bytes
    id: RequestId | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Inbox(Protocol):
    """Where a channel puts what comes. None of this blocks, and none of it raises."""

    def take(self, message: Message, within: RequestId | None = None, *, size: int = 0) -> None:
        """A message of `size` bytes came; `within` is the request on whose own stream it did."""

    def fail(self, id: RequestId, error: Exception) -> None:
        """The request will not be answered."""

    def retire(self, error: ConnectionLost) -> None:
        """Nothing more can be sent; requests that wait already find out by themselves."""

    def lose(self, error: ConnectionLost) -> None:
        """Nothing more will come: every request that waits has failed."""

    def miss(self) -> None:
        """Messages that belong to no request may have been lost."""


class Channel(Protocol):
    """A way to one server, open until it is closed."""

    #: True where leaving a request's stream tells the server that the request is cancelled.
    leaving_cancels: bool
    #: Whether headers travel, and have to say what the message says.
    has_headers: bool
    #: True where only revisions with a handshake are spoken on such a channel.
    needs_session: bool

    async def send(self, outgoing: Outgoing) -> None:
        """Send a message; returns once it is on its way.

        Raises ConnectionLost, or ConnectionFailed where it cannot be sent. What becomes of a
        request later is told to the inbox: its answer, or why there will be none.
        """

    def leave(self, id: RequestId) -> None:
        """Nobody waits for the answer to that request any more."""

    def settle(self, headers: Mapping[str, str]) -> None:
        """From now on, every message says this of itself as well."""

    def listen(self) -> None:
        """Begin to receive what the server says by itself, where that takes a connection of its
        own; a server that does not offer one is no error."""

    async def close(self, *, politely: bool = True) -> None:
        """End it, with what the server is to be told first if `politely`. Never raises."""
