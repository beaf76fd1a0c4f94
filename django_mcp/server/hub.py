"""What runs and waits in this process on behalf of sessions, and how a message finds it.

A message of a session may arrive at any process: an answer, a cancellation, the end of the session,
a client that resumes a stream. What it is meant for is here: calls that run, questions that wait,
streams that are written, followed or listened to, connections. Whoever brings a message looks here
first, and asks the broker to tell the others where nothing was found. One hub belongs to one server
and one event loop.
"""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol, TypeVar

from ..protocol import jsonrpc
from ..protocol.errors import InvalidRequest
from ..protocol.jsonrpc import RequestId
from .broker import (
    Answered,
    Broker,
    BrokerUnavailable,
    Cancelled,
    Changed,
    Ended,
    Followed,
    Grew,
    Incoming,
    Listening,
    Message,
    Sought,
    Taken,
)
from .sessions import NoSessions, Session, SessionStore
from .shares import Allowance, Tally, check_calls

logger = logging.getLogger("django_mcp")

#: Seconds an answer that was handed on has to reach the call that waits for it.
HANDED_ON: Final = 5.0
#: Seconds between two looks whether the sessions of open connections go on.
WATCH_EVERY: Final = 30.0

K = TypeVar("K")
V = TypeVar("V")


class Writer(Protocol):
    """Writes the stream of a call, or keeps what it would write."""

    def let_go(self) -> None:
        """Close the connection, if there still is one: somebody else resumes the stream."""

    def keep_no_more(self) -> None:
        """The session has ended, and nobody will resume the stream."""


class Holder(Protocol):
    """A connection on which a client listens, or resumes a stream."""

    @property
    def by(self) -> str:
        """What tells it from an earlier connection of the same session."""

    def wake(self) -> None:
        """There may be something new to write."""

    def refresh(self) -> None:
        """What is kept of the session changed."""

    def give_way(self) -> None:
        """Close: the client has another connection for this, or its session has ended."""


class Line(Protocol):
    """A connection that carries a whole session, both ways."""

    @property
    def owner(self) -> str:
        """The id of the principal whose connection it is."""

    @property
    def is_kept(self) -> bool:
        """True where a store of sessions knows of the session too."""

    def receive(self, body: str) -> None:
        """Serve a message that arrived elsewhere."""

    def give_way(self) -> None:
        """Close: the session has ended."""


