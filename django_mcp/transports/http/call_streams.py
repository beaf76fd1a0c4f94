"""What a call of a session says: on its own stream, kept so that a broken one can be resumed.

A call goes on when its client's connection breaks. Everything it writes from the moment its stream
has begun is kept in the log of events first and written to the connection second, so that whoever
resumes the stream (`listening`) finds it there, in this process or another. A call that says
nothing before its answer has no stream, and is answered with plain JSON.

Source: 2025-11-25, basic/transports#sending-messages-to-the-server.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Coroutine, Sequence
from typing import Any, Final, TypeVar

from ...protocol import jsonrpc, sse
from ...protocol.errors import InternalError, ProtocolError
from ...protocol.jsonrpc import RequestId
from ...protocol.revisions import Revision
from ...server.events import Event, EventLog, EventTaken, NoEvents, event_id, new_stream
from ...server.hub import Hub
from .responses import KEEP_ALIVE, Answer, Response
from .types import JSON, Channel

logger = logging.getLogger("django_mcp")

T = TypeVar("T")

#: Milliseconds after which a client may come back for the rest of a stream.
RETRY: Final = 1_000
#: Seconds after which a call that has said nothing yet begins its stream, where the client is then
#: given an id: until it has one, it cannot come back for the answer when its connection breaks.
FIRST_SILENCE: Final = 1.0
#: Seconds between attempts to keep the answer of a call that nobody is connected to.
_PATIENCE: Final = (0.5, 1, 2, 4, 8, 15, 15, 15)


class CallStream:
    """Where the calls of one POST write: several for a batch, otherwise one.

    `over` is done as soon as the HTTP response needs nobody any more: the answer was written, the
    client has gone, or the connection was let go. `refusal` is why the calls were cancelled where
    their caller is let in no longer.
    """

    def __init__(
        self,
        hub: Hub,
        log: EventLog,
        session: str,
        revision: Revision,
        ids: Sequence[RequestId],
        channel: Channel,
        keep_alive: float = KEEP_ALIVE,
    ) -> None:
        self._hub = hub
        self._log: EventLog = log if revision.resumable else NoEvents()
        self._session = session
        self._revision = revision
        self._ids = ids
        first = FIRST_SILENCE if revision.priming_event and log.keeps else keep_alive
        self._response = Response(
            channel, self._lose_client, keep_alive, self._break_silence, min(first, keep_alive)
        )
        self._name = ""
        self._position = -1
        self._lock = asyncio.Lock()
        self._let_go = False
        self._missed = False
        self._ended = False
        self.refusal: ProtocolError | None = None
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    # An outlet

    @property
    def connected(self) -> bool:
        """False once nobody reads what is written, now."""
        return self._response.connected and not self._let_go

    async def send(self, method: str, params: dict[str, Any]) -> None:
        """Write a notification."""
        await _to_the_end(self._say(jsonrpc.notification_bytes(method, params)))

    async def request(self, id: RequestId, method: str, params: dict[str, Any]) -> bool:
        """Write a request to the client; False where it reads none, and will not come back."""
        return await _to_the_end(self._say(jsonrpc.request_bytes(id, method, params)))

    async def close(self, retry: float) -> None:
        """Close the connection; the client comes back for the rest after `retry` seconds.

        Only where every stream begins with an id to come back with: up to 2025-06-18 the client
        may have none yet, and the server should not close a stream before its answer.
        """
        if self._revision.priming_event and self._log.keeps and self.connected:
            await _to_the_end(self._close(retry))

    def let_go(self) -> None:
        """Close the connection, and go on without."""
        self._let_go = True
        self._release()

    # The response

    def look_after(self) -> None:
        """Watch whether the client goes away, and break silences that last too long."""
        if not self.over.done():
            self._response.look_after()

    def lose_client(self) -> None:
        """The client has gone away."""
        self._response.lose_client()

    async def finish(self, replies: Sequence[Answer], *, batch: bool) -> None:
        """Write the answers; what is said later is not sent."""
        async with self._lock:
            if self._ended:
                return
            self._ended = True
            if self._name:
                await self._end([reply.body for reply in replies])
            else:
                await self._reply(replies, batch)

    async def break_off(self) -> None:
        """End without the answers, of which something went wrong."""
        self._ended = True
        if self._response.is_stream:
            await self._response.end()
        else:
            # Not a 200, so that monitoring sees it.
            await self._response.reply(503, [JSON], jsonrpc.error_bytes(None, InternalError()))

    def leave(self) -> None:
        """Nothing more will be written, whatever became of the answers."""
        self._ended = True
        self._hub.forget_writer(self._session, self._name)
        self._release()

    def keep_no_more(self) -> None:
        """Nobody comes back for the rest: the session has ended, and what was kept is removed."""
        self._log = NoEvents()

    async def withdraw(self, body: bytes) -> None:
        """End a call that was cancelled, with `body` in place of its answer.

        That comes on a stream whatever was written before. A client that cancels because it closes
        stops reading streams in good order, but may fail over a whole response it gets then.
        """
        async with self._lock:
            if self._ended:
                return
            self._ended = True
            if self._name:
                await self._end([body])
            else:
                await self._response.write(sse.encode(body))
                await self._response.end()
        self._release()

    async def part(self) -> None:
        """End the response of a connection that was let go."""
        if self._let_go and self._response.is_stream:
            await self._response.end()

    async def _reply(self, replies: Sequence[Answer], batch: bool) -> None:
        if batch:
            whole = b"[%b]" % b",".join(reply.body for reply in replies)
            await self._response.reply(200, [JSON], whole)
        else:
            only = replies[0]
            await self._response.reply(only.status, [JSON, *only.headers], only.body)

    async def _end(self, bodies: Sequence[bytes]) -> None:
        await self._append(bodies, are_last=True)
        if not self._let_go:
            await self._response.end()

    async def _close(self, retry: float) -> None:
        async with self._lock:
            if self._ended:
                return
            await self._begin()
            if self._missed:
                return  # What it would come back for is not all there.
            await self._response.write(b"retry: %d\n\n" % int(retry * 1000))
            self.let_go()

    # Events

    async def _say(self, body: bytes) -> bool:
        async with self._lock:
            # Nobody will ask for a stream of which nobody knows.
            if self._ended or not (self.connected or self._name):
                return False
            await self._begin()
            return await self._append([body])

    async def _break_silence(self) -> None:
        await _to_the_end(self._break_it())

    async def _break_it(self) -> None:
        async with self._lock:
            if not self._ended:
                await self._begin()
                await self._response.comment()

    async def _begin(self) -> None:
        """Give the stream a name, and the client the id of its beginning."""
        if self._name:
            return
        self._name = new_stream(of_call=True)
        self._hub.add_writer(self._session, self._name, self)
        beginning = json.dumps(list(self._ids)).encode()
        if await self._keep([beginning]) and self._revision.priming_event:
            id = event_id(self._name, self._position)
            await self._response.write(sse.encode(b"", id=id, retry=RETRY))

    async def _append(self, bodies: Sequence[bytes], *, are_last: bool = False) -> bool:
        """Keep messages and write them; False where they went neither way."""
        first = self._position + 1
        kept = await self._keep(bodies, are_last=are_last)
        for place, body in enumerate(bodies, first):
            id = event_id(self._name, place) if kept else None
            if self.connected:
                await self._response.write(sse.encode(body, id=id))
        if kept:
            self._hub.grew(self._session, self._name, elsewhere=not self.connected)
        return kept or self.connected

    async def _keep(self, bodies: Sequence[bytes], *, are_last: bool = False) -> bool:
        """Put events into the log; False where they are not there.

        What cannot be kept is written all the same while the client is connected. Answers that
        nobody is there to take are tried again for a while.
        """
        patience = iter(_PATIENCE if are_last else ())
        end = self._position + len(bodies)
        events = [
            Event(place, body, are_last and place == end)
            for place, body in enumerate(bodies, self._position + 1)
        ]
        while self._log.keeps and (are_last or not self._missed):
            try:
                await self._log.append(self._session, self._name, events)
            except EventTaken:
                # Somebody took this process for dead, and has told the client so.
                self._missed = True
                return False
            except Exception:
                delay = None if self.connected else next(patience, None)
                if delay is None:
                    logger.exception("An event of a stream could not be kept")
                    # What follows is not kept either: a client would not see the gap.
                    self._missed = True
                    return False
                await asyncio.sleep(delay)
            else:
                self._position = end
                return True
        return False

    def _lose_client(self) -> None:
        self._release()

    def _release(self) -> None:
        if not self.over.done():
            self.over.set_result(None)


async def _to_the_end(saying: Coroutine[Any, Any, T]) -> T:
    """Await what must not be left half done: a cancellation is raised when it is done.

    An event of which nobody knows whether it was kept would be the last one of its stream.
    """
    task = asyncio.ensure_future(saying)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if not task.done():
            await asyncio.wait([task])
        raise
