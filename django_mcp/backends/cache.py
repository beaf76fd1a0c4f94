"""Sessions and the events of their streams in Django's cache: no rows, and no promises either.

For projects that have a cache which all processes share and want no tables. A cache forgets when it
is full or restarted, and then clients begin anew; how many sessions there are it does not count, so
that only the limit of a principal is kept, as far as the cache remembers. Every entry has a time to
live, so nothing has to be cleared.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final, ParamSpec, TypeVar

from django.core.cache import BaseCache, caches

from .. import conf
from ..protocol import revisions
from ..protocol.errors import ProtocolError
from ..protocol.handshake import Stage
from ..protocol.round_trips import digest
from ..server.events import MAX_OF_STREAM, Event, EventTaken, following
from ..server.sessions import USED_PRECISION, Change, Limits, Session, StoreUnavailable
from ..server.threads import Workers
from .stores import limits_of
from .threads import DjangoWorkers

P = ParamSpec("P")
T = TypeVar("T")

logger = logging.getLogger("django_mcp")

#: Seconds to wait for an entry that somebody else is changing, after which the wait is over; and
#: after which whoever holds it counts as dead.
PATIENCE: Final = 5.0
LOCK_LASTS: Final = 10.0
_PAUSE: Final = 0.01

_MAX_THREADS: Final = 16
_STAGES: Final = {stage.value: stage for stage in Stage}


class Shelf:
    """The cache with an alias, asked in threads: most caches block."""

    def __init__(self, alias: str, workers: Workers) -> None:
        self._alias = alias
        self._workers = workers
        self._is_away = False

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `function` returns in a thread; raises StoreUnavailable where the cache fails."""
        try:
            found = await self._workers.run_sync(function, *args, **kwargs)
        except (ProtocolError, EventTaken):
            raise
        except Exception:
            # Each backend has errors of its own.
            if not self._is_away:
                self._is_away = True
                logger.exception("The cache that keeps the sessions is away")
            raise _unavailable() from None
        self._is_away = False
        return found

    @property
    def cache(self) -> BaseCache:
        """The connection of the current thread."""
        return caches[self._alias]

    @contextmanager
    def locked(self, name: str) -> Iterator[BaseCache]:
        """Have an entry to oneself, among all processes."""
        cache, lock = self.cache, f"{name}:lock"
        until = time.monotonic() + PATIENCE
        while not cache.add(lock, 1, LOCK_LASTS):
            if time.monotonic() > until:
                raise _unavailable()
            time.sleep(_PAUSE)
        try:
            yield cache
        finally:
            cache.delete(lock)


def _unavailable() -> StoreUnavailable:
    return StoreUnavailable("What keeps the sessions of this server is away. Try again later.")


# --------------------------------------------------------------------------------------- sessions


class CacheSessions:
    """Keeps sessions as entries of a cache.

    `Limits.of_server` is not kept. When a session was last used stands in an entry of its own, so
    that a use never writes over a change.
    """

    keeps = True

    def __init__(self, shelf: Shelf, limits: Limits) -> None:
        self._shelf = shelf
        self._limits = limits

    async def open(self, session: Session) -> None:
        await self._shelf.run(self._open, session)

    async def find(self, key: str) -> Session | None:
        return (await self._shelf.run(self._find, frozenset({key}))).get(key)

    async def change(self, key: str, change: Change) -> Session | None:
        return await self._shelf.run(self._change, key, change)

    async def end(self, key: str) -> bool:
        return await self._shelf.run(self._end, key)

    async def alive(self, keys: frozenset[str]) -> frozenset[str]:
        return frozenset(await self._shelf.run(self._find, keys))

    async def clear(self) -> int:
        return 0

    def _find(self, keys: frozenset[str]) -> dict[str, Session]:
        cache, now = self._shelf.cache, time.time()
        entries = cache.get_many([name(key) for key in keys for name in (_name, _used_name)])
        found = {}
        for key in keys:
            entry = entries.get(_name(key))
            session = None if entry is None else _session_of(key, entry)
            if session is None:
                continue
            session = replace(session, used=entries.get(_used_name(key), now))
            if self._limits.is_over(session.created, session.used, now):
                continue
            found[key] = session
            if now - session.used > USED_PRECISION or _used_name(key) not in entries:
                seconds = self._seconds_left(session, now)
                cache.set(_used_name(key), now, seconds)
                # Unlike set(), this brings back nothing that was ended a moment ago.
                cache.touch(_name(key), seconds)
        return found

    def _seconds_left(self, session: Session, now: float) -> float:
        return max(1.0, min(self._limits.idle, session.created + self._limits.absolute - now))

    def _open(self, session: Session) -> None:
        # A digest, since not every cache takes every name.
        name = f"django_mcp:of:{digest([session.server, session.owner])}"
        now = time.time()
        with self._shelf.locked(name) as cache:
            own: list[str] = cache.get(name, [])
            if len(own) >= self._limits.of(session.owner):
                own = self._with_room(cache, own, self._limits.of(session.owner))
            seconds = self._seconds_left(session, now)
            cache.set(name, [*own, session.key], self._limits.absolute)
            cache.set(_used_name(session.key), session.used, seconds)
            cache.set(_name(session.key), _entry_of(session), seconds)

    def _with_room(self, cache: BaseCache, own: list[str], limit: int) -> list[str]:
        """The sessions of a principal that are still there, without the longest unused ones."""
        used = cache.get_many([_used_name(key) for key in own])
        own = sorted(
            (key for key in own if _used_name(key) in used), key=lambda key: used[_used_name(key)]
        )
        excess = max(0, len(own) - limit + 1)
        for key in own[:excess]:
            self._end(key)
        return own[excess:]

    def _change(self, key: str, change: Change) -> Session | None:
        with self._shelf.locked(_name(key)) as cache:
            session = self._find(frozenset({key})).get(key)
            if session is None:
                return None
            changed = change.made_to(session)
            cache.set(_name(key), _entry_of(changed), self._seconds_left(changed, time.time()))
            return changed

    def _end(self, key: str) -> bool:
        with self._shelf.locked(_name(key)) as cache:
            cache.delete(_used_name(key))
            return cache.delete(_name(key))


