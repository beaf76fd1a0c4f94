"""The operations on the events of streams, and the statements that do a group of each."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from django.db import IntegrityError
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Length

from .. import models
from ..server.events import MAX_OF_STREAM, Event, EventTaken, beyond, following, is_due
from .batches import Operation
from .database import CHUNK, Handler, moment

#: Events beyond those that are kept of a stream, before the oldest are removed.
SLACK: Final = 50


@dataclass(eq=False)
class Append(Operation[None]):
    """Keep events; those of a session that has ended are not kept, and nobody misses them."""

    writes: ClassVar[bool] = True
    session: str
    stream: str
    events: Sequence[Event]

    def __post_init__(self) -> None:
        self.keys = (self.session,)

    def failed(self, error: Exception) -> None:
        self.error = EventTaken() if isinstance(error, IntegrityError) else error


@dataclass(eq=False)
class Read(Operation[list[Event]]):
    """The events that follow the one at `after`, or None."""

    session: str
    stream: str
    after: int

    def __post_init__(self) -> None:
        self.keys = (self.session,)


@dataclass(eq=False)
class Ends(Operation[tuple[Event, Event]]):
    """The first and the newest event of a stream, or None."""

    session: str
    stream: str

    def __post_init__(self) -> None:
        self.keys = (self.session,)


@dataclass(eq=False)
class Forget(Operation[None]):
    """Remove the events of a session, of which most have none any more: it only looks first."""

    session: str

    def __post_init__(self) -> None:
        self.keys = (self.session,)


class ClearEvents(Operation[int]):
    """Remove some of the events that are too old; the result is how many, 0 at the end."""

    writes: ClassVar[bool] = True


class CountEvents(Operation[int]):
    """How many events `ClearEvents` would remove."""


class EventRows:
    """The table of events, which are kept for `lifetime` seconds."""

    def __init__(self, lifetime: float) -> None:
        self._lifetime = lifetime
        self._added: dict[str, tuple[int, int]] = {}
        self.handlers: Mapping[type[Operation[Any]], Handler] = {
            Append: self._append,
            Read: self._read,
            Ends: self._ends,
            Forget: self._forget,
            ClearEvents: self._clear,
            CountEvents: self._count,
        }

    def _append(self, using: str, appends: list[Append]) -> None:
        # The last words of a call come after its session was ended, which is what ends it.
        sessions = models.Session.objects.using(using).order_by().filter(ended=None)
        sessions = sessions.filter(key__in={append.session for append in appends})
        alive = set(sessions.values_list("key", flat=True))
        kept = [append for append in appends if append.session in alive]
        now = moment(time.time())
        _all(using).bulk_create(
            models.StreamEvent(
                session_id=append.session,
                stream=append.stream,
                position=event.position,
                data=event.data,
                is_last=event.is_last,
                created=now,
            )
            for append in kept
            for event in append.events
        )
        for append in kept:
            self._drop_oldest(using, append)
            if is_due(self._added, append.session, append.events):
                self._drop_beyond(using, append)

    def _drop_oldest(self, using: str, append: Append) -> None:
        first, last = append.events[0].position, append.events[-1].position
        if last > MAX_OF_STREAM and last // SLACK > (first - 1) // SLACK:
            oldest = last - MAX_OF_STREAM
            stream = _of_stream(using, append.session, append.stream)
            # The beginning stays, which says whose stream it is.
            stream.filter(position__gt=0, position__lte=oldest).delete()

    def _drop_beyond(self, using: str, append: Append) -> None:
        """Remove the oldest of what the session has too much of, whatever stream it is in."""
        rows = _all(using).filter(session=append.session)
        newest_to_go = beyond(rows.order_by("-pk").values_list("pk", Length("data")))
        if newest_to_go is not None:
            old = rows.filter(pk__lte=newest_to_go)
            # The beginning stays as long as its stream grows.
            old.exclude(stream=append.stream, position=0).delete()

    def _read(self, using: str, reads: list[Read]) -> None:
        for read in reads:
            stream = _of_stream(using, read.session, read.stream)
            rows = stream.filter(position__gte=read.after).order_by("position")
            read.result = following(
                [_event(row) for row in rows.values_list(*_COLUMNS)], read.after
            )

    def _ends(self, using: str, questions: list[Ends]) -> None:
        for question in questions:
            rows = _of_stream(using, question.session, question.stream).values_list(*_COLUMNS)
            first = rows.order_by("position").first()
            last = rows.order_by("-position").first()
            if first is not None and last is not None:
                question.result = (_event(first), _event(last))

    def _forget(self, using: str, forgets: list[Forget]) -> None:
        events = _all(using).filter(session__in={forget.session for forget in forgets})
        if events.exists():
            events.delete()

    def _clear(self, using: str, chores: list[ClearEvents]) -> None:
        for chore in chores:
            ids = list(self._old(using).values_list("pk", flat=True)[:CHUNK])
            _all(using).filter(pk__in=ids).delete()
            chore.result = len(ids)

    def _count(self, using: str, questions: list[CountEvents]) -> None:
        for question in questions:
            question.result = self._old(using).count()

    def _old(self, using: str) -> QuerySet[models.StreamEvent]:
        oldest = moment(time.time() - self._lifetime)
        stream = _all(using).filter(session=OuterRef("session"), stream=OuterRef("stream"))
        goes_on = Exists(stream.filter(created__gte=oldest))
        # The beginning stays as long as anything does.
        return _all(using).filter(Q(position__gt=0) | ~goes_on, created__lt=oldest)


_COLUMNS: Final = ("position", "data", "is_last")


def _event(row: tuple[int, Any, bool]) -> Event:
    position, data, is_last = row
    return Event(position, bytes(data), is_last)


def _all(using: str) -> QuerySet[models.StreamEvent]:
    return models.StreamEvent.objects.using(using).order_by()


def _of_stream(using: str, session: str, stream: str) -> QuerySet[models.StreamEvent]:
    return _all(using).filter(session=session, stream=stream)
