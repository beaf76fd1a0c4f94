"""How one answer leaves: plain JSON, or a stream as soon as something comes before it.

Nothing is written until it must be. The answer alone is one JSON response with its own status; the
first notification, or a silence longer than the keep-alive, opens a stream of server-sent events,
and the answer becomes its last event. What becomes of a call whose client has gone is not decided
here: `stateless` cancels it, `call_streams` keeps what it writes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, NamedTuple

from ...protocol import jsonrpc, sse
from ...protocol.errors import ProtocolError
from ...server.dispatch import Reply
from .types import EVENT_STREAM, JSON, Channel, ReplyHeaders

#: Seconds of silence after which a stream gets a comment, so that nobody on the way closes it.
KEEP_ALIVE: Final = 15.0
#: Seconds a call may take before it is looked after: whether its client goes away, whether that may
#: stay, how long it is silent. Most have answered by then, and that costs as much as one of them.
LOOK_AFTER: Final = 0.05
#: Seconds a client has to take what is written before it counts as gone.
WRITE_TIMEOUT: Final = 30.0


class Answer(NamedTuple):
    """One answer as HTTP carries it: the status, one JSON-RPC message, and more headers."""

    status: int
    body: bytes
    headers: Sequence[tuple[bytes, bytes]] = ()


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


def again_after(seconds: int | None) -> ReplyHeaders:
    """The header that says when another attempt is worth it (RFC 9110, section 10.2.3)."""
    return [] if seconds is None else [(b"retry-after", b"%d" % seconds)]


def said_in_headers(reply: Reply) -> ReplyHeaders:
    """What HTTP says beside the message: what is to be asked for, and when."""
    return [*reply.headers, *again_after(reply.retry_after)]


async def _nothing() -> None:
    return None


class Response:
    """The response to one request; the outlet of an exchange that has no session.

    `on_gone`, which `when_gone` may name as well, is called once when the client has gone away.
    `keep_alive` is the silence, in seconds, that the client is to see no more of, after which
    `on_silence` is to write something; 0 allows any. Before anything was written it is
    `first_silence`, where that is given.
    """

    __slots__ = (
        "_channel",
        "_closed",
        "_keep_alive",
        "_on_gone",
        "_on_silence",
        "_patience",
        "_timer",
        "_wrote_at",
        "is_gone",
        "is_stream",
    )

    def __init__(
        self,
        channel: Channel,
        on_gone: Callable[[], object] | None = None,
        keep_alive: float = KEEP_ALIVE,
        on_silence: Callable[[], Awaitable[None]] | None = None,
        first_silence: float | None = None,
    ) -> None:
        self._channel = channel
        self._on_gone = on_gone
        self._keep_alive = keep_alive
        self._on_silence = on_silence
        self._patience = keep_alive if first_silence is None else first_silence
        self._closed = False
        self.is_stream = False
        self.is_gone = False
        self._timer: asyncio.TimerHandle | asyncio.Task[None] | None = None
        self._wrote_at = 0.0

    @property
    def connected(self) -> bool:
        """False once the client has gone away, or the response was written to its end."""
        return self._channel.connected and not (self._closed or self.is_gone)

    def when_gone(self, call: Callable[[], object]) -> None:
        """From now on call this, once it is known that the client has gone away; and it is from
        now on that silence counts."""
        self._on_gone = call
        self._wrote_at = asyncio.get_running_loop().time()
        self._channel.on_disconnect(self.lose_client)

    def look_after(self) -> None:
        """Watch whether the client goes away, and break silences that last too long."""
        self._channel.on_disconnect(self.lose_client)
        self._channel.watch()
        self._watch_silence()

    def lose_client(self) -> None:
        """The client has gone away: write nothing more, and have it known."""
        if not self.is_gone:
            self.is_gone = True
            self._stop_timer()
            if self._on_gone is not None:
                self._on_gone()

    async def send(self, method: str, params: dict[str, Any]) -> None:
        """Write a notification, as an event of the stream."""
        await self.write(sse.encode(jsonrpc.notification_bytes(method, params)))

    async def close(self, retry: float) -> None:
        """A client could not come back for the rest, so this does nothing."""
        return None

    async def comment(self) -> None:
        """Write something that means nothing."""
        await self.write(sse.comment())

    async def write(self, data: bytes) -> None:
        """Write a piece of the stream, which is begun where it was not."""
        if not self.connected:
            return
        self._wrote_at = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(WRITE_TIMEOUT):
                if not self.is_stream:
                    self.is_stream = True
                    await self._channel.start(200, EVENT_STREAM)
                    self._watch_silence()
                await self._channel.write(data)
        except TimeoutError:
            # A client that reads nothing for so long is gone, and must not hold a thread.
            self.lose_client()

    def finish(self, reply: Reply) -> Awaitable[None]:
        """Write, awaited, the answer: as the last event of the stream if there is one."""
        if self.is_stream:
            return self.end(sse.encode(reply.body))
        if reply.retry_after is None and not reply.headers:
            return self.reply(reply.status, _JSON_ONLY, reply.body)
        return self.reply(reply.status, [JSON, *said_in_headers(reply)], reply.body)

    def reply(self, status: int, headers: ReplyHeaders, body: bytes) -> Awaitable[None]:
        """Write, awaited, the whole response at once."""
        self._closed = True
        if self._timer is not None:
            self._stop_timer()
        return _nothing() if self.is_gone else self._channel.reply(status, headers, body)

    async def end(self, data: bytes = b"") -> None:
        """Write the last piece of the stream, and finish the response."""
        self.stop()
        if self.is_gone:
            return
        try:
            async with asyncio.timeout(WRITE_TIMEOUT):
                if data:
                    await self._channel.write(data)
                await self._channel.end()
        except TimeoutError:
            self.lose_client()

    def stop(self) -> None:
        """Write nothing more but the end."""
        self._closed = True
        self._stop_timer()

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        # It may be the timer itself that found the client gone.
        if timer is not None and timer is not asyncio.current_task():
            timer.cancel()

    def _watch_silence(self) -> None:
        if self._timer is None and self._keep_alive > 0 and not self._closed:
            # A task only while there is a silence to break: most calls end long before, and an open
            # stream says nothing most of the time.
            loop = asyncio.get_running_loop()
            self._wrote_at = self._wrote_at or loop.time()
            self._timer = loop.call_at(self._wrote_at + self._patience, self._look_for_silence)

    def _look_for_silence(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        if loop.time() < self._wrote_at + self._patience:
            self._watch_silence()
        elif self.connected:
            self._timer = loop.create_task(self._break_silence())

    async def _break_silence(self) -> None:
        self._wrote_at = asyncio.get_running_loop().time()
        self._patience = self._keep_alive
        await (self._on_silence or self.comment)()
        self._timer = None
        if self.connected:
            self._watch_silence()
