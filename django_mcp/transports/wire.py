"""One connection on which messages go both ways: a socket, a stream with its POSTs, two pipes.

Owns what such a connection holds while it is open: the messages that came in and those that go out,
each in order and bounded, and the requests that are being answered, each in a task of its own. What
a message means is the subclass's: `duplex` where the connection carries a session, `enveloped`
where every request stands by itself. How bytes arrive and leave is the transport's.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, Final, TypeVar

from ..protocol import jsonrpc
from ..protocol.errors import InvalidRequest, ProtocolError
from ..protocol.jsonrpc import MAX_DEPTH, Message, RequestId
from ..server.exchange import Caller
from ..server.server import MCPServer
from .http.types import Refused
from .staying import LAST_WORDS, Stay

T = TypeVar("T")

logger = logging.getLogger("django_mcp")

#: Requests of one connection that may be answered at a time.
MAX_IN_FLIGHT: Final = 256
#: Bytes of messages that may wait to be looked at, and to be written.
MAX_INCOMING: Final = 16 * 1024 * 1024
MAX_OUTGOING: Final = 1024 * 1024

#: What a message costs beside its bytes.
_OVERHEAD: Final = 200


class TooManyRequests(ProtocolError):
    """One connection has as many requests waiting for their answers as it may."""

    code = -32000
    status = 503


class Box:
    """Messages on their way to one taker, in order: up to `limit` bytes of them, or one that is
    larger."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._waiting = 0
        self._bodies: deque[bytes] = deque()
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()
        self._settled = asyncio.Event()

    def __len__(self) -> int:
        return len(self._bodies)

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
        self._settled.clear()
        return True

    async def get(self) -> bytes:
        """Take the oldest message, as soon as there is one."""
        while not self._bodies:
            self._settled.set()
            self._filled.clear()
            await self._filled.wait()
        body = self._bodies.popleft()
        self._size -= len(body) + _OVERHEAD
        self._emptied.set()
        return body

    async def settled(self) -> None:
        """Return as soon as everything was taken, and who took it is back for more."""
        await self._settled.wait()


class Wire:
    """A connection of somebody who stays; the outlet of what is answered on it.

    `write` puts one message on the wire and returns when that has taken it; it raises OSError once
    the client has gone. One that takes longer than `patience` seconds counts as gone; None waits
    for ever. `refused` is why the client was disconnected that may be connected no longer.

    Where input ends, what came by then is still looked at, and requests have `grace` seconds to be
    answered; with 0 the connection ends at once. What is cancelled then has `last_words` seconds.
    """

    def __init__(
        self,
        server: MCPServer,
        stay: Stay,
        write: Callable[[bytes], Awaitable[None]],
        *,
        patience: float | None,
        max_depth: int = MAX_DEPTH,
        grace: float = 0,
        last_words: float = LAST_WORDS,
    ) -> None:
        self._server = server
        self._stay = stay
        self._write = write
        self._patience = patience
        self.refused: Refused | None = None
        self._max_depth = max_depth
        self._grace = grace
        self._last_words = last_words
        self._incoming = Box(MAX_INCOMING)
        self._outgoing = Box(MAX_OUTGOING)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._answering: set[asyncio.Task[Any]] = set()
        self._over = asyncio.Event()

    @property
    def _caller(self) -> Caller:
        return self._stay.caller

    @property
    def owner(self) -> str:
        """The id of the principal whose connection it is."""
        return self._caller.principal.id

    def give_way(self) -> None:
        """End the connection."""
        self._over.set()

    # An outlet

    @property
    def connected(self) -> bool:
        """False once nobody reads what is written."""
        return not self._over.is_set()

    async def send(self, method: str, params: dict[str, Any]) -> None:
        """Write a notification."""
        await self._say(jsonrpc.notification_bytes(method, params))

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

    async def run(self, incoming: AsyncIterator[bytes | ProtocolError] | None = None) -> None:
        """Serve the messages of `incoming`, and those that are received otherwise, until the client
        has gone or the connection is ended. Raises what `incoming` does.

        An error among the messages is one that could not be read, and is what the client is told.
        """
        parts = [self._serve(), self._carry_out(), self._over.wait()]
        if incoming is not None:
            parts.append(self._carry_in(incoming))
        tasks = [self._start(part) for part in parts]
        self._stay.begin(self._turn_out)
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._stay.end()
        self._over.set()
        for task in done:
            task.result()

    async def _turn_out(self, refused: Refused) -> None:
        self.refused = refused
        self.give_way()

    async def _end(self) -> None:
        """Cancel what still runs, and wait for it to end."""
        self._over.set()
        for task in self._tasks:
            task.cancel()
        await self._end_session()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=self._last_words)
            for task in late:
                self._server.hub.keep(task)

    async def _end_session(self) -> None:
        """End what goes with the connection."""
        return None

    def _start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # What goes in and out

    async def _carry_in(self, incoming: AsyncIterator[bytes | ProtocolError]) -> None:
        async for found in incoming:
            if isinstance(found, ProtocolError):
                await self._say(jsonrpc.error_bytes(None, found))
            else:
                await self._incoming.put(found)
        if self._grace:
            await self._finish_in_time()

    async def _finish_in_time(self) -> None:
        """Finish, or return after the grace; it begins anew while messages are still taken."""
        while True:
            waiting = len(self._incoming)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._grace):
                    await self._finish()
                return
            if len(self._incoming) == waiting:
                return

    async def _finish(self) -> None:
        """Return once everything that came is answered, and the answers are written."""
        await self._incoming.settled()
        while self._answering:
            await asyncio.wait(self._answering)
        await self._outgoing.settled()

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
                await asyncio.sleep(0)  # Nothing else of it need let go of the loop.

    async def _take(self, message: Message | list[Message | InvalidRequest]) -> None:
        """Do what a message asks for; raises ProtocolError for one that cannot be taken."""
        raise NotImplementedError

    # Requests

    def _answer_apart(self, answering: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Answer in a task, which has its share of the time after the end of input."""
        task = self._start(answering)
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)
        return task

    async def _begin(self, answering: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = self._answer_apart(answering)
        # The next message may cancel the request, which has to have begun by then.
        await asyncio.sleep(0)
        return task

    def _refusal_of(self, id: RequestId, *, is_in_use: bool, count: int) -> bytes | None:
        """What a request is answered with that will not be looked at; None for any other.

        `is_in_use` is True where a request with its id is being answered, `count` is how many are.
        """
        if is_in_use:
            # Without its id: an answer with that would be taken for the first one's.
            error = InvalidRequest(f"The request {id!r} is still being answered: use a new id.")
            return jsonrpc.error_bytes(None, error)
        if count >= MAX_IN_FLIGHT:
            busy = TooManyRequests(
                f"{MAX_IN_FLIGHT} requests of this connection are being answered, and no more are "
                "taken: wait for one of them."
            )
            return jsonrpc.error_bytes(id, busy)
        return None
