"""The operations on sessions, and the statements that do a group of each."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from django.db.models import Q, QuerySet

from .. import models
from ..protocol.errors import ProtocolError
from ..server.sessions import USED_PRECISION, Change, Limits, Session, too_many
from .batches import Operation
from .database import CHUNK, Handler, moment
from .lookups import Lookup
from .texts import named, storable

#: Seconds for which sessions that have ended are kept, for people to see.
KEPT_AFTER_END: Final = 24 * 3600.0

#: Seconds for which a count of sessions is good, and for which one is that has somebody refused.
COUNT_LASTS: Final = 5.0
REFUSAL_LASTS: Final = 1.0
_MAX_COUNTS: Final = 10_000


@dataclass(eq=False)
class Find(Operation[Session]):
    """The session, or None."""

    key: str

    def __post_init__(self) -> None:
        self.keys = (self.key,)


@dataclass(eq=False)
class Open(Operation[None]):
    """Keep a new session."""

    writes: ClassVar[bool] = True
    session: Session

    def __post_init__(self) -> None:
        self.keys = (self.session.key,)


@dataclass(eq=False)
class Alter(Operation[Session]):
    """Change a session; the result is what it is then, or None."""

    writes: ClassVar[bool] = True
    key: str
    change: Change

    def __post_init__(self) -> None:
        self.keys = (self.key,)


@dataclass(eq=False)
class End(Operation[bool]):
    """End a session and remove its events; False where there is none."""

    writes: ClassVar[bool] = True
    key: str

    def __post_init__(self) -> None:
        self.keys = (self.key,)


@dataclass(eq=False)
class Alive(Operation[frozenset[str]]):
    """Those of `keys` whose session is not over."""

    keys: Collection[str]


class ClearSessions(Operation[int]):
    """Remove some of the sessions that are over; the result is how many, 0 at the end."""

    writes: ClassVar[bool] = True


class CountSessions(Operation[int]):
    """How many sessions `ClearSessions` would remove."""


class SessionRows:
    """The table of sessions, within `limits`."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._lookup = Lookup()
        self._counts = _Counts(limits)
        self.handlers: Mapping[type[Operation[Any]], Handler] = {
            Find: self._find,
            Open: self._open,
            Alter: self._alter,
            End: self._end,
            Alive: self._alive,
            ClearSessions: self._clear,
            CountSessions: self._count,
        }

    def _find(self, using: str, finds: list[Find]) -> None:
        found = self._used(using, {find.key for find in finds})
        for find in finds:
            find.result = found.get(find.key)

    def _alive(self, using: str, questions: list[Alive]) -> None:
        found = self._used(using, {key for question in questions for key in question.keys})
        for question in questions:
            question.result = frozenset(found.keys() & question.keys)

    def _used(self, using: str, keys: Collection[str]) -> dict[str, Session]:
        """The sessions under `keys` that are not over; that they are used is written down."""
        now = time.time()
        found = self._not_over(self._lookup.find(using, keys), now)
        stale = [key for key, session in found.items() if now - session.used > USED_PRECISION]
        if stale:
            _unended(using).filter(key__in=stale).update(used=moment(now))
        return found

    def _not_over(self, sessions: Iterable[Session], now: float) -> dict[str, Session]:
        is_over = self._limits.is_over
        return {s.key: s for s in sessions if not is_over(s.created, s.used, now)}

    def _open(self, using: str, opens: list[Open]) -> None:
        admitted: list[Session] = []
        for one in opens:
            session = one.session
            if self._has_room(using, session):
                self._counts.add(session.server, session.owner)
                admitted.append(session)
            else:
                one.failed(too_many(self._limits))
        models.Session.objects.using(using).bulk_create(map(_row_of, admitted))
        for server, owner in {(session.server, session.owner) for session in admitted}:
            self._give_up(using, server, owner)

    def _has_room(self, using: str, session: Session) -> bool:
        limit = self._limits.of_server
        if self._counts.get(using, session.server, None, limit) < limit:
            return True
        # A principal that gives up another one for it needs no room.
        limit = self._limits.of(session.owner)
        return self._counts.get(using, session.server, session.owner, limit) >= limit

    def _give_up(self, using: str, server: str, owner: str) -> None:
        """End what a principal has beyond its limit, the longest unused first."""
        limit = self._limits.of(owner)
        excess = self._counts.get(using, server, owner, limit + 1) - limit
        if excess > 0:
            own = _unended_of(using, server, owner).order_by("used", "created")
            self._finish(using, list(own.values_list("key", flat=True)[:excess]))

    def _alter(self, using: str, alterations: list[Alter]) -> None:
        now = time.time()
        found = self._lookup.find(using, {one.key for one in alterations}, lock=True)
        before = self._not_over(found, now)
        after = dict(before)
        for one in alterations:
            session = after.get(one.key)
            if session is None:
                continue
            try:
                one.result = after[one.key] = one.change.made_to(session)
            except ProtocolError as error:
                one.failed(error)
        # Most changes are those of a handshake, alike for all who shake hands at the moment.
        alike: dict[str, tuple[dict[str, Any], list[str]]] = {}
        for key, session in after.items():
            old, new = _changeable(before[key]), _changeable(session)
            changed = {name: value for name, value in new.items() if value != old[name]}
            if changed or now - session.used > USED_PRECISION:
                alike.setdefault(repr(changed), (changed, []))[1].append(key)
        for changed, keys in alike.values():
            _unended(using).filter(key__in=keys).update(used=moment(now), **changed)

    def _end(self, using: str, ends: list[End]) -> None:
        found = self._lookup.find(using, {end.key for end in ends}, lock=True)
        alive = {session.key for session in found}
        self._finish(using, alive)
        for end in ends:
            end.result = end.key in alive
            alive.discard(end.key)

    def _finish(self, using: str, keys: Collection[str]) -> None:
        if keys:
            _unended(using).filter(key__in=keys).update(ended=moment(time.time()))
            models.StreamEvent.objects.using(using).filter(session__in=keys).delete()
            self._counts.doubt()

    def _clear(self, using: str, chores: list[ClearSessions]) -> None:
        for chore in chores:
            keys = list(self._over(using).values_list("key", flat=True)[:CHUNK])
            models.Session.objects.using(using).filter(key__in=keys).delete()
            chore.result = len(keys)

    def _count(self, using: str, questions: list[CountSessions]) -> None:
        for question in questions:
            question.result = self._over(using).count()

    def _over(self, using: str) -> QuerySet[models.Session]:
        """The sessions that nobody needs any more."""
        now = time.time()
        ended = Q(ended__lt=moment(now - KEPT_AFTER_END))
        unused = Q(ended=None, used__lt=moment(now - self._limits.idle))
        old = Q(ended=None, created__lt=moment(now - self._limits.absolute))
        rows = models.Session.objects.using(using).order_by()
        return rows.filter(ended | unused | old)


