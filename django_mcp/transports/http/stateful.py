"""POST, GET and DELETE of the revisions with sessions, 2025-03-26 to 2025-11-25.

Owns what HTTP says about a session: which header names it, which status a message gets, and that a
call outlives its connection. What is done about the messages is `server.conversations`; how a call
writes, `call_streams`; what GET opens, `listening`.

Source: 2025-11-25, basic/transports#streamable-http; batches, 2025-03-26, basic/index#batching.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Coroutine, Sequence
from typing import Any, Final, TypeAlias

from ...protocol import jsonrpc
from ...protocol.errors import InvalidRequest, ProtocolError
from ...protocol.handshake import INITIALIZE
from ...protocol.headers import LAST_EVENT_ID, MCP_PROTOCOL_VERSION, MCP_SESSION_ID
from ...protocol.jsonrpc import Message, Notification, Request, RequestId
from ...protocol.revisions import V2025_03_26
from ...server.conversations import (
    Conversation,
    answer_unremembered,
    find,
    initialize,
)
from ...server.dispatch import Reply
from ...server.exchange import Caller
from ...server.server import MCPServer
from ...server.sessions import Session
from ..staying import LAST_WORDS, Stay
from . import listening
from .call_streams import CallStream
from .guard import Refusal, accepts
from .responses import LOOK_AFTER, Answer, refuse, said_in_headers
from .types import JSON, Channel, Headers, Refused, ReplyHeaders

logger = logging.getLogger("django_mcp")

Body: TypeAlias = Message | list[Message | InvalidRequest]

#: What ends a call that was cancelled: HTTP needs some answer, and a client that has cancelled it
#: ignores this one (2025-11-25, basic/utilities/cancellation#behavior-requirements).
_CANCELLED: Final = ProtocolError("The request was cancelled", code=-32800)


async def post(
    server: MCPServer,
    headers: Headers,
    stay: Stay,
    message: Body,
    channel: Channel,
    keep_alive: float,
) -> None:
    """Serve what a client says."""
    caller = stay.caller
    if isinstance(message, Request) and message.method == INITIALIZE:
        await _initialize(server, headers, caller, message, channel)
    elif not server.sessions.keeps:
        await _post_unremembered(server, headers, caller, message, channel)
    else:
        conversation = await _conversation(server, headers, caller)
        await _post(conversation, message, stay, channel, keep_alive)


async def get(
    server: MCPServer, headers: Headers, stay: Stay, channel: Channel, keep_alive: float
) -> None:
    """Open a stream of what concerns no call, or resume one that broke."""
    if not accepts(headers.get("accept", ""), "text/event-stream"):
        raise Refusal("Accept must name text/event-stream.", status=406)
    conversation = await _conversation(server, headers, stay.caller)
    last = headers.get(LAST_EVENT_ID)
    if last is None:
        await listening.listen(server, conversation.session, stay, channel, keep_alive)
    else:
        await listening.resume(server, conversation.session, stay, last, channel, keep_alive)


async def delete(server: MCPServer, headers: Headers, caller: Caller, channel: Channel) -> None:
    """End a session."""
    conversation = await _conversation(server, headers, caller)
    await conversation.end()
    await channel.reply(200, [], b"")


# ------------------------------------------------------------------------------------ the session


async def _conversation(server: MCPServer, headers: Headers, caller: Caller) -> Conversation:
    """The conversation a request belongs to; raises for what names none, or another one."""
    if MCP_SESSION_ID in headers.repeated or MCP_PROTOCOL_VERSION in headers.repeated:
        raise Refusal("Mcp-Session-Id or MCP-Protocol-Version was sent more than once.", status=400)
    id = headers.get(MCP_SESSION_ID)
    if id is None:
        raise Refusal(
            "Mcp-Session-Id is missing: send the one that came with the answer to initialize, or "
            "initialize first.",
            status=400,
        )
    session = await find(server, id, caller)
    _check_version(headers, session)
    return Conversation(server, session, caller)


def _check_version(headers: Headers, session: Session) -> None:
    version = headers.get(MCP_PROTOCOL_VERSION)
    if version is not None and version != session.revision.name:
        raise Refusal(
            f"MCP-Protocol-Version says {version[:40]!r}; this session speaks {session.revision}, "
            "as initialize settled.",
            status=400,
        )


async def _initialize(
    server: MCPServer, headers: Headers, caller: Caller, request: Request, channel: Channel
) -> None:
    if MCP_SESSION_ID in headers and server.sessions.keeps:
        # Raises SessionNotFound for a session that is over, which has the client begin anew.
        conversation = await _conversation(server, headers, caller)
        try:
            conversation.session.handshake.request("client", INITIALIZE)
        except InvalidRequest as error:
            await refuse(channel, error, request.id)
        return
    try:
        reply, id = await initialize(server, request, caller)
    except ProtocolError as error:
        await refuse(channel, error, request.id)
        return
    answer = _answer_outside(reply)
    own: ReplyHeaders = [] if id is None else [(MCP_SESSION_ID.encode(), id.encode())]
    await channel.reply(answer.status, [JSON, *answer.headers, *own], answer.body)


# --------------------------------------------------------------------------------------- messages


async def _post(
    conversation: Conversation, message: Body, stay: Stay, channel: Channel, keep_alive: float
) -> None:
    if isinstance(message, Request):
        await _answer(conversation, [message], stay, channel, keep_alive, batch=False)
    elif isinstance(message, list):
        await _post_batch(conversation, message, stay, channel, keep_alive)
    else:
        await _take(conversation, message)
        await channel.reply(202, [], b"")


async def _take(conversation: Conversation, message: Any) -> None:
    if not await conversation.take(message):
        raise Refusal(
            "No request of this server waits for that answer. It was answered, withdrawn or timed "
            "out; or it waits in another process, which only a channel layer that all processes "
            "share can reach.",
            status=400,
        )


async def _post_batch(
    conversation: Conversation,
    messages: list[Message | InvalidRequest],
    stay: Stay,
    channel: Channel,
    keep_alive: float,
) -> None:
    if not conversation.session.revision.batches:
        raise InvalidRequest(
            f"{conversation.session.revision} has no batches: send each message by itself."
        )
    requests: list[Request | InvalidRequest] = []
    for message in messages:
        if isinstance(message, Request | InvalidRequest):
            requests.append(message)
        else:
            await conversation.take(message)
    if requests:
        await _answer(conversation, requests, stay, channel, keep_alive, batch=True)
    else:
        await channel.reply(202, [], b"")


async def _answer(
    conversation: Conversation,
    requests: Sequence[Request | InvalidRequest],
    stay: Stay,
    channel: Channel,
    keep_alive: float,
    *,
    batch: bool,
) -> None:
    """Answer requests, in tasks that go on when the connection breaks."""
    server, session = conversation.server, conversation.session
    if not conversation.caller.streams:
        alone = [await _reply(conversation, request, None) for request in requests]
        await _write_whole(channel, _all(requests, alone), batch)
        return
    ids = [request.id for request in requests if request.id is not None]
    stream = CallStream(
        server.hub, server.events, session.key, session.revision, ids, channel, keep_alive
    )
    loop = asyncio.get_running_loop()
    call = _started(_run(conversation, requests, stream, batch))
    server.hub.keep(call)

    async def turn_out(refused: Refused) -> None:
        stream.refusal = Refusal(refused.message, status=refused.status)
        for id in ids:
            if server.hub.is_answering(session.key, id):
                await server.hub.cancel(session, id)
        heeded, _ = await asyncio.wait([call], timeout=LAST_WORDS)
        if not heeded:
            await stream.withdraw(_ending(stream, ids[0]))

    def look_after() -> None:
        if not call.done():
            stream.look_after()
            stay.begin(turn_out)

    waiting = loop.call_later(LOOK_AFTER, look_after)
    try:
        await stream.over
    except asyncio.CancelledError:
        stream.lose_client()
        raise
    finally:
        waiting.cancel()
        # Of a call whose client has gone, only who is let in hears any more.
        stay.end()
    await stream.part()


def _started(call: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """A task for `call`, which has come as far as it can at once, where Python can do that."""
    if sys.version_info >= (3, 12):
        return asyncio.Task(call, loop=asyncio.get_running_loop(), eager_start=True)
    return asyncio.get_running_loop().create_task(call)


async def _run(
    conversation: Conversation,
    requests: Sequence[Request | InvalidRequest],
    stream: CallStream,
    batch: bool,
) -> None:
    try:
        if len(requests) == 1:
            reply = await _reply(conversation, requests[0], stream)
            if reply is None:
                await stream.withdraw(_ending(stream, requests[0].id))
                return
            replies = [reply]
        else:
            # Each in a task of its own: that is what a cancellation of one of them cancels.
            tasks = [asyncio.ensure_future(_reply(conversation, r, stream)) for r in requests]
            replies = _all(requests, await asyncio.gather(*tasks), stream)
        await stream.finish(replies, batch=batch)
    except Exception:
        logger.exception("Unexpected exception in a call of %r", conversation.server.name)
        await stream.break_off()
    finally:
        # Whatever happened, who waits for the answer waits no longer.
        stream.leave()


async def _reply(
    conversation: Conversation, request: Request | InvalidRequest, stream: CallStream | None
) -> Answer | None:
    """The answer; None for a call that was cancelled."""
    if isinstance(request, InvalidRequest):
        return Answer(request.status, jsonrpc.error_bytes(request.id, request))
    if request.method == INITIALIZE:
        error = InvalidRequest("initialize must not be part of a batch.")
        return Answer(error.status, jsonrpc.error_bytes(request.id, error))
    if stream is None:
        reply: Reply | None = await conversation.answer_alone(request)
    else:
        reply = await conversation.answer(request, stream)
    return None if reply is None else _answer_of(reply)


def _answer_of(reply: Reply) -> Answer:
    # Of an answer to a message, HTTP says only that it arrived: clients of these revisions take
    # any other status for a failure of the connection. What was refused was not read.
    more = said_in_headers(reply)
    counts = reply.outcome == "refused" or bool(more)
    return Answer(reply.status if counts else 200, reply.body, more)


def _answer_outside(reply: Reply) -> Answer:
    """The answer to what opens a session or belongs to none: even what is refused was read."""
    more = said_in_headers(reply)
    return Answer(reply.status if more else 200, reply.body, more)


def _ending(stream: CallStream | None, id: RequestId | None) -> bytes:
    """What ends a call that was cancelled."""
    refusal = None if stream is None else stream.refusal
    return jsonrpc.error_bytes(id, refusal or _CANCELLED)


def _all(
    requests: Sequence[Request | InvalidRequest],
    replies: Sequence[Answer | None],
    stream: CallStream | None = None,
) -> list[Answer]:
    """The replies, with an error for each call that was cancelled."""
    pairs = zip(requests, replies, strict=True)
    return [reply or Answer(200, _ending(stream, request.id)) for request, reply in pairs]


async def _write_whole(channel: Channel, replies: Sequence[Answer], batch: bool) -> None:
    if batch:
        await channel.reply(200, [JSON], b"[%b]" % b",".join(reply.body for reply in replies))
    else:
        only = replies[0]
        await channel.reply(only.status, [JSON, *only.headers], only.body)


# ------------------------------------------------------------------------------- without a session


async def _post_unremembered(
    server: MCPServer, headers: Headers, caller: Caller, message: Body, channel: Channel
) -> None:
    version = headers.get(MCP_PROTOCOL_VERSION)
    if isinstance(message, list):
        await _batch_unremembered(server, caller, version, message, channel)
    elif isinstance(message, Request):
        reply = await answer_unremembered(server, message, caller, version)
        answer = _answer_outside(reply)
        await channel.reply(answer.status, [JSON, *answer.headers], answer.body)
    elif isinstance(message, Notification):
        await channel.reply(202, [], b"")
    else:
        raise Refusal("This server asks nothing, so there is nothing to answer.", status=400)


async def _batch_unremembered(
    server: MCPServer,
    caller: Caller,
    version: str | None,
    messages: list[Message | InvalidRequest],
    channel: Channel,
) -> None:
    if version not in (None, V2025_03_26.name):
        raise InvalidRequest(f"{version} has no batches: send each message by itself.")
    bodies = []
    for message in messages:
        if isinstance(message, InvalidRequest):
            bodies.append(jsonrpc.error_bytes(message.id, message))
        elif isinstance(message, Request):
            reply = await answer_unremembered(server, message, caller, version)
            bodies.append(reply.body)
    if bodies:
        await channel.reply(200, [JSON], b"[%b]" % b",".join(bodies))
    else:
        await channel.reply(202, [], b"")
