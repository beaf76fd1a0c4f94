"""Sessions and the events of their streams in Django's database: for every process that shares it.

Each session is looked up for each request, so that one that was ended anywhere is unknown
everywhere with the next request. What that costs is what `batches` is about: all that waits at the
same moment is done together. The statements are `session_rows` and `event_rows`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Final

from .. import conf
from ..server.events import Event
from ..server.sessions import Change, Limits, Session
from ..server.threads import Workers
from .batches import Batches
from .database import CHUNK, Database
from .event_rows import Append, ClearEvents, CountEvents, Ends, EventRows, Forget, Read
from .session_rows import (
    Alive,
    Alter,
    ClearSessions,
    CountSessions,
    End,
    Find,
    Open,
    SessionRows,
)
from .stores import limits_of
from .threads import DjangoWorkers

#: Threads that do batches: one is enough for an event loop, and few processes have several.
_THREADS: Final = 4


class OrmSessions:
    """Keeps sessions as rows of `models.Session`.

    Where several processes open sessions, a limit may be passed by a few for some seconds. Sessions
    that have ended are kept for a day, for people to see. Everything raises StoreUnavailable while
    the database is away.
    """

    keeps = True

    def __init__(self, batches: Batches) -> None:
        self._batches = batches

    async def open(self, session: Session) -> None:
        await self._batches.do(Open(session))

    async def find(self, key: str) -> Session | None:
        return await self._batches.do(Find(key))

    async def change(self, key: str, change: Change) -> Session | None:
        return await self._batches.do(Alter(key, change))

    async def end(self, key: str) -> bool:
        was_open = await self._batches.do(End(key))
        return bool(was_open)

    async def alive(self, keys: frozenset[str]) -> frozenset[str]:
        return await self._batches.do(Alive(keys)) or frozenset()

    async def clear(self) -> int:
        return await _all_of(self._batches, ClearSessions)

    async def over(self) -> int:
        """How many sessions `clear` would remove."""
        return await self._batches.do(CountSessions()) or 0


class OrmEvents:
    """Keeps events as rows of `models.StreamEvent`, in the database of the sessions.

    Everything raises StoreUnavailable while that is away.
    """

    keeps = True

    def __init__(self, batches: Batches) -> None:
        self._batches = batches

    async def append(self, session: str, stream: str, events: Sequence[Event]) -> None:
        await self._batches.do(Append(session, stream, events))

    async def read(self, session: str, stream: str, after: int) -> list[Event] | None:
        return await self._batches.do(Read(session, stream, after))

    async def ends(self, session: str, stream: str) -> tuple[Event, Event] | None:
        return await self._batches.do(Ends(session, stream))

    async def forget(self, session: str) -> None:
        await self._batches.do(Forget(session))

    async def clear(self) -> int:
        return await _all_of(self._batches, ClearEvents)

    async def over(self) -> int:
        """How many events `clear` would remove."""
        return await self._batches.do(CountEvents()) or 0


async def _all_of(batches: Batches, chore: type[ClearSessions] | type[ClearEvents]) -> int:
    """Do a chore to its end, a piece at a time so that others have their turn."""
    removed = 0
    while True:
        number = await batches.do(chore()) or 0
        removed += number
        if number < CHUNK:
            return removed


def stores(settings: conf.Settings) -> tuple[OrmSessions, OrmEvents]:
    """The stores of this process, one pair for all servers: they share the threads."""
    return _shared(limits_of(settings), settings.event_lifetime)


@cache
def _shared(limits: Limits, event_lifetime: float) -> tuple[OrmSessions, OrmEvents]:
    return build(limits, event_lifetime, DjangoWorkers(_THREADS, atomic=False))


def build(limits: Limits, event_lifetime: float, workers: Workers) -> tuple[OrmSessions, OrmEvents]:
    """Stores that do their work with `workers`, which open no transactions of their own."""
    sessions, events = SessionRows(limits), EventRows(event_lifetime)
    database = Database(
        {**sessions.handlers, **events.handlers}, chores=(ClearSessions, ClearEvents)
    )
    batches = Batches(database.execute, workers.run_sync)
    return OrmSessions(batches), OrmEvents(batches)
