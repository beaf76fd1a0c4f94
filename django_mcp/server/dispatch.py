"""From a request to the bytes of its answer: find the method, call its handler, word every failure.

This is the one place where an exception becomes an answer. What a handler does is `handlers`; what
the HTTP status is used for, the transports.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from ..protocol import codec, jsonrpc, methods
from ..protocol.envelope import NAMED
from ..protocol.errors import (
    InternalError,
    InvalidParams,
    MethodNotFound,
    MissingRequiredClientCapability,
    ProtocolError,
    ResourceNotFound,
)
from ..protocol.types import CallToolResult, TextContent, WireModel
from ..protocol.values import value
from .asking import InputRequired, merge
from .calls import is_reported, printable, report
from .context import Context
from .errors import ClientCannotAnswer, NotFound, NotPermitted, TimedOut, ToolError
from .exchange import Exchange
from .gates import Gate, Later
from .scopes import InsufficientScope

logger = logging.getLogger("django_mcp")


@value
class Reply:
    """The answer to a request: one JSON-RPC message, and the HTTP status that goes with it.

    `outcome` and `code` are what `calls.CallRecord` has under these names. `retry_after` is in how
    many seconds another attempt is worth it, None for an answer that is one. `headers` are there
    where HTTP has to say more than that the message was answered; its status then counts.
    """

    status: int
    body: bytes
    outcome: str = "ok"
    code: int | None = None
    retry_after: int | None = None
    headers: Sequence[tuple[bytes, bytes]] = ()


#: The JSON of a result object that was written before, and is sent as it is.
Encoded = bytes
Result = WireModel | Encoded
Handler = Callable[[Exchange, Any], Awaitable[Result]]
CallNext = Callable[[Context], Awaitable[Result]]
#: Wraps every request: `async def middleware(ctx, call_next): return await call_next(ctx)`.
Middleware = Callable[[Context, CallNext], Awaitable[Result]]


async def answer(exchange: Exchange) -> Reply:
    """Return the answer to the exchange's request. Raises nothing but a cancellation."""
    started = time.perf_counter()
    try:
        gate = exchange.server.gate
        if gate is not None:
            await _enter(exchange, gate)
        result = await _call(exchange)
        if isinstance(result, Encoded):
            reply = Reply(200, jsonrpc.result_bytes(exchange.request.id, result))
        else:
            reply = _success(exchange, result)
    except asyncio.CancelledError as error:
        if _is_cancelled():
            exchange.given = None
            if is_reported(exchange):
                await report(exchange, "cancelled", None, started)
            raise
        reply = _failure(exchange, error)
    except InputRequired as required:
        reply = _asked(exchange, required)
    except BaseExceptionGroup as group:
        reply = _group(exchange, group)
    except (Exception, SystemExit) as error:
        # A tool that calls sys.exit(), as command lines do, must not end the server.
        reply = _failure(exchange, error)
    # It knows the exchange, and two that know each other are left to the garbage collector.
    exchange.given = None
    if is_reported(exchange):
        await report(exchange, reply.outcome, reply.code, started, len(reply.body))
    return reply


def _is_cancelled() -> bool:
    # A function may also await something that was cancelled; then its caller still waits.
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


async def _enter(exchange: Exchange, gate: Gate) -> None:
    try:
        await gate(exchange)
    except Later:
        # For who reads later whom it kept out: what was wanted is not known otherwise.
        name = exchange.request.params.get(NAMED.get(exchange.request.method, ""))
        exchange.target = name if isinstance(name, str) else ""
        raise


def _call(exchange: Exchange) -> Awaitable[Result]:
    """Return, awaited, what the handler of the request returns.

    Raises MethodNotFound, and InvalidParams for params that the method does not have.
    """
    request, server = exchange.request, exchange.server
    row = methods.find(request.method, exchange.peer.revision, "client")
    handler = None if row is None else server.handlers.get(request.method)
    if row is None or handler is None or row.params is None:
        raise MethodNotFound(request.method)
    params = codec.decode(row.params, request.params, exchange.peer.revision)
    if row.named is not None:
        exchange.target = request.params[row.named]
    if server.waiting or server.lifespan is not None or server.middleware:
        return _surrounded(exchange, params, handler)
    return handler(exchange, params)


async def _surrounded(exchange: Exchange, params: Any, handler: Handler) -> Result:
    """Call the handler with everything around it that a project may ask for."""
    server = exchange.server
    if server.waiting:
        # In a thread: what is built may look into the database, and imports the project's URLs.
        await server.workers.run_sync(server.waiting.settle)
    if server.lifespan is not None:
        exchange.lifespan_state = await server.lifespan.state()
    if not server.middleware:
        return await handler(exchange, params)

    async def innermost(ctx: Context) -> Result:
        return await handler(exchange, params)

    call_next: CallNext = innermost
    for middleware in reversed(server.middleware):
        call_next = _link(middleware, call_next)
    return await call_next(exchange.context)


