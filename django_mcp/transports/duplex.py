"""One connection that carries a whole session, both ways: a socket, a stream with its POSTs, pipes.

Owns the session, which ends with the connection, and what a message does to it. What waits on the
connection and what runs for it is `wire`; what a message does is `server.conversations`. How bytes
arrive and leave is the transport's: `http.http_sse`, `websocket`, `stdio`.

Source: 2025-11-25, basic/lifecycle and basic/transports#custom-transports; batches, 2025-03-26,
basic/index#batching.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from ..protocol import jsonrpc
from ..protocol.envelope import is_enveloped
from ..protocol.errors import InvalidRequest, ProtocolError
from ..protocol.handshake import INITIALIZE, Stage
from ..protocol.jsonrpc import MAX_DEPTH, Message, Request, RequestId
from ..server.access import ANONYMOUS
from ..server.broker import InMemoryBroker
from ..server.conversations import Conversation, introduce
from ..server.exchange import Link
from ..server.hub import Hub
from ..server.server import MCPServer
from ..server.sessions import OneSession
from ..server.subscriptions import MAX_LISTENERS, MAX_OF_ANONYMOUS, MAX_OF_ONE
from ..server.telling import Listener, tell
from .staying import LAST_WORDS, Stay
from .wire import Wire

logger = logging.getLogger("django_mcp")


class TooManyConnections(ProtocolError):
    """This server, or this caller, has as many connections open as it may."""

    code = -32000
    status = 503


class Duplex(Wire):
    """A connection that carries a session; the line of a hub, the mouth of its calls.

    What `Wire` does not take: `is_kept` is True where a store knows of the session as well.
    """

    def __init__(
        self,
        server: MCPServer,
        stay: Stay,
        session: OneSession,
        write: Callable[[bytes], Awaitable[None]],
        *,
        is_kept: bool,
        patience: float | None,
        max_depth: int = MAX_DEPTH,
        grace: float = 0,
        last_words: float = LAST_WORDS,
    ) -> None:
        super().__init__(
            server,
            stay,
            write,
            patience=patience,
            max_depth=max_depth,
            grace=grace,
            last_words=last_words,
        )
        self.is_kept = is_kept
        self._session = session
        # Everything that runs and waits for the session is on this connection, so no other process
        # need hear of it.
        self._hub = Hub(InMemoryBroker())
        self._listener = Listener()
        self._calls = 0
        self._is_telling = False

    # A line

    def receive(self, body: str) -> None:
        """Serve a message that arrived by another way than the connection."""
        if not self._incoming.offer(body.encode()):
            logger.warning("A client sends faster than it is served, and is disconnected")
            self.give_way()

    # A mouth

    async def request(self, id: RequestId, method: str, params: dict[str, Any]) -> bool:
        """Write a request to the client; False where nobody is there to answer."""
        await self._say(jsonrpc.request_bytes(id, method, params))
        return self.connected

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
                self._over.set()
                self._hub.end()
                await self._end()

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

    async def _end_session(self) -> None:
        session = self._session.now
        try:
            if await self._session.end(session.key) and session.stage is not Stage.NEW:
                await self._server.session_closed(session)
        except Exception:
            logger.exception("The session of a connection that is over could not be ended")

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
            refusal = self._refusal(message)
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

    def _refusal(self, request: Request) -> bytes | None:
        """What a request is answered with that will not be looked at; None for any other."""
        if is_enveloped(request):
            # Its answer would be in the words of another revision than it asks for.
            error = InvalidRequest(
                "This connection speaks revisions that begin with initialize, and no others: open "
                "another one for requests that carry their version in _meta."
            )
            return jsonrpc.error_bytes(request.id, error)
        is_in_use = self._hub.is_answering(self._session.now.key, request.id)
        return self._refusal_of(request.id, is_in_use=is_in_use, count=self._calls)

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
            self._answer_apart(self._reply_together(answers))

    async def _begin_in_batch(self, request: Request) -> bytes | asyncio.Task[bytes | None]:
        if request.method == INITIALIZE:
            error = InvalidRequest("initialize must not be part of a batch.")
            return jsonrpc.error_bytes(request.id, error)
        return self._refusal(request) or await self._begin(self._answer(request))

    async def _reply_together(self, answers: Sequence[bytes | asyncio.Task[bytes | None]]) -> None:
        bodies = [found if isinstance(found, bytes) else await found for found in answers]
        written = [body for body in bodies if body is not None]
        if written:
            await self._say(b"[%b]" % b",".join(written))