def _name(key: str) -> str:
    return f"django_mcp:session:{key}"


def _used_name(key: str) -> str:
    return f"django_mcp:used:{key}"


def _entry_of(session: Session) -> dict[str, Any]:
    """The session as JSON, since some caches keep nothing else."""
    return {
        "server": session.server,
        "owner": session.owner,
        "place": session.place,
        "revision": session.revision.name,
        "client_info": dict(session.client_info),
        "capabilities": dict(session.capabilities),
        "stage": session.stage.value,
        "log_level": session.log_level,
        "followed": sorted(session.followed),
        "elicited": list(session.elicited),
        "created": session.created,
    }


def _session_of(key: str, entry: dict[str, Any]) -> Session | None:
    """The session in an entry; None where another version of this package wrote it."""
    revision, stage = revisions.find(entry.get("revision")), _STAGES.get(entry.get("stage", ""))
    if revision is None or stage is None:
        return None
    return Session(
        key=key,
        server=entry["server"],
        owner=entry["owner"],
        place=entry["place"],
        revision=revision,
        client_info=entry["client_info"],
        capabilities=entry["capabilities"],
        stage=stage,
        log_level=entry["log_level"],
        followed=frozenset(entry["followed"]),
        elicited=tuple(entry["elicited"]),
        created=entry["created"],
    )


# ----------------------------------------------------------------------------------------- events


class CacheEvents:
    """Keeps events as entries of a cache.

    The name of every entry has a mark of its session in it. To forget the events of a session is to
    forget its mark: nobody finds them any more, and they go when their time is over.
    """

    keeps = True

    def __init__(self, shelf: Shelf, lifetime: float, session_lifetime: float) -> None:
        self._shelf = shelf
        self._lifetime = lifetime
        self._session_lifetime = session_lifetime

    async def append(self, session: str, stream: str, events: Sequence[Event]) -> None:
        await self._shelf.run(self._append, session, stream, events)

    async def read(self, session: str, stream: str, after: int) -> list[Event] | None:
        return await self._shelf.run(self._read, session, stream, after)

    async def ends(self, session: str, stream: str) -> tuple[Event, Event] | None:
        return await self._shelf.run(self._ends, session, stream)

    async def forget(self, session: str) -> None:
        await self._shelf.run(self._forget, session)

    async def clear(self) -> int:
        return 0

    def _append(self, session: str, stream: str, events: Sequence[Event]) -> None:
        cache, name = self._shelf.cache, _mark_name(session)
        mark = cache.get(name)
        if mark is None:
            cache.add(name, secrets.token_hex(8), self._session_lifetime)
            mark = cache.get(name)
        place = f"django_mcp:event:{mark}:{stream}"
        for event in events:
            entry = [event.data.decode(), event.is_last]
            if not cache.add(f"{place}:{event.position}", entry, self._lifetime):
                raise EventTaken
        first, last = events[0].position, events[-1].position
        cache.set(f"{place}:last", last, self._lifetime)
        if first > 0:
            # The beginning stays as long as anything does.
            cache.touch(f"{place}:0", self._lifetime)
        oldest = range(max(1, first - MAX_OF_STREAM), last - MAX_OF_STREAM + 1)
        if oldest:
            cache.delete_many([f"{place}:{position}" for position in oldest])

    def _read(self, session: str, stream: str, after: int) -> list[Event] | None:
        cache = self._shelf.cache
        place = f"django_mcp:event:{cache.get(_mark_name(session))}:{stream}"
        last = cache.get(f"{place}:last")
        if last is None:
            return None
        return following(_events(cache, place, range(after, last + 1)), after)

    def _ends(self, session: str, stream: str) -> tuple[Event, Event] | None:
        cache = self._shelf.cache
        place = f"django_mcp:event:{cache.get(_mark_name(session))}:{stream}"
        last = cache.get(f"{place}:last")
        found = [] if last is None else _events(cache, place, sorted({0, last}))
        return (found[0], found[-1]) if found else None

    def _forget(self, session: str) -> None:
        self._shelf.cache.delete(_mark_name(session))


def _mark_name(session: str) -> str:
    return f"django_mcp:events-of:{session}"


def _events(cache: BaseCache, place: str, positions: Sequence[int]) -> list[Event]:
    """The events in those places that are there, in order."""
    entries = cache.get_many([f"{place}:{position}" for position in positions])
    found = []
    for position in positions:
        entry = entries.get(f"{place}:{position}")
        if entry is not None:
            found.append(Event(position, entry[0].encode(), entry[1]))
    return found


def stores(settings: conf.Settings) -> tuple[CacheSessions, CacheEvents]:
    """Stores on the cache that DJANGO_MCP["SESSIONS_CACHE"] names."""
    shelf = Shelf(settings.sessions_cache, DjangoWorkers(_MAX_THREADS, atomic=False))
    sessions = CacheSessions(shelf, limits_of(settings))
    return sessions, CacheEvents(shelf, settings.event_lifetime, settings.session_lifetime)
