"""Telling the client of a session what changes, on a connection it has open for that.

Owns the loop between what happened and what is sent. Which changes concern a session is
`subscriptions`; how a notification leaves, the transport's.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from itertools import groupby
from typing import Any, Final

from ..protocol import methods
from ..protocol.jsonrpc import Request
from .back_channel import elicitation_id
from .broker import Change, Elicited
from .exchange import Caller, Exchange, Nowhere
from .peer import from_session
from .server import MCPServer
from .sessions import Session, SessionStore
from .sight import Sight
from .subscriptions import SessionSubscription, notification

ELICITATION_COMPLETE: Final = "notifications/elicitation/complete"
#: What stands for the request that listens to a session, which has no message of its own.
_LISTENING: Final = Request("", "resources/subscribe", {})

#: Writes a notification: its method and its params.
Send = Callable[[str, dict[str, Any]], Awaitable[None]]


class Listener:
    """A connection on which a client hears of something, until it gives way."""

    def __init__(self) -> None:
        self.by = secrets.token_hex(8)
        self._news = asyncio.Event()
        self.on_refresh: Callable[[], None] = self.wake
        self.has_given_way = False

    @property
    def is_open(self) -> bool:
        """False once there is no connection any more, or another one for this."""
        return not self.has_given_way

    def wake(self) -> None:
        """There may be something new to write."""
        self._news.set()

    def refresh(self) -> None:
        """What is kept of the session changed."""
        self.on_refresh()

    def give_way(self) -> None:
        """Close."""
        self.has_given_way = True
        self._news.set()

    async def news(self, patience: float | None = None) -> bool:
        """Wait for something new; False where `patience` seconds went by without."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._news.wait()
            self._news.clear()
            return True
        return False


async def tell(
    server: MCPServer,
    session: Session,
    caller: Caller,
    listener: Listener,
    send: Send,
    store: SessionStore,
    begin: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Send the client of a session what changes, until `listener` closes or the session ends.

    `begin` writes what comes first. No change falls in between: what happens meanwhile is sent
    after it.
    """
    subscription = SessionSubscription(session, listener.wake)
    listener.on_refresh = subscription.refresh
    exchange = Exchange(server, _LISTENING, from_session(session), caller, Nowhere())
    sight = Sight(exchange)
    await sight.begin(session.followed)
    subscription.open(server.broker)
    subscription.refresh()  # The session may have changed since it was found.
    try:
        # From its beginning, whoever reads the stream counts on hearing of everything.
        await server.hub.hears()
        if begin is not None:
            await begin()
        while listener.is_open:
            due = await subscription.take(store)
            if due is None:
                return
            sight.follow(subscription.followed)
            await _tell_of(due, session, sight, send)
            await listener.news()
    finally:
        subscription.close()


async def _tell_of(
    due: Sequence[Change | Elicited], session: Session, sight: Sight, send: Send
) -> None:
    # What comes together is looked at together, and told in its order.
    for _, messages in groupby(due, type):
        together = list(messages)
        for change in await sight.of([m for m in together if isinstance(m, Change)]):
            await send(*notification(change))
        if methods.find(ELICITATION_COMPLETE, session.revision, "server"):
            for message in together:
                if isinstance(message, Elicited):
                    params = {"elicitationId": elicitation_id(session.key, message.id)}
                    await send(ELICITATION_COMPLETE, params)
