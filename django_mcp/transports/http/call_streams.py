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
from collections.abc import Sequence
from typing import Any, Final

from ...protocol import jsonrpc, sse
from ...protocol.jsonrpc import RequestId
from ...protocol.revisions import Revision
from ...server.events import Event, EventLog, EventTaken, NoEvents, event_id, new_stream
from ...server.hub import Hub
from .responses import KEEP_ALIVE, Response
from .types import JSON, Channel, ReplyHeaders

logger = logging.getLogger("django_mcp")

#: Milliseconds after which a client may come back for the rest of a stream.
RETRY: Final = 1_000
#: Seconds between attempts to keep the answer of a call that nobody is connected to.
_PATIENCE: Final = (0.5, 1, 2, 4, 8, 15, 15, 15)


class CallStream:
    """Where the calls of one POST write: several for a batch, otherwise one.

    `over` is done as soon as the HTTP response needs nobody any more: the answer was written, the
    client has gone, or the connection was let go.
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
        self._response = Response(channel, self._lose_client, keep_alive, self._break_silence)
        self._name = ""
        self._position = -1
        self._lock = asyncio.Lock()
        self._let_go = False
        self._missed = False
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    # An outlet

    @property
    def connected(self) -> bool:
        """False once nobody reads what is written, now."""
        return self._response.connected and not self._let_go

    async def send(self, method: str, params: dict[str, Any]) -> None:
        """Write a notification."""
        await self._say(jsonrpc.notification_bytes(method, params))

    async def request(self, id: RequestId, method: str, params: dict[str, Any]) -> None:
        """Write a request to the client."""
        await self._say(jsonrpc.request_bytes(id, method, params))

    async def close(self, retry: float) -> None:
        """Close the connection; the client comes back for the rest after `retry` seconds."""
        if not self._log.keeps or not self.connected:
            return
        async with self._lock:
            await self._begin()
            if self._missed:
                return  # What it would come back for is not all there.
            await self._response.write(b"retry: %d\n\n" % int(retry * 1000))
            self.let_go()

    def let_go(self) -> None:
        """Close the connection, and go on without."""
        self._let_go = True
        self._release()

    # The response

    def look_after(self) -> None:
        """Watch whether the client goes away, and break silences that last too long."""
        self._response.look_after()

    def lose_client(self) -> None:
        """The client has gone away."""
        self._response.lose_client()

    async def finish(self, replies: Sequence[tuple[int, bytes]], *, batch: bool) -> None:
        """Write the answers, each a status and a message, and end."""
        try:
            async with self._lock:
                if self._name:
                    await self._end([body for _, body in replies])
                else:
                    await self._reply(replies, batch)
        finally:
            self._hub.forget_writer(self._session, self._name)
            self._release()

    async def part(self) -> None:
        """End the response of a connection that was let go."""
        if self._let_go and self._response.is_stream:
            await self._response.end()

    async def _reply(self, replies: Sequence[tuple[int, bytes]], batch: bool) -> None:
        headers: ReplyHeaders = [JSON]
        if batch:
            await self._response.reply(200, headers, b"[%b]" % b",".join(b for _, b in replies))
        else:
            status, body = replies[0]
            await self._response.reply(status, headers, body)

    async def _end(self, bodies: Sequence[bytes]) -> None:
        for body in bodies[:-1]:
            await self._append(body)
        await self._append(bodies[-1], is_last=True)
        if not self._let_go:
            await self._response.end()

    # Events

    async def _say(self, body: bytes) -> None:
        async with self._lock:
            if not self._name and not self.connected:
                return  # Nobody knows this stream, so nobody will ask for it.
            await self._begin()
            await self._append(body)

    async def _break_silence(self) -> None:
        async with self._lock:
            if self._name:
                await self._response.comment()
            else:
                await self._begin()
                await self._response.comment()

    async def _begin(self) -> None:
        """Give the stream a name, and the client the id of its beginning."""
        if self._name:
            return
        self._name = new_stream(of_call=True)
        self._hub.add_writer(self._session, self._name, self)
        beginning = json.dumps(list(self._ids)).encode()
        if await self._keep(beginning) and self._revision.priming_event:
            id = event_id(self._name, self._position)
            await self._response.write(sse.encode(b"", id=id, retry=RETRY))

    async def _append(self, body: bytes, *, is_last: bool = False) -> None:
        kept = await self._keep(body, is_last=is_last)
        id = event_id(self._name, self._position) if kept else None
        if self.connected:
            await self._response.write(sse.encode(body, id=id))
        if kept:
            self._hub.grew(self._session, self._name, elsewhere=not self.connected)

    async def _keep(self, body: bytes, *, is_last: bool = False) -> bool:
        """Put an event into the log; False where it is not there.

        What cannot be kept is written all the same while the client is connected. An answer that
        nobody is there to take is tried again for a while.
        """
        if not self._log.keeps or (self._missed and not is_last):
            return False
        event = Event(self._position + 1, body, is_last)
        patience = iter(_PATIENCE if is_last else ())
        while True:
            try:
                await self._log.append(self._session, self._name, [event])
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
                self._position += 1
                return True

    def _lose_client(self) -> None:
        self._release()

    def _release(self) -> None:
        if not self.over.done():
            self.over.set_result(None)
