"""Clients that hang up, or stop reading, just where an adapter changes hands: nothing runs on."""

from __future__ import annotations

import asyncio
import gc
import io
import json
from typing import Any

import pytest
from django.core.handlers.asgi import ASGIRequest
from django.utils.decorators import async_only_middleware

from django_mcp import Context, MCPServer, Principal
from django_mcp.authentication import anonymous
from django_mcp.transports.http import responses
from django_mcp.urls import mcp_view
from tests.conversations.talk import Departing
from tests.doors import AsgiDoor, Request, envelope, headers_for

PATIENCE = 10  # Seconds after which what never happens fails the test.

CALL = envelope("tools/call", {"name": "wait"}, meta={"progressToken": "t"})
LISTEN = envelope("subscriptions/listen", {"notifications": {"toolsListChanged": True}})


class Waiting:
    """A tool that reports progress and then waits for ever; `over` is set when it has ended."""

    def __init__(self, server: MCPServer) -> None:
        self.over = asyncio.Event()
        server.add_tool(self.wait)

    async def wait(self, ctx: Context) -> None:
        """Wait."""
        try:
            await ctx.report_progress(1)
            await asyncio.Event().wait()
        finally:
            self.over.set()

    async def ends(self) -> None:
        await asyncio.wait_for(self.over.wait(), PATIENCE)


class Deaf(Departing):
    """A client that takes nothing for as long as `gate` is shut."""

    def __init__(self, door: AsgiDoor, message: Any) -> None:
        self.gate = asyncio.Event()
        self.written_to = asyncio.Event()
        super().__init__(door, message)

    async def _send(self, message: dict[str, Any]) -> None:
        self.written_to.set()
        await self.gate.wait()
        await super()._send(message)


async def test_a_client_that_leaves_while_the_head_is_written_cancels_the_call(
    streaming: AsgiDoor, server: MCPServer
) -> None:
    tool = Waiting(server)

    client = Deaf(streaming, CALL)
    await client.written_to.wait()
    await client.leave()

    await tool.ends()
    assert client.sent == []


async def test_a_client_that_leaves_while_the_head_is_written_is_not_listened_for(
    streaming: AsgiDoor, server: MCPServer
) -> None:
    client = Deaf(streaming, LISTEN)
    await client.written_to.wait()
    await client.leave()
    if server.listening:
        await asyncio.wait(server.listening, timeout=PATIENCE)

    assert (len(server.subscriptions), len(server.listening)) == (0, 0)


#: Set by `dawdling` when it has a response.
reached: list[asyncio.Event] = []


@async_only_middleware
def dawdling(get_response: Any) -> Any:
    """Middleware that gets a response and does not hand it on."""

    async def middleware(request: Any) -> Any:
        response = await get_response(request)
        reached[-1].set()
        await asyncio.Event().wait()
        return response

    return middleware


@async_only_middleware
def failing(get_response: Any) -> Any:
    """Middleware that gets a response and loses it."""

    async def middleware(request: Any) -> Any:
        await get_response(request)
        raise ValueError("lost")

    return middleware


async def test_a_client_that_leaves_before_django_has_the_stream_cancels_the_call(
    guarded: Any, settings: Any, server: MCPServer
) -> None:
    reached.append(asyncio.Event())
    settings.MIDDLEWARE = [f"{__name__}.dawdling"]
    tool = Waiting(server)

    client = Departing(guarded(anonymous, "view"), CALL)
    await reached[-1].wait()
    await client.leave()
    gc.collect()  # Since Django 6 the response hangs in a cycle with its cancellation.

    await tool.ends()
    assert client.sent == []


async def test_a_stream_that_middleware_loses_cancels_the_call(
    guarded: Any, settings: Any, server: MCPServer
) -> None:
    settings.MIDDLEWARE = [f"{__name__}.failing"]
    tool = Waiting(server)

    client = Departing(guarded(anonymous, "view"), CALL)
    await tool.ends()
    await asyncio.wait([client.task], timeout=PATIENCE)

    assert client.sent[0]["status"] == 500


async def test_a_view_that_is_cancelled_as_its_call_begins_cancels_it(server: MCPServer) -> None:
    tool = Waiting(server)
    body = json.dumps(CALL).encode()
    scope = AsgiDoor.scope(Request(headers=headers_for(CALL), body=body))
    request = ASGIRequest({**scope, "path": "/mcp"}, io.BytesIO(body))

    async def authenticate(request: Any) -> Principal:
        view.cancel()  # Which it notices when the call has begun and nobody looks after it yet.
        return Principal(id="name:ada")

    view = asyncio.ensure_future(mcp_view(server, authenticate=authenticate)(request))
    await asyncio.wait([view], timeout=PATIENCE)

    assert view.cancelled()
    await tool.ends()


async def test_a_stream_that_breaks_off_ends_for_who_reads_it_after_all(
    streaming: AsgiDoor, server: MCPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(responses, "WRITE_TIMEOUT", 0)
    over = asyncio.Event()

    @server.tool
    async def wait(ctx: Context) -> None:
        try:
            for step in range(1000):
                await ctx.report_progress(step)
        finally:
            over.set()

    client = Deaf(streaming, CALL)
    await asyncio.wait_for(over.wait(), PATIENCE)
    client.gate.set()
    done, _ = await asyncio.wait([client.task], timeout=PATIENCE)

    assert done
    assert b"result" not in b"".join(part.get("body", b"") for part in client.sent)