class Hub:
    """The calls, questions, streams and connections of one server in one event loop."""

    def __init__(self, broker: Broker, store: Callable[[], SessionStore] = NoSessions) -> None:
        self.broker = broker
        self._store = store
        self._loop = weakref.ref(asyncio.get_running_loop())
        self._calls: dict[tuple[str, RequestId], asyncio.Task[Any]] = {}
        self._of_session = Tally()
        self._of_owner = Tally()
        self._allowance = Allowance()
        self._questions: dict[tuple[str, RequestId], asyncio.Future[Answered]] = {}
        self._handed_on: dict[tuple[str, RequestId], asyncio.Future[None]] = {}
        self._writers: dict[tuple[str, str], Writer] = {}
        self._followers: dict[tuple[str, str], Holder] = {}
        self._listeners: dict[str, Holder] = {}
        self._lines: dict[str, Line] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._stop: Callable[[], None] | None = None
        self._watch: asyncio.Task[None] | None = None
        self._hears = False

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The event loop this is the hub of, while it is there."""
        return self._loop()

    def end(self) -> None:
        """End what runs and waits here, without waiting for it.

        Calls are answered as cancelled ones are, streams end, and their clients may come back to
        another process.
        """
        for call in list(self._calls.values()):
            call.cancel()
        for holder in (*self._followers.values(), *self._listeners.values()):
            holder.give_way()
        for line in self.lines:
            line.give_way()

    async def close(self, patience: float) -> None:
        """End what runs and waits here, which has `patience` seconds for its last words, and hear
        no more of other processes."""
        self.end()
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=patience)
        for task in list(self._tasks):
            task.cancel()
        if self._watch is not None:
            self._watch.cancel()
        if self._stop is not None:
            self._stop()
            self._stop = None
            self._hears = False

    def _register(self, table: dict[K, V], key: K, value: V) -> None:
        """Note what a message may be meant for, which others have to be heard for from now on."""
        if self._stop is None:
            self._stop = self.broker.subscribe(self._hear)
        table[key] = value

    async def hears(self) -> None:
        """Return once what other processes say is heard here, or after a few seconds.

        To be awaited before a client is told of something that it may go on with elsewhere.
        """
        if not self._hears and self.broker.reaches_others:
            await self.broker.settle()
            self._hears = True

    @contextmanager
    def _registered(self, table: dict[K, V], key: K, value: V) -> Iterator[None]:
        """Note it meanwhile; what came later in the same place stays."""
        self._register(table, key, value)
        try:
            yield
        finally:
            if table.get(key) is value:
                del table[key]

    # Calls that run here

    def keep(self, task: asyncio.Task[Any]) -> None:
        """Have `task` go on to its end, whoever started it and has gone since."""
        if not task.done():
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def begin(self, session: Session, id: RequestId, task: asyncio.Task[Any]) -> None:
        """Note that `task` answers a request.

        Raises InvalidRequest where one with this id is being answered, and TooManyCalls: calls go
        on without their clients, and who only ever began some would have no end of them.
        """
        key, owner = session.key, session.owner
        if (key, id) in self._calls:
            raise InvalidRequest(f"The request {id!r} is still being answered: use a new id.")
        check_calls(owner, self._of_session.get(key, 0), self._of_owner.get(owner, 0))
        self._register(self._calls, (key, id), task)
        self._of_session.add(key)
        self._of_owner.add(owner)

    def is_answering(self, session: str, id: RequestId) -> bool:
        """True where a request with this id is being answered here."""
        return (session, id) in self._calls

    def finish(self, session: Session, id: RequestId) -> None:
        """The request that was begun is answered."""
        del self._calls[session.key, id]
        self._of_session.remove(session.key)
        self._of_owner.remove(session.owner)

    async def cancel(self, session: Session, id: RequestId) -> None:
        """Cancel a call, wherever it runs. One that has ended already is none of anybody's.

        Raises TooMuchAtOnce and BrokerUnavailable where others cannot be told.
        """
        task = self._calls.get((session.key, id))
        if task is not None:
            task.cancel()
        elif self.broker.reaches_others:
            self._allowance.spend(session.owner, 0)
            await self.broker.send(Cancelled(session.key, id))

    # Questions that wait here

    @contextmanager
    def question(self, session: str, id: RequestId) -> Iterator[asyncio.Future[Answered]]:
        """Wait for the answer to the request `id` that is sent to the client meanwhile."""
        future: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
        with self._registered(self._questions, (session, id), future):
            yield future

    async def answer(self, session: Session, answer: Answered) -> bool:
        """Hand an answer to whoever waits for it, here or elsewhere; False where nobody can.

        Raises BrokerUnavailable where nobody elsewhere has taken it in time, and TooMuchAtOnce.
        """
        if self._settle(answer):
            return True
        if not self.broker.reaches_others:
            return False
        self._allowance.check(session.owner)  # Before the size, which takes a while to tell.
        self._allowance.spend(session.owner, len(jsonrpc.dumps(answer.result or answer.error)))
        taken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with self._registered(self._handed_on, (answer.session, answer.id), taken):
            await self.hears()
            await self.broker.send(answer)
            try:
                async with asyncio.timeout(HANDED_ON):
                    await taken
            except TimeoutError:
                raise BrokerUnavailable(
                    "No process has taken this answer: nobody waits for it any more, or who does "
                    "cannot be reached now."
                ) from None
        return True

    def _settle(self, answer: Answered) -> bool:
        future = self._questions.get((answer.session, answer.id))
        if future is None:
            return False
        if not future.done():
            future.set_result(answer)
        return True

    # Streams

    def add_writer(self, session: str, stream: str, writer: Writer) -> None:
        """Note that a call of this process writes a stream, connected or not."""
        self._register(self._writers, (session, stream), writer)

    def forget_writer(self, session: str, stream: str) -> None:
        """The stream is written to its end."""
        self._writers.pop((session, stream), None)

    def is_writing(self, session: str, stream: str) -> bool:
        """True where a call of this process writes the stream."""
        return (session, stream) in self._writers

    def grew(self, session: str, stream: str, *, elsewhere: bool) -> None:
        """There are new events in the log: wake who follows, in other processes too if asked."""
        follower = self._followers.get((session, stream))
        if follower is not None:
            follower.wake()
        if elsewhere and self.broker.reaches_others:
            self.broker.publish(Grew(session, stream))

    @contextmanager
    def following(self, session: str, stream: str, follower: Holder) -> Iterator[None]:
        """Resume a stream: an earlier connection of it gives way, wherever it is."""
        self._take_over(session, stream, follower.by)
        with self._served(self._followers, (session, stream), follower):
            if self.broker.reaches_others:
                self.broker.publish(Followed(session, stream, follower.by))
            yield

    def _take_over(self, session: str, stream: str, by: str) -> None:
        writer = self._writers.get((session, stream))
        if writer is not None:
            writer.let_go()
        follower = self._followers.get((session, stream))
        if follower is not None and follower.by != by:
            follower.give_way()

    @contextmanager
    def listening(self, session: str, listener: Holder) -> Iterator[None]:
        """Listen to a session: an earlier connection gives way, wherever it is."""
        earlier = self._listeners.get(session)
        if earlier is not None:
            earlier.give_way()
        with self._served(self._listeners, session, listener):
            if self.broker.reaches_others:
                self.broker.publish(Listening(session, listener.by))
            yield

    # Connections that carry a whole session

    @property
    def lines(self) -> list[Line]:
        """The connections of this process that carry a session."""
        return list(self._lines.values())

    @contextmanager
    def carrying(self, session: str, line: Line) -> Iterator[None]:
        """Note that a connection of this process carries the session."""
        with self._served(self._lines, session, line):
            yield

    async def deliver(self, session: Session, body: str) -> None:
        """Hand a message to the connection that carries the session, wherever it is.

        Raises BrokerUnavailable where that may be elsewhere and cannot be reached, and
        TooMuchAtOnce.
        """
        line = self._lines.get(session.key)
        if line is not None:
            line.receive(body)
        elif self.broker.reaches_others:
            self._allowance.spend(session.owner, len(body))
            await self.broker.send(Incoming(session.key, body))
        else:
            raise BrokerUnavailable(
                "The stream of this session is not open in this process, and other processes "
                "cannot be reached: they need a channel layer that all of them share."
            )

    # Sessions

    def changed(self, session: str) -> None:
        """What is kept of a session changed."""
        self._refresh(session)
        if self.broker.reaches_others:
            self.broker.publish(Changed(session))

    def ended(self, session: str) -> None:
        """A session ended: cancel its calls and close its streams, wherever they are."""
        self._end(session)
        if self.broker.reaches_others:
            self.broker.publish(Ended(session))

    @property
    def served(self) -> frozenset[str]:
        """The sessions of the store that have a connection open here."""
        followed = {session for session, _ in self._followers}
        carried = {session for session, line in self._lines.items() if line.is_kept}
        return frozenset({*self._listeners, *carried, *followed})

    @contextmanager
    def _served(self, table: dict[K, V], key: K, value: V) -> Iterator[None]:
        """Note a connection meanwhile, and watch whether its session goes on."""
        try:
            with self._registered(table, key, value):
                if self._watch is None and self.served and self._store().keeps:
                    self._watch = asyncio.get_running_loop().create_task(self._watch_sessions())
                yield
        finally:
            if self._watch is not None and not self.served:
                self._watch.cancel()
                self._watch = None

    async def _watch_sessions(self) -> None:
        """Close the connections of sessions that were ended where nobody could tell this process,
        or whose time is over."""
        while True:
            await asyncio.sleep(WATCH_EVERY)
            served = self.served
            try:
                alive = await self._store().alive(served)
            except Exception:
                logger.exception("It cannot be told which sessions have ended")
                continue
            for session in served - alive:
                self._end(session)

    def _end(self, session: str) -> None:
        for (owner, _), task in list(self._calls.items()):
            if owner == session:
                task.cancel()
        for (owner, _), writer in list(self._writers.items()):
            if owner == session:
                writer.keep_no_more()
        for (owner, _), follower in list(self._followers.items()):
            if owner == session:
                follower.give_way()
        listener = self._listeners.get(session)
        if listener is not None:
            listener.give_way()
        line = self._lines.get(session)
        if line is not None:
            line.give_way()

    def _refresh(self, session: str) -> None:
        listener = self._listeners.get(session)
        if listener is not None:
            listener.refresh()

    # What other processes say

    def _hear(self, message: Message) -> None:
        match message:
            case Answered(session, id):
                if self._settle(message):
                    self.broker.publish(Taken(session, id))
            case Taken(session, id):
                taken = self._handed_on.get((session, id))
                if taken is not None and not taken.done():
                    taken.set_result(None)
            case Cancelled(session, id):
                task = self._calls.get((session, id))
                if task is not None:
                    task.cancel()
            case Changed(session):
                self._refresh(session)
            case Ended(session):
                self._end(session)
            case Listening(session, by):
                listener = self._listeners.get(session)
                if listener is not None and listener.by != by:
                    listener.give_way()
            case Followed(session, stream, by):
                self._take_over(session, stream, by)
            case Grew(session, stream):
                follower = self._followers.get((session, stream))
                if follower is not None:
                    follower.wake()
            case Sought(session, stream):
                if self.is_writing(session, stream):
                    self.broker.publish(Grew(session, stream))
            case Incoming(session, body):
                line = self._lines.get(session)
                if line is not None:
                    line.receive(body)
