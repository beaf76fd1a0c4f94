"""Who wants to hear of which change: from a client's filter to the notifications it is sent.

The broker carries every change to every process; here each open stream picks what it asked for.
What waits to be sent is kept as a set of changes and not as a queue: a client that reads slowly
hears once of ten changes to the same list, so memory is bounded by what it subscribed to.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from typing import Any, Final

from ..protocol.types import SubscriptionFilter
from .broker import Broker, Change, Elicited, Message
from .sessions import Session, SessionStore

#: Open streams of one server in one process.
MAX_LISTENERS: Final = 1024
#: Those of them that one principal may have.
MAX_OF_ONE: Final = 100
#: Those that callers without a name may have together, which leaves some for those with one.
MAX_OF_ANONYMOUS: Final = 768
#: Resources one stream may follow, and how long their URIs may be.
MAX_RESOURCES: Final = 1000
MAX_URI: Final = 2048

_NOTIFICATIONS: Final = {
    "tools": "notifications/tools/list_changed",
    "prompts": "notifications/prompts/list_changed",
    "resources": "notifications/resources/list_changed",
    "resource": "notifications/resources/updated",
}


def notification(change: Change) -> tuple[str, dict[str, Any]]:
    """Method and params of the notification that tells of `change`, as it is said to a client."""
    params: dict[str, Any] = {} if change.uri is None else {"uri": change.uri}
    return _NOTIFICATIONS[change.kind], params


def concerning(change: Change, followed: Collection[str]) -> list[Change]:
    """What `change` is to a client that hears of every list, and follows these resources."""
    if change.kind == "under":
        begin = change.uri or ""
        return [Change("resource", uri) for uri in sorted(followed) if uri.startswith(begin)]
    return [change] if change.kind != "resource" or change.uri in followed else []


class Subscription:
    """The changes one stream asked for, from the moment it is opened until it is closed.

    `owner` is the id of the principal whose stream it is.
    """

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self._wanted = SubscriptionFilter()
        self._resources: frozenset[str] = frozenset()
        self._pending: dict[Change, None] = {}
        self._wake = asyncio.Event()
        self._ended = False
        self._stop: Callable[[], None] | None = None

    def open(self, broker: Broker, wanted: SubscriptionFilter) -> None:
        """Start listening to what is `wanted`."""
        self._wanted = wanted
        self._resources = frozenset(wanted.resource_subscriptions or ())
        self._stop = broker.subscribe(self._hear)

    def close(self) -> None:
        """Stop listening."""
        if self._stop is not None:
            self._stop()
            self._stop = None

    def end(self) -> None:
        """Let the iteration finish once what is pending has been sent."""
        self._ended = True
        self._wake.set()

    async def changes(self) -> AsyncIterator[list[Change]]:
        """Yield the changes that were asked for, those together that wait at the same moment, each
        once however often it happened meanwhile."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._pending:
                pending, self._pending = self._pending, {}
                yield list(pending)
            if self._ended:
                return

    def _hear(self, message: Message) -> None:
        if isinstance(message, Change) and self._wants(message):
            wanted = concerning(message, self._resources)
            self._pending.update(dict.fromkeys(wanted))
            if wanted:
                self._wake.set()

    def _wants(self, change: Change) -> bool:
        if change.kind == "tools":
            return bool(self._wanted.tools_list_changed)
        if change.kind == "prompts":
            return bool(self._wanted.prompts_list_changed)
        if change.kind == "resources":
            return bool(self._wanted.resources_list_changed)
        return True


class SessionSubscription:
    """What the client of a session is told while it listens: every list that changes, the resources
    it follows, and what its user has done at a URL.

    `wake` is called when there may be something to take.
    """

    def __init__(self, session: Session, wake: Callable[[], None]) -> None:
        self._session = session
        self._wake = wake
        # It was read before this began to listen, and may have changed in between.
        self._changes_heard = 1
        self._changes_read = 0
        self._pending: dict[Change | Elicited, None] = {}
        self._stop: Callable[[], None] | None = None

    def open(self, broker: Broker) -> None:
        """Start listening."""
        self._stop = broker.subscribe(self._hear)

    def close(self) -> None:
        """Stop listening."""
        if self._stop is not None:
            self._stop()
            self._stop = None

    def refresh(self) -> None:
        """What the session follows may have changed."""
        self._changes_heard += 1
        self._wake()

    async def take(self, store: SessionStore) -> list[Change | Elicited] | None:
        """What is due, each once however often it happened; None where the session has ended."""
        while self._is_stale:
            heard = self._changes_heard
            session = await store.find(self._session.key)
            if session is None:
                return None
            self._session, self._changes_read = session, heard
        pending, self._pending = self._pending, {}
        return [due for message in pending for due in self._concerning(message)]

    @property
    def followed(self) -> frozenset[str]:
        """What the session follows, as it was when that was last read."""
        return self._session.followed

    def _hear(self, message: Message) -> None:
        if isinstance(message, Change | Elicited) and (self._is_stale or self._concerning(message)):
            self._pending[message] = None
            self._wake()

    @property
    def _is_stale(self) -> bool:
        """True while the session is not known as it is now: whatever happens may concern it."""
        return self._changes_read != self._changes_heard

    def _concerning(self, message: Change | Elicited) -> list[Change | Elicited]:
        if isinstance(message, Elicited):
            return [message] if message.id in self._session.elicited else []
        return [*concerning(message, self._session.followed)]
