"""Over real connections to daphne: who may stay no longer is disconnected, and told why."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from django_mcp import Context, MCPServer, Principal
from django_mcp.testing import LiveServer
from tests.doors import envelope, headers_for

pytestmark = pytest.mark.usefixtures("asked_often")

INTRODUCTION = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "client", "version": "1"},
}


class Gate:
    """Lets everybody in until it is shut."""

    def __init__(self) -> None:
        self.is_open = True

    async def ask(self, request: Any) -> Principal | None:
        return Principal(id="user:1") if self.is_open else None


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def url(mcp_live_server: LiveServer, server: MCPServer, gate: Gate) -> str:
    """Where `server` is served over streamable HTTP."""
    return mcp_live_server.url(server, authenticate=gate.ask)


@asynccontextmanager
async def opened(method: str, url: str, **options: Any) -> AsyncIterator[AsyncIterator[str]]:
    """The lines with data of a stream that is being written, to its proper end."""
    async with httpx.AsyncClient(timeout=10) as http, http.stream(method, url, **options) as reply:
        assert reply.status_code == 200, await reply.aread()
        yield (line[6:] async for line in reply.aiter_lines() if line.startswith("data: "))


def said(url: str, message: Any) -> Any:
    """A request of 2026-07-28, as httpx takes it."""
    headers = {key: value for key, value in headers_for(message) if key != "host"}
    return opened("POST", url, headers=headers, json=message)


async def session_at(url: str) -> dict[str, str]:
    """The headers of a session that was opened."""
    headers = {"accept": "application/json, text/event-stream"}
    message = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": INTRODUCTION}
    async with httpx.AsyncClient() as http:
        reply = await http.post(url, headers=headers, json=message)
    return {**headers, "mcp-session-id": reply.headers["mcp-session-id"]}


async def test_a_subscription_ends(url: str, gate: Gate) -> None:
    listen = envelope("subscriptions/listen", {"notifications": {"toolsListChanged": True}})
    async with said(url, listen) as lines:
        assert "acknowledged" in await anext(lines)
        gate.is_open = False
        [last] = [json.loads(line) async for line in lines]
    assert last["result"]["resultType"] == "complete"


async def test_a_call_ends(url: str, gate: Gate, server: MCPServer) -> None:
    @server.tool
    async def work(ctx: Context) -> None:
        """Work for ever."""
        await ctx.report_progress(1)
        await asyncio.Event().wait()

    call = envelope("tools/call", {"name": "work"}, meta={"progressToken": "t"})
    async with said(url, call) as lines:
        assert "progress" in await anext(lines)
        gate.is_open = False
        [last] = [json.loads(line) async for line in lines]
    assert last["error"]["message"] == "Authentication required"


async def test_the_stream_of_a_session_ends(url: str, gate: Gate) -> None:
    headers = await session_at(url)
    async with opened("GET", url, headers=headers) as lines:
        gate.is_open = False
        assert [line async for line in lines if line.strip()] == []
    async with httpx.AsyncClient() as http:
        assert (await http.get(url, headers=headers)).status_code == 401


async def test_a_connection_over_http_sse_ends(
    mcp_live_server: LiveServer, server: MCPServer, gate: Gate
) -> None:
    url = mcp_live_server.url(server, transport="sse", authenticate=gate.ask)
    async with opened("GET", url) as lines:
        assert "session_id" in await anext(lines)
        gate.is_open = False
        assert [line async for line in lines] == []


async def test_a_socket_is_closed_for_a_reason(
    mcp_live_server: LiveServer, server: MCPServer, gate: Gate
) -> None:
    url = mcp_live_server.url(server, transport="websocket", authenticate=gate.ask)
    async with connect(url.replace("http", "ws", 1), subprotocols=["mcp"]) as socket:  # type: ignore[list-item]
        gate.is_open = False
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
    # daphne lets an application close with codes for private use alone.
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008 + 3000
