"""One connection that carries a whole session, both ways: a socket, a stream with its POSTs, pipes.

Owns what such a connection holds while it is open: the messages that came in and those that go out,
each in order and bounded; the requests that are being answered, each in a task of its own; and the
session, which ends with the connection. What a message does is `server.conversations`. How bytes
arrive and leave is the transport's: `http.http_sse`, `websocket`.

Source: 2025-11-25, basic/lifecycle and basic/transports#custom-transports; batches, 2025-03-26,
basic/index#batching.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, TypeVar

from ..protocol import jsonrpc
from ..protocol.errors import InvalidRequest, ProtocolError
from ..protocol.handshake import INITIALIZE, Stage
from ..protocol.jsonrpc import MAX_DEPTH, Message, Request, RequestId
from ..server.access import ANONYMOUS
from ..server.broker import InMemoryBroker
from ..server.conversations import Conversation, introduce
from ..server.exchange import Caller, Link
from ..server.hub import Hub
from ..server.server import MCPServer
from ..server.sessions import OneSession
from ..server.subscriptions import MAX_LISTENERS, MAX_OF_ANONYMOUS, MAX_OF_ONE
from ..server.telling import Listener, tell
from .http.types import Refused

T = TypeVar("T")

logger = logging.getLogger("django_mcp")

#: Requests of one connection that may be answered at a time.
MAX_IN_FLIGHT: Final = 256
#: Bytes of messages that may wait to be looked at, and to be written.
MAX_INCOMING: Final = 16 * 1024 * 1024
MAX_OUTGOING: Final = 1024 * 1024
#: Seconds after which it is asked again whether a client may be connected.
RENEW_EVERY: Final = 30.0
#: Seconds that what is cancelled has to end, before it is left to itself.
LAST_WORDS: Final = 5.0

#: What a message costs beside its bytes.
_OVERHEAD: Final = 200


class TooManyConnections(ProtocolError):
    """This server, or this caller, has as many connections open as it may."""

    code = -32000
    status = 503


class TooManyRequests(ProtocolError):
    """One connection has as many requests waiting for their answers as it may."""

    code = -32000
    status = 503


class Box:
    """Messages on their way, in order: up to `limit` bytes of them, or one that is larger."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._waiting = 0
        self._bodies: deque[bytes] = deque()
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()

    async def put(self, body: bytes) -> None:
        """Add a message, as soon as there is room for it."""
        self._waiting += 1
        try:
            while not self.offer(body):
                self._emptied.clear()
                await self._emptied.wait()
        finally:
            self._waiting -= 1
            self._emptied.set()

    async def has_room(self) -> None:
        """Return as soon as nobody waits for room any more."""
        while self._waiting:
            self._emptied.clear()
            await self._emptied.wait()

    def offer(self, body: bytes) -> bool:
        """Add a message; False where there is no room for it."""
        size = len(body) + _OVERHEAD
        if self._bodies and self._size + size > self._limit:
            return False
        self._size += size
        self._bodies.append(body)
        self._filled.set()
        return True

    async def get(self) -> bytes:
        """Take the oldest message, as soon as there is one."""
        while not self._bodies:
            self._filled.clear()
            await self._filled.wait()
        body = self._bodies.popleft()
        self._size -= len(body) + _OVERHEAD
        self._emptied.set()
        return body


