"""A POST of 2026-07-28: one message, one exchange, no session.

Owns what follows from the protocol having no state: a disconnect cancels the call, the HTTP status
is the error's, and the response is the only stream there is. What the envelope must say is
`protocol.envelope`; how the answer leaves, `responses`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from types import coroutine
from typing import Any, Final

from ...protocol import revisions
from ...protocol.envelope import open_envelope
from ...protocol.errors import (
    HeaderMismatch,
    InvalidRequest,
    ProtocolError,
    UnsupportedProtocolVersion,
)
from ...protocol.headers import MCP_METHOD, MCP_NAME, MCP_PROTOCOL_VERSION
from ...protocol.jsonrpc import Message, Notification, Request
from ...server.dispatch import Reply, answer
from ...server.exchange import Caller, Exchange, Nowhere
from ...server.peer import from_envelope
from ...server.server import MCPServer
from .responses import Response, refuse
from .types import Channel, Headers

_ROUTING: Final = frozenset({MCP_PROTOCOL_VERSION, MCP_METHOD, MCP_NAME})
_NOWHERE: Final = Nowhere()


async def serve(
    server: MCPServer,
    headers: Headers,
    caller: Caller,
    message: Message | list[Message | InvalidRequest],
    channel: Channel,
    keep_alive: float,
) -> None:
    """Answer one message that arrived by POST."""
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
    try:
        reply = await _looked_after(answer(exchange), response)
    except asyncio.CancelledError:
        response.stop()
        task: Any = asyncio.current_task()
        if not response.is_gone or task.uncancel():
            raise  # Not, or not only, because the client went away.
        return
    await response.finish(reply)


@coroutine
def _looked_after(
    answering: Coroutine[Any, Any, Reply], response: Response
) -> Generator[Any, Any, Reply]:
    """Return, awaited, what `answering` returns; a client that goes away meanwhile cancels it.

    Most calls have nothing to wait for, and need nobody to look after them: so this begins with the
    first thing that one does wait for, where `await` would only pass that on.
    """
    try:
        awaited = answering.send(None)
        task: Any = asyncio.current_task()
        response.look_after(task.cancel)
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
