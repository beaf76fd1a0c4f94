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
from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

#: Seconds for which events are kept.
LIFETIME: Final = 3600.0
#: The newest events of a stream that are kept.
MAX_OF_STREAM: Final = 1_000
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