# ------------------------------------------------------------------------------------------- rows


def _unended(using: str) -> QuerySet[models.Session]:
    return models.Session.objects.using(using).order_by().filter(ended=None)


def _unended_of(using: str, server: str, owner: str | None) -> QuerySet[models.Session]:
    """The sessions of a principal, or of the whole server."""
    own = _unended(using).filter(server=server)
    return own if owner is None else own.filter(owner=owner)


def _row_of(session: Session) -> models.Session:
    return models.Session(
        key=session.key,
        server=session.server,
        owner=session.owner,
        user_label=storable(named(session.user)[1], 255),
        place=session.place,
        created=moment(session.created),
        used=moment(session.used),
        **_changeable(session),
    )


def _changeable(session: Session) -> dict[str, Any]:
    """The columns that a change can change."""
    return {
        "revision": session.revision.name,
        "client_info": dict(session.client_info),
        "capabilities": dict(session.capabilities),
        "stage": session.stage.value,
        "log_level": session.log_level or "",
        "followed": sorted(session.followed),
        "elicited": list(session.elicited),
    }


# ----------------------------------------------------------------------------------------- counts


class _Counts:
    """How many sessions a server has open, or a principal there; asked only now and then.

    What this process opens is counted along. What others do is seen within COUNT_LASTS seconds, so
    that several processes together may open a few sessions too many. Nobody is refused for want of
    a fresh count.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._known: dict[tuple[str, str | None], tuple[int, float, bool]] = {}

    def get(self, using: str, server: str, owner: str | None, limit: int) -> int:
        """The number of them; exact where it is `limit` or more."""
        now = time.monotonic()
        number, counted_at, is_exact = self._known.get((server, owner), (0, -COUNT_LASTS, False))
        if now - counted_at >= COUNT_LASTS:
            # An index alone answers this one, however many there are.
            number, is_exact = _unended_of(using, server, owner).count(), False
            self._keep(server, owner, number, is_exact)
        if number >= limit and not (is_exact and now - counted_at < REFUSAL_LASTS):
            seconds = time.time()
            fresh = _unended_of(using, server, owner).filter(
                used__gte=moment(seconds - self._limits.idle),
                created__gte=moment(seconds - self._limits.absolute),
            )
            number = fresh.count()
            self._keep(server, owner, number, True)
        return number

    def _keep(self, server: str, owner: str | None, number: int, is_exact: bool) -> None:
        if len(self._known) >= _MAX_COUNTS:
            self._known.clear()
        self._known[server, owner] = (number, time.monotonic(), is_exact)

    def add(self, server: str, owner: str) -> None:
        """One more is about to be opened."""
        for key in ((server, None), (server, owner)):
            if key in self._known:
                number, at, is_exact = self._known[key]
                self._known[key] = (number + 1, at, is_exact)

    def doubt(self) -> None:
        """Some have ended: no count is to be trusted that has somebody refused."""
        for key, (number, at, _) in self._known.items():
            self._known[key] = (number, at, False)
