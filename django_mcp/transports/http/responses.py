"""How one answer leaves: plain JSON, or a stream as soon as something comes before it.

Nothing is written until it must be. The answer alone is one JSON response with its own status; the
first notification, or a silence longer than the keep-alive, opens a stream of server-sent events,
and the answer becomes its last event.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from ...protocol import jsonrpc, sse
from ...protocol.errors import ProtocolError
from ...server.dispatch import Reply
from .types import EVENT_STREAM, JSON, Channel, ReplyHeaders

#: Seconds of silence after which a stream gets a comment, so that nobody on the way closes it.
KEEP_ALIVE: Final = 15.0
#: Seconds a client has to take what is written before it counts as gone.
WRITE_TIMEOUT: Final = 30.0

_JSON_ONLY: Final[ReplyHeaders] = [JSON]


async def refuse(
    channel: Channel,
    error: ProtocolError,
    id: str | int | None = None,
    headers: ReplyHeaders | None = None,
) -> None:
    """Answer with `error` as JSON, with the status it names."""
    body = jsonrpc.error_bytes(id, error)
    await channel.reply(error.status, [JSON, *(headers or ())], body)


class Response:
    """The response to one request, which the current task writes; the outlet of its exchange.

    `keep_alive` is the silence, in seconds, that the client is to see no more of; 0 allows any.
    """

    __slots__ = (
        "_channel",
        "_closed",
        "_gone",
        "_keep_alive",
        "_started",
        "_task",
        "_timer",
        "_wrote_at",
    )

    def __init__(self, channel: Channel, keep_alive: float = KEEP_ALIVE) -> None:
        self._channel = channel
        self._keep_alive = keep_alive
        self._started = False
        self._closed = False
        self._gone = False
        self._task = asyncio.current_task()
        self._timer: asyncio.TimerHandle | asyncio.Task[None] | None = None
        self._wrote_at = 0.0

    @property
    def connected(self) -> bool:
        """False once the client has gone away."""
        return self._channel.connected

    def look_after(self) -> None:
        """Cancel the task when the client goes away, and break silences that last too long."""
        self._channel.on_disconnect(self._abandon)
        self._watch_silence()

    def was_abandoned(self) -> bool:
        """True where the task was cancelled because the client went away, and for nothing else.

        The cancellation is then dealt with, and the task may go on to its end.
        """
        self._close()
        return self._gone and self._task is not None and self._task.uncancel() == 0

    async def send(self, method: str, params: dict[str, Any]) -> None:
        """Write a notification, as an event of the stream."""
        await self._write(sse.encode(jsonrpc.notification_bytes(method, params)))

    async def finish(self, reply: Reply) -> None:
        """Write the answer, as the last event of the stream if there is one."""
        self._close()
        if self._gone:
            return
        if self._started:
            await self._channel.write(sse.encode(reply.body))
            await self._channel.end()
        else:
            await self._channel.reply(reply.status, _JSON_ONLY, reply.body)

    def _abandon(self) -> None:
        self._gone = True
        if self._task is not None:
            self._task.cancel()

    def _watch_silence(self) -> None:
        if self._timer is None and self._keep_alive > 0 and not self._closed:
            # A task only once there is a silence: most calls end long before.
            loop = asyncio.get_running_loop()
            self._wrote_at = self._wrote_at or loop.time()
            self._timer = loop.call_later(self._keep_alive, self._break_silence)

    def _break_silence(self) -> None:
        self._timer = asyncio.get_running_loop().create_task(self._comment())

    def _close(self) -> None:
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _write(self, data: bytes) -> None:
        if self._closed or self._gone or not self.connected:
            return
        self._wrote_at = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(WRITE_TIMEOUT):
                if not self._started:
                    self._started = True
                    await self._channel.start(200, EVENT_STREAM)
                    self._watch_silence()
                await self._channel.write(data)
        except TimeoutError:
            # A client that reads nothing for so long is gone, and must not hold a thread.
            self._abandon()

    async def _comment(self) -> None:
        loop = asyncio.get_running_loop()
        while self.connected and not (self._closed or self._gone):
            delay = self._wrote_at + self._keep_alive - loop.time()
            if delay > 0:
                await asyncio.sleep(delay)
            else:
                await self._write(sse.comment())