class Duplex:
    """A connection of `caller`, and the session on it; the line of a hub, the mouth of its calls.

    `write` puts one message on the wire and returns when that has taken it; it raises OSError once
    the client has gone. One that takes longer than `patience` seconds counts as gone; None waits
    for ever. `renew` says who the caller is now, with the rights there are now, and raises
    ProtocolError or Refused where it may be connected no longer.
    """

    def __init__(
        self,
        server: MCPServer,
        caller: Caller,
        session: OneSession,
        write: Callable[[bytes], Awaitable[None]],
        *,
        is_kept: bool,
        patience: float | None,
        renew: Callable[[], Awaitable[Caller]],
        max_depth: int = MAX_DEPTH,
    ) -> None:
        self.is_kept = is_kept
        self._server = server
        self._caller = caller
        self._session = session
        self._write = write
        self._patience = patience
        self._renew = renew
        self._max_depth = max_depth
        # Everything that runs and waits for the session is on this connection, so no other process
        # need hear of it.
        self._hub = Hub(InMemoryBroker())
        self._incoming = Box(MAX_INCOMING)
        self._outgoing = Box(MAX_OUTGOING)
        self._listener = Listener()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._calls = 0
        self._is_telling = False
        self._over = asyncio.Event()

    # A line

    @property
    def owner(self) -> str:
        return self._caller.principal.id

    def receive(self, body: str) -> None:
        """Serve a message that arrived by another way than the connection."""
        if not self._incoming.offer(body.encode()):
            logger.warning("A client sends faster than it is served, and is disconnected")
            self.give_way()

    def give_way(self) -> None:
        """End the connection, and with it the session."""
        self._over.set()

    # A mouth

    @property
    def connected(self) -> bool:
        """False once nobody reads what is written."""
        return not self._over.is_set()

    async def send(self, method: str, params: dict[str, Any]) -> None:
        """Write a notification."""
        await self._say(jsonrpc.notification_bytes(method, params))

    async def request(self, id: RequestId, method: str, params: dict[str, Any]) -> bool:
        """Write a request to the client; False where nobody is there to answer."""
        await self._say(jsonrpc.request_bytes(id, method, params))
        return self.connected

    async def close(self, retry: float) -> None:
        """A client cannot come back for the rest, so this does nothing."""
        return None

    async def _say(self, body: bytes) -> None:
        if self.connected:
            await self._outgoing.put(body)
        else:
            # A call that only talks would never let go of the loop, and never hear that it is over.
            await asyncio.sleep(0)

    # From the beginning to the end

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Have the session and its connection known meanwhile; both end with this.

        When it is left nothing of the session runs any more, or what does was cancelled. Raises
        TooManyConnections and TooManySessions.
        """
        key = self._session.now.key
        with self._admitted(), self._hub.listening(key, self._listener):
            await self._session.open(self._session.now)
            try:
                yield
            finally:
                await self._end()

    async def run(self, incoming: AsyncIterator[bytes] | None = None) -> None:
        """Serve the messages of `incoming`, and those that are received otherwise, until the client
        has gone or the session has ended. Raises what `incoming` does.
        """
        parts = [self._serve(), self._carry_out(), self._over.wait(), self._keep_admitted()]
        if incoming is not None:
            parts.append(self._carry_in(incoming))
        tasks = [self._start(part) for part in parts]
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        self._over.set()
        for task in done:
            task.result()

    @contextmanager
    def _admitted(self) -> Iterator[None]:
        hub, owner = self._server.hub, self.owner
        lines = hub.lines
        if len(lines) >= MAX_LISTENERS:
            raise TooManyConnections("This server has as many connections open as it can serve.")
        limit = MAX_OF_ANONYMOUS if owner == ANONYMOUS.id else MAX_OF_ONE
        if sum(line.owner == owner for line in lines) >= limit:
            raise TooManyConnections(
                f"There are {limit} connections open for this caller, and no more are allowed: "
                "close one first.",
                status=429,
            )
        with hub.carrying(self._session.now.key, self):
            yield

    async def _keep_admitted(self) -> None:
        """Return once the caller may be connected no longer, as a user who was disabled."""
        while True:
            await asyncio.sleep(RENEW_EVERY)
            try:
                caller = await self._renew()
            except (Refused, ProtocolError):
                return
            except Exception:
                # As while the database is away: that takes nobody's rights.
                logger.exception("It cannot be told whether a caller may still be connected")
                continue
            if caller.principal.id != self.owner:
                return
            self._caller = caller

    async def _end(self) -> None:
        self._over.set()
        self._hub.end()
        for task in self._tasks:
            task.cancel()
        await self._end_session()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=LAST_WORDS)
            for task in late:
                self._server.hub.keep(task)

    async def _end_session(self) -> None:
        session = self._session.now
        try:
            if await self._session.end(session.key) and session.stage is not Stage.NEW:
                await self._server.session_closed(session)
        except Exception:
            logger.exception("The session of a connection that is over could not be ended")

    def _start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # What goes in and out

    async def _carry_in(self, incoming: AsyncIterator[bytes]) -> None:
        async for body in incoming:
            await self._incoming.put(body)

    async def _carry_out(self) -> None:
        while True:
            body = await self._outgoing.get()
            try:
                async with asyncio.timeout(self._patience):
                    await self._write(body)
            except OSError:
                return  # The client has gone, or has read nothing for so long (a TimeoutError).

    async def _serve(self) -> None:
        while True:
            body = await self._incoming.get()
            # Calls that have ended hold what they have to say until there is room for it: as long
            # as the client reads nothing, no more of them begin.
            await self._outgoing.has_room()
            try:
                await self._take(jsonrpc.parse(body, max_depth=self._max_depth))
            except ProtocolError as error:
                id = error.id if isinstance(error, InvalidRequest) else None
                await self._say(jsonrpc.error_bytes(id, error))

    # What is said

    @property
    def _conversation(self) -> Conversation:
        """The conversation, as far as it has come."""
        return Conversation(self._server, self._session.now, self._caller, self._session, self._hub)

    async def _take(self, message: Message | list[Message | InvalidRequest]) -> None:
        if isinstance(message, list):
            await self._take_batch(message)
        elif not isinstance(message, Request):
            await self._conversation.take(message)
            self._begin_telling()
        elif message.method == INITIALIZE:
            await self._initialize(message)
        else:
            refusal = self._refusal_of(message)
            if refusal is None:
                await self._begin(self._reply(message))
            else:
                await self._say(refusal)

    async def _initialize(self, request: Request) -> None:
        session = self._session
        link = Link(session.now, session, self._hub)
        reply, settled = await introduce(self._server, request, self._caller, link)
        if settled is not None:
            if await session.change(session.now.key, settled) is None:
                self.give_way()
                return
            await self._server.session_opened(session.now)
        await self._say(reply.body)

    def _begin_telling(self) -> None:
        """Tell of changes from now on, where the client is ready to hear of them."""
        if not self._is_telling and self._session.now.stage is Stage.READY:
            self._is_telling = True
            self._start(self._tell())

    async def _tell(self) -> None:
        session, caller = self._session, self._caller
        try:
            await tell(self._server, session.now, caller, self._listener, self.send, session)
        except Exception:
            logger.exception("A client could not be told of changes, and is disconnected")
        finally:
            self.give_way()

    # Requests

    async def _reply(self, request: Request) -> None:
        body = await self._answer(request)
        if body is not None:
            await self._say(body)

    async def _answer(self, request: Request) -> bytes | None:
        """The answer to a request, None where the client has cancelled it."""
        self._calls += 1
        try:
            reply = await self._conversation.answer(request, self)
        finally:
            self._calls -= 1
        return None if reply is None else reply.body

    def _refusal_of(self, request: Request) -> bytes | None:
        """What a request is answered with that will not be looked at; None for any other."""
        if self._hub.is_answering(self._session.now.key, request.id):
            # Without its id: an answer with that would be taken for the first one's.
            error = InvalidRequest(
                f"The request {request.id!r} is still being answered: use a new id."
            )
            return jsonrpc.error_bytes(None, error)
        if self._calls >= MAX_IN_FLIGHT:
            busy = TooManyRequests(
                f"{MAX_IN_FLIGHT} requests of this connection are being answered, and no more are "
                "taken: wait for one of them."
            )
            return jsonrpc.error_bytes(request.id, busy)
        return None

    async def _begin(self, answering: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = self._start(answering)
        # The next message may cancel the request, which has to have begun by then.
        await asyncio.sleep(0)
        return task

    async def _take_batch(self, messages: list[Message | InvalidRequest]) -> None:
        session = self._session.now
        if session.stage is Stage.NEW:
            raise InvalidRequest("initialize comes first, as a message of its own.")
        if not session.revision.batches:
            raise InvalidRequest(f"{session.revision} has no batches: send each message by itself.")
        answers: list[bytes | asyncio.Task[bytes | None]] = []
        for message in messages:
            if isinstance(message, InvalidRequest):
                answers.append(jsonrpc.error_bytes(message.id, message))
            elif isinstance(message, Request):
                answers.append(await self._begin_in_batch(message))
            else:
                await self._take(message)
        if answers:
            self._start(self._reply_together(answers))

    async def _begin_in_batch(self, request: Request) -> bytes | asyncio.Task[bytes | None]:
        if request.method == INITIALIZE:
            error = InvalidRequest("initialize must not be part of a batch.")
            return jsonrpc.error_bytes(request.id, error)
        return self._refusal_of(request) or await self._begin(self._answer(request))

    async def _reply_together(self, answers: Sequence[bytes | asyncio.Task[bytes | None]]) -> None:
        bodies = [found if isinstance(found, bytes) else await found for found in answers]
        written = [body for body in bodies if body is not None]
        if written:
            await self._say(b"[%b]" % b",".join(written))
