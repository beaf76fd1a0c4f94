"""What was sent on a stream, so that a client whose connection broke can have the rest of it.

Owns the ids of events, the interface of a log of them, and two logs: in memory, and one that keeps
nothing. The one on Django's database is `backends.orm`. Which stream writes what, and who resumes
one, are the transport's.

An event's id names its stream and its place there. A stream belongs to one session, and under
another one its ids mean nothing (2025-11-25, basic/transports#resumability-and-redelivery).
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, Protocol, TypeVar

K = TypeVar("K")

#: Seconds for which events are kept.
LIFETIME: Final = 3600.0
#: The newest events of a stream that are kept.
MAX_OF_STREAM: Final = 1_000
#: The newest events of a session that are kept, of all its streams, and how many bytes of them.
MAX_OF_SESSION: Final = 10_000
MAX_BYTES_OF_SESSION: Final = 32 * 1024 * 1024
#: Events that are added to a session, and bytes of them, before it is looked whether it has too
#: much; and how many sessions are kept an eye on.
LOOK_AFTER: Final = 1_000
LOOK_AFTER_BYTES: Final = 4 * 1024 * 1024
_MAX_WATCHED: Final = 10_000
#: The newest streams that are kept in memory.
MAX_STREAMS: Final = 10_000

_ID: Final = re.compile(r"([cg][0-9a-f]{16})-([0-9]{1,9})")


class Event(NamedTuple):
    """One event of a stream: its place, counted from 0, the message, and whether it is the last.

    The event at 0 is the stream's beginning. It carries no message: its data is for whoever resumes
    the stream.
    """

    position: int
    data: bytes
    is_last: bool = False


class EventLog(Protocol):
    """Keeps the events of streams, for every process that resumes them."""

    keeps: bool
    """False where no event is kept, so that no stream can be resumed."""

    async def append(self, session: str, stream: str, events: Sequence[Event]) -> None:
        """Keep `events`, which follow those that are kept of the stream.

        Raises EventTaken where another writer has kept one in the same place.
        """

    async def read(self, session: str, stream: str, after: int) -> list[Event] | None:
        """The events that follow the one at `after`; None where they are not all kept, or that one
        is not."""

    async def ends(self, session: str, stream: str) -> tuple[Event, Event] | None:
        """The beginning of a stream and its newest event; None for no stream of the session."""

    async def forget(self, session: str) -> None:
        """Remove every event of a session."""

    async def clear(self) -> int:
        """Remove what is older than it is kept, and return how many events that were."""


class EventTaken(Exception):
    """There is an event in that place already: somebody else has ended the stream."""


def new_stream(*, of_call: bool) -> str:
    """A name for a stream, of a call or of what a client listens to."""
    return ("c" if of_call else "g") + secrets.token_hex(8)


def is_of_call(stream: str) -> bool:
    """True where the stream answers a request, and so ends with its response."""
    return stream.startswith("c")


def event_id(stream: str, position: int) -> str:
    """The id of an event, as it is sent."""
    return f"{stream}-{position}"


def read_id(id: str) -> tuple[str, int] | None:
    """The stream and the place an id names; None for what is no id of ours."""
    match = _ID.fullmatch(id)
    return None if match is None else (match[1], int(match[2]))


def beyond(sizes: Iterable[tuple[K, int]]) -> K | None:
    """The first of what a session has too much of, None where it has not.

    `sizes` are its events from the newest to the oldest, each with its bytes. The newest is never
    too much.
    """
    total = 0
    for number, (key, size) in enumerate(sizes):
        total += size
        if number and (number >= MAX_OF_SESSION or total > MAX_BYTES_OF_SESSION):
            return key
    return None


def is_due(added: dict[str, tuple[int, int]], session: str, events: Sequence[Event]) -> bool:
    """Note in `added` that `events` were added to a session.

    True where that is so much since the last time that it is to be looked what is `beyond`.
    """
    number, size = added.pop(session, (0, 0))
    number += len(events)
    size += sum(len(event.data) for event in events)
    if number >= LOOK_AFTER or size >= LOOK_AFTER_BYTES:
        return True
    if len(added) >= _MAX_WATCHED:
        del added[next(iter(added))]
    added[session] = (number, size)
    return False


def following(found: list[Event], after: int) -> list[Event] | None:
    """What follows the event at `after`, of the events from there on in their order.

    None where that one, or one in between, is not kept any more.
    """
    if [event.position for event in found] != list(range(after, after + len(found))):
        return None
    return found[1:] if found else None


class NoEvents:
    """Keeps none: no stream can be resumed."""

    keeps = False

    async def append(self, session: str, stream: str, events: Sequence[Event]) -> None:
        return None

    async def read(self, session: str, stream: str, after: int) -> list[Event] | None:
        return None

    async def ends(self, session: str, stream: str) -> tuple[Event, Event] | None:
        return None

    async def forget(self, session: str) -> None:
        return None

    async def clear(self) -> int:
        return 0


class InMemoryEvents:
    """Keeps them in this process: right for one process, and for tests."""

    keeps = True

    def __init__(
        self,
        lifetime: float = LIFETIME,
        max_of_stream: int = MAX_OF_STREAM,
        max_streams: int = MAX_STREAMS,
    ) -> None:
        self._lifetime = lifetime
        self._max_of_stream = max_of_stream
        self._max_streams = max_streams
        self._streams: dict[tuple[str, str], list[tuple[float, Event]]] = {}
        self._added: dict[str, tuple[int, int]] = {}

    async def append(self, session: str, stream: str, events: Sequence[Event]) -> None:
        key, now = (session, stream), time.time()
        kept = self._streams.get(key, [])
        if kept and kept[-1][1].position >= events[0].position:
            raise EventTaken
        if not kept:
            self._make_room(now)
        kept.extend((now, event) for event in events)
        # The beginning stays, which says whose stream it is.
        del kept[1 : -self._max_of_stream]
        # The one that grew last stands last.
        self._streams.pop(key, None)
        self._streams[key] = kept
        if is_due(self._added, session, events):
            self._drop_beyond(session)

    def _drop_beyond(self, session: str) -> None:
        """Remove the oldest of what a session has too much of, whatever stream it is in."""
        own = [key for key in reversed(self._streams) if key[0] == session]
        found = beyond(
            ((number, place), len(self._streams[key][place][1].data))
            for number, key in enumerate(own)
            for place in range(len(self._streams[key]) - 1, -1, -1)
        )
        if found is not None:
            number, place = found
            # The beginning stays as long as anything does.
            kept = self._streams[own[number]]
            del kept[1 : place + 1]
            for key in own[number + (len(kept) > 1) :]:
                del self._streams[key]

    def _make_room(self, now: float) -> None:
        """Remove streams that nothing was added to for too long, and the oldest of too many."""
        while self._streams:
            key, kept = next(iter(self._streams.items()))
            if len(self._streams) < self._max_streams and now - kept[-1][0] <= self._lifetime:
                return
            del self._streams[key]

    async def read(self, session: str, stream: str, after: int) -> list[Event] | None:
        kept = self._streams.get((session, stream), ())
        return following([event for _, event in kept if event.position >= after], after)

    async def ends(self, session: str, stream: str) -> tuple[Event, Event] | None:
        kept = self._streams.get((session, stream))
        return (kept[0][1], kept[-1][1]) if kept else None

    async def forget(self, session: str) -> None:
        for key in [key for key in self._streams if key[0] == session]:
            del self._streams[key]

    async def clear(self) -> int:
        oldest = time.time() - self._lifetime
        removed = 0
        for key, kept in list(self._streams.items()):
            # The beginning stays as long as anything does.
            fresh = [item for item in kept[1:] if item[0] >= oldest]
            if fresh or kept[0][0] >= oldest:
                removed += len(kept) - 1 - len(fresh)
                self._streams[key] = [kept[0], *fresh]
            else:
                removed += len(kept)
                del self._streams[key]
        return removed
