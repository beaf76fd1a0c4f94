"""A POST of 2026-07-28: one message, one exchange, no session.

Owns what follows from the protocol having no state: a disconnect cancels the call, the HTTP status
is the error's, and the response is the only stream there is. What the envelope must say is
`protocol.envelope`; how the answer leaves, `responses`.
"""

from __future__ import annotations

import asyncio

from ...protocol.envelope import open_envelope
from ...protocol.errors import HeaderMismatch, InvalidRequest, ProtocolError
from ...protocol.headers import MCP_METHOD, MCP_NAME, MCP_PROTOCOL_VERSION
from ...protocol.jsonrpc import Message, Notification, Request
from ...server.exchange import Caller, Exchange, Nowhere
from ...server.peer import from_envelope
from ...server.server import MCPServer
from .responses import Response, refuse
from .types import Channel, HttpRequest

_ROUTING = frozenset({MCP_PROTOCOL_VERSION, MCP_METHOD, MCP_NAME})


async def serve(
    server: MCPServer,
    request: HttpRequest,
    caller: Caller,
    message: Message | list[Message | InvalidRequest],
    channel: Channel,
    keep_alive: float,
) -> None:
    """Answer one message that arrived by POST."""
    if isinstance(message, Notification):
        # None is defined for HTTP: closing the response is what cancels
        # (2026-07-28, basic/transports/streamable-http#sending-messages).
        await channel.reply(202, [], b"")
        return
    if not isinstance(message, Request):
        what = "a batch" if isinstance(message, list) else "a response"
        error = InvalidRequest(f"The body must be one request or notification, not {what}.")
        await refuse(channel, error)
        return
    try:
        exchange, response = _open(server, request, caller, message, channel, keep_alive)
    except ProtocolError as error:
        await refuse(channel, error, message.id)
        return
    await _answer(exchange, response, channel)


def _open(
    server: MCPServer,
    request: HttpRequest,
    caller: Caller,
    message: Request,
    channel: Channel,
    keep_alive: float,
) -> tuple[Exchange, Response]:
    repeated = _ROUTING & request.headers.repeated
    if repeated:
        raise HeaderMismatch(f"{', '.join(sorted(repeated))} was sent more than once.")
    envelope = open_envelope(message, request.headers, server.revisions)
    response = Response(channel, keep_alive)
    outlet = response if request.streams else Nowhere()
    return Exchange(server, message, from_envelope(envelope), caller, outlet), response


async def _answer(exchange: Exchange, response: Response, channel: Channel) -> None:
    task = asyncio.current_task()
    gone = False

    def cancel() -> None:
        nonlocal gone
        gone = True
        if task is not None:
            task.cancel()

    def wait() -> None:
        channel.on_disconnect(cancel)
        if exchange.caller.streams:
            response.watch_silence()

    # Most calls are answered before the loop turns again, and need neither a watch nor a timer.
    waiting = asyncio.get_running_loop().call_soon(wait)
    try:
        reply = await exchange.server.answer(exchange)
    except asyncio.CancelledError:
        response.abandon()
        if not gone or (task is not None and task.uncancel() > 0):
            raise
        return
    finally:
        waiting.cancel()
    await response.finish(reply)