def _link(middleware: Middleware, call_next: CallNext) -> CallNext:
    async def call(ctx: Context) -> Result:
        return await middleware(ctx, call_next)

    return call


def _success(exchange: Exchange, result: WireModel) -> Reply:
    wire = encode(result, exchange)
    outcome = "tool_error" if wire.get("isError") else "ok"
    return Reply(200, jsonrpc.result_bytes(exchange.request.id, wire), outcome)


def encode(result: WireModel, exchange: Exchange) -> dict[str, Any]:
    """`result` on the wire of the exchange, with what every result says of this server."""
    revision = exchange.peer.revision
    wire = codec.encode(result, revision)
    return exchange.server.stamp(wire, revision, exchange.caller.origin)


def _asked(exchange: Exchange, required: InputRequired) -> Reply:
    body = jsonrpc.result_bytes(exchange.request.id, encode(required.result, exchange))
    return Reply(200, body, "input_required")


def _group(exchange: Exchange, group: BaseExceptionGroup[Any]) -> Reply:
    # Tasks of a task group that each asked something end it together: one result asks for it all.
    asked, rest = group.split(InputRequired)
    if asked is not None and rest is None:
        return _asked(exchange, merge(_leaves(asked), exchange.server.sealer))
    cancelled, others = group.split(asyncio.CancelledError)
    if cancelled is not None and others is None and _is_cancelled():
        raise asyncio.CancelledError
    fatal = group.subgroup(KeyboardInterrupt)
    if fatal is not None:
        raise fatal
    # One failure among tasks that were cancelled because of it, or that asked, is that failure.
    failed = None if others is None else others.split(InputRequired)[1]
    only: BaseException = failed or others or group
    while isinstance(only, BaseExceptionGroup) and len(only.exceptions) == 1:
        only = only.exceptions[0]
    return _failure(exchange, only)


def _leaves(group: BaseExceptionGroup[Any]) -> list[InputRequired]:
    leaves: list[InputRequired] = []
    for error in group.exceptions:
        leaves.extend(_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    return leaves


def _failure(exchange: Exchange, error: BaseException) -> Reply:
    if exchange.request.method == "tools/call":
        if isinstance(error, TimedOut):
            return replace(_in_band(exchange, error.message), outcome="timed_out")
        if isinstance(error, ToolError):
            return _in_band(exchange, error.message)
        if isinstance(error, NotFound):
            return _in_band(exchange, "Not found.")
    known = _known(exchange, error)
    if known is not None:
        return _error(exchange, known)
    logger.error(
        "Unexpected exception while answering %s %s",
        printable(exchange.request.method),
        printable(exchange.target),
        exc_info=error,
        extra={
            "mcp_method": exchange.request.method,
            "mcp_target": exchange.target,
            "mcp_correlation": exchange.correlation,
        },
    )
    if exchange.request.method == "tools/call" and exchange.target:
        text = f"Error executing tool {exchange.target}: internal error."
        return replace(_in_band(exchange, text), outcome="internal_error")
    return replace(_error(exchange, InternalError()), outcome="internal_error")


def _known(exchange: Exchange, error: BaseException) -> ProtocolError | None:
    """The error of the wire that says what `error` says, None for what nobody foresaw."""
    if isinstance(error, ProtocolError):
        return error
    if isinstance(error, ClientCannotAnswer):
        return MissingRequiredClientCapability(error.required, str(error))
    if isinstance(error, ToolError):
        return InternalError(error.message)
    if isinstance(error, NotPermitted):
        return unknown(exchange)
    if isinstance(error, NotFound):
        is_read = exchange.request.method.startswith("resources/")
        return unknown(exchange) if is_read else InvalidParams("Not found.")
    return None


_UNKNOWN: Final[Mapping[str, str]] = {"tools/call": "tool", "prompts/get": "prompt"}


def unknown(exchange: Exchange) -> ProtocolError:
    """The error for a target that does not exist, or that this caller may not know of."""
    if exchange.request.method.startswith("resources/"):
        return ResourceNotFound(exchange.target, exchange.peer.revision)
    kind = _UNKNOWN.get(exchange.request.method, "target")
    return InvalidParams(f"Unknown {kind}: {exchange.target}")


def _error(exchange: Exchange, error: ProtocolError) -> Reply:
    body = jsonrpc.error_bytes(exchange.request.id, error)
    challenge = exchange.caller.challenge
    if isinstance(error, InsufficientScope) and challenge is not None:
        more = challenge(error.required)
        return Reply(error.status, body, "error", error.code, headers=more)
    retry_after = error.retry_after if isinstance(error, Later) else None
    return Reply(error.status, body, "error", error.code, retry_after)


def _in_band(exchange: Exchange, text: str) -> Reply:
    result = CallToolResult(content=[TextContent(text=text)], is_error=True)
    return _success(exchange, result)
