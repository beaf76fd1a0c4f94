"""A POST of 2026-07-28: one message, one exchange, no session.

Owns what follows from the protocol having no state: a disconnect cancels the call, as does a caller
who is let in no longer, the HTTP status is the error's, and the response is the only stream there
is. What the envelope must say is `protocol.envelope`; how the answer leaves, `responses`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from types import coroutine
from typing import Any, Final

from ...protocol import jsonrpc, revisions, sse
from ...protocol.envelope import open_envelope
from ...protocol.errors import (
    HeaderMismatch,
    InvalidRequest,
    ProtocolError,
    UnsupportedProtocolVersion,
)
from ...protocol.headers import MCP_METHOD, MCP_NAME, MCP_PROTOCOL_VERSION
from ...protocol.jsonrpc import Message, Notification, Request, RequestId
from ...server.dispatch import Reply, answer
from ...server.exchange import Caller, Exchange, Nowhere
from ...server.peer import from_envelope
from ...server.server import MCPServer
from ..staying import LAST_WORDS, Stay
from .guard import Refusal
from .responses import LOOK_AFTER, Response, refuse
from .types import Channel, Headers, Refused

_ROUTING: Final = frozenset({MCP_PROTOCOL_VERSION, MCP_METHOD, MCP_NAME})
_NOWHERE: Final = Nowhere()


async def serve(
    server: MCPServer,
    headers: Headers,
    caller: Caller,
    stay_of: Callable[[], Stay],
    message: Message | list[Message | InvalidRequest],
    channel: Channel,
    keep_alive: float,
) -> None:
    """Answer one message that arrived by POST; raises Refused where the caller is let in no longer
    and nothing was answered yet.

    `stay_of` makes the stay of the caller, for a call that takes its time.
    """
    if not isinstance(message, Request):
        await _serve_other(server, headers, message, channel)
        return
    try:
        if headers.repeated:
            _refuse_repeated(headers)
        revision = open_envelope(message, headers, server.revisions)
        peer = from_envelope(revision, message.params["_meta"])
    except ProtocolError as error:
        await refuse(channel, error, message.id)
        return
    response = Response(channel, keep_alive=keep_alive if caller.streams else 0)
    exchange = Exchange(server, message, peer, caller, response if caller.streams else _NOWHERE)
    answering = answer(exchange)
    try:
        # Most calls have nothing to wait for, and need nobody who could look after them: so this
        # takes the first step itself, where `await` would only pass on what there is to wait for.
        awaited = answering.send(None)
    except StopIteration as end:
        reply: Reply = end.value
    except asyncio.CancelledError:
        response.stop()
        raise
    else:
        client = _Client(message.id, response, stay_of)
        await _answer_for(client, _go_on(answering, awaited), response)
        return
    await response.finish(reply)


async def _answer_for(client: _Client, answering: Awaitable[Reply], response: Response) -> None:
    """Answer `client`; one that goes away, or may stay no longer, cancels the call."""
    waiting = asyncio.get_running_loop().call_later(LOOK_AFTER, client.look_after)
    try:
        try:
            reply = await answering
        finally:
            waiting.cancel()
            client.end()
    except asyncio.CancelledError:
        response.stop()
        if not client.is_behind_it():
            raise
        if not response.is_gone and client.refused is not None:
            await client.dismiss(client.refused)
        return
    client.is_behind_it()
    await response.finish(reply)


class _Client:
    """Who waits for the answer to the request `id`, and may stop waiting before it comes: then the
    task is cancelled that this was made in."""

    __slots__ = ("_cancelling", "_id", "_response", "_stay", "_stay_of", "refused")

    def __init__(self, id: RequestId, response: Response, stay_of: Callable[[], Stay]) -> None:
        self._id = id
        self._response = response
        self._stay_of = stay_of
        self._stay: Stay | None = None
        self._cancelling = _Cancelling()
        response.when_gone(self._cancelling.cancel)
        self.refused: Refused | None = None

    def look_after(self) -> None:
        """From now on, have it noticed that the client goes away, or may stay no longer."""
        self._response.look_after()
        self._stay = self._stay_of()
        self._stay.begin(self.turn_out)

    def end(self) -> None:
        """Nothing is left to cancel: what is written now is written to its end."""
        self._cancelling.is_over = True
        stay, self._stay = self._stay, None
        if stay is not None:
            stay.end()

    async def turn_out(self, refused: Refused) -> None:
        """Cancel the call. One that heeds that has a last word: a subscription its result."""
        self.refused = refused
        self._cancelling.cancel()
        heeded, _ = await asyncio.wait([self._cancelling.task], timeout=LAST_WORDS)
        if not heeded:
            await self._response.write(self._last_event(refused))
            await self._response.end()
            self._response.lose_client()

    async def dismiss(self, refused: Refused) -> None:
        """End the response with a refusal; raises it where nothing was written yet."""
        if not self._response.is_stream:
            raise refused
        await self._response.end(self._last_event(refused))

    def _last_event(self, refused: Refused) -> bytes:
        error = Refusal(refused.message, status=refused.status)
        return sse.encode(jsonrpc.error_bytes(self._id, error))

    def is_behind_it(self) -> bool:
        """Take back what was cancelled for this client; False where something else was, too."""
        return self._cancelling.take_back()


class _Cancelling:
    """Cancels the task that is running now. The response knows this and not the client, which
    knows the response: two that know each other are left to the garbage collector."""

    __slots__ = ("_times", "is_over", "task")

    def __init__(self) -> None:
        self.task: Any = asyncio.current_task()
        self.is_over = False
        self._times = 0

    def cancel(self) -> None:
        if not self.is_over:
            self._times += 1
            self.task.cancel()

    def take_back(self) -> bool:
        """Take it back; False where there was nothing to, or something else cancelled as well."""
        left = 0
        for _ in range(self._times):
            left = self.task.uncancel()
        return self._times > 0 and not left


@coroutine
def _go_on(answering: Coroutine[Any, Any, Reply], awaited: Any) -> Generator[Any, Any, Reply]:
    """Return, awaited, what `answering` returns, which waits for `awaited`."""
    try:
        while True:
            try:
                given = yield awaited
            except BaseException as error:
                awaited = answering.throw(error)
            else:
                awaited = answering.send(given)
    except StopIteration as end:
        reply: Reply = end.value
        return reply


async def _serve_other(
    server: MCPServer,
    headers: Headers,
    message: Message | list[Message | InvalidRequest],
    channel: Channel,
) -> None:
    version = headers.get(MCP_PROTOCOL_VERSION, "")
    if revisions.find(version) is None:
        # 2025-11-25, basic/transports#protocol-version-header: never a 202 for what is not read.
        await refuse(channel, UnsupportedProtocolVersion(version, server.revisions))
    elif isinstance(message, Notification):
        # None is defined for HTTP: closing the response is what cancels
        # (2026-07-28, basic/transports/streamable-http#sending-messages).
        await channel.reply(202, [], b"")
    else:
        what = "a batch" if isinstance(message, list) else "a response"
        error = InvalidRequest(f"The body must be one request or notification, not {what}.")
        await refuse(channel, error)


def _refuse_repeated(headers: Headers) -> None:
    repeated = _ROUTING & headers.repeated
    if repeated:
        raise HeaderMismatch(f"{', '.join(sorted(repeated))} was sent more than once.")
