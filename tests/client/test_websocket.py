"""WebSocket as a client meets it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from django_mcp.client import (
    Client,
    ConnectionFailed,
    ConnectionLost,
    UnexpectedStatus,
    WebSocketTransport,
)
from tests.client.fakes import Fake, Reply, Seen, says

Call = Callable[[ServerConnection, Any], Awaitable[None]]


@asynccontextmanager
async def server(call: Call | None = None) -> AsyncIterator[Any]:
    """A server whose tools `call` answers."""
    opened: list[ServerConnection] = []

    async def talk(socket: ServerConnection) -> None:
        opened.append(socket)
        async for text in socket:
            message = json.loads(text)
            if message["method"] == "initialize":
                await answer(
                    socket,
                    message,
                    {
                        "protocolVersion": "2025-06-18",
                        "capabilities": {"tools": {}},
                        "serverInfo": {"name": "fake", "version": "1"},
                    },
                )
            elif message["method"] == "tools/call" and call is not None:
                await call(socket, message)
            elif "id" in message:
                error = {"code": -32601, "message": "There is no such method."}
                await socket.send(
                    json.dumps({"jsonrpc": "2.0", "id": message["id"], "error": error})
                )

    async with serve(talk, "127.0.0.1", 0, subprotocols=["mcp"], max_size=None) as running:  # type: ignore[list-item]
        port = running.sockets[0].getsockname()[1]
        yield f"ws://127.0.0.1:{port}/mcp", opened


async def answer(socket: ServerConnection, message: Any, result: Any) -> None:
    await socket.send(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}))


async def echo(socket: ServerConnection, message: Any) -> None:
    await answer(socket, message, says(message["params"]["arguments"]["text"]))


async def test_a_url_of_a_socket_is_a_server() -> None:
    async with server(echo) as (url, opened):
        async with Client(url, headers={"authorization": "Bearer t"}) as client:
            assert client.revision == "2025-06-18"
            assert (await client.call_tool("echo", {"text": "☺"})).text == "☺"
            text = "x" * 5_000_000
            assert (await client.call_tool("echo", {"text": text})).text == text
        assert opened[0].request.headers["authorization"] == "Bearer t"
        assert opened[0].subprotocol == "mcp"
        assert opened[0].close_code == 1000


async def test_a_socket_that_is_closed_ends_its_calls_and_the_next_one_opens_another() -> None:
    async def call(socket: ServerConnection, message: Any) -> None:
        name = message["params"]["name"]
        if name == "close":
            await socket.close(1001, "going away")
        elif name == "break":
            socket.transport.abort()
        elif name == "echo":
            await echo(socket, message)

    async with server(call) as (url, opened), Client(url) as client:
        for how in ("close", "break"):
            hanging = asyncio.ensure_future(client.call_tool("hang"))
            with pytest.raises(ConnectionLost, match="ended the connection"):
                await client.call_tool(how)
            with pytest.raises(ConnectionLost):
                await hanging
            results = await asyncio.gather(
                *(client.call_tool("echo", {"text": "again"}) for _ in range(10))
            )
            assert {result.text for result in results} == {"again"}
        assert len(opened) == 3


async def test_a_frame_over_the_limit_ends_the_socket() -> None:
    async with (
        server(echo) as (url, _),
        Client(WebSocketTransport(url, largest=100_000)) as client,
    ):
        with pytest.raises(ConnectionLost, match="1009"):
            await client.call_tool("echo", {"text": "x" * 200_000})


async def test_garbage_in_a_frame_is_skipped(caplog: pytest.LogCaptureFixture) -> None:
    async def call(socket: ServerConnection, message: Any) -> None:
        await socket.send("no JSON")
        await socket.send(b"\xff")
        await echo(socket, message)

    async with server(call) as (url, _), Client(url) as client:
        assert (await client.call_tool("echo", {"text": "through"})).text == "through"
    assert caplog.text.count("what is no message") == 2


@pytest.mark.parametrize("status", [401, 404, 503])
async def test_a_socket_that_is_refused_is_told_with_its_status(status: int) -> None:
    async def every(seen: Seen, reply: Reply) -> None:
        await reply.whole(status)

    async with Fake(every=every) as fake:
        with pytest.raises(UnexpectedStatus) as caught:
            async with Client(f"ws://127.0.0.1:{fake.port}/mcp"):
                pass
        assert caught.value.status == status


async def test_a_redirect_is_not_followed() -> None:
    async def every(seen: Seen, reply: Reply) -> None:
        await reply.whole(307, headers=[("location", f"ws://127.0.0.1:{elsewhere.port}/mcp")])

    async with Fake() as elsewhere, Fake(every=every) as fake:
        with pytest.raises(UnexpectedStatus, match="307"):
            async with Client(f"ws://127.0.0.1:{fake.port}/mcp", headers={"x-key": "secret"}):
                pass
        assert elsewhere.connections == 0


async def test_a_port_nobody_listens_on_is_no_server() -> None:
    async with Fake() as fake:
        url = f"ws://127.0.0.1:{fake.port}/mcp"
    with pytest.raises(ConnectionFailed, match="cannot be reached"):
        async with Client(url):
            pass


async def test_what_has_no_handshake_of_a_socket_is_no_server() -> None:
    async def every(seen: Seen, reply: Reply) -> None:
        reply.cut()

    async with Fake(every=every) as fake:
        with pytest.raises(ConnectionFailed):
            async with Client(f"ws://127.0.0.1:{fake.port}/mcp"):
                pass


async def test_closing_ends_the_calls_that_run() -> None:
    called = asyncio.Event()

    async def call(socket: ServerConnection, message: Any) -> None:
        called.set()

    async with server(call) as (url, _):
        async with Client(url) as client:
            running = asyncio.ensure_future(client.call_tool("hang"))
            await called.wait()
        with pytest.raises(ConnectionLost, match="closed"):
            await running


def test_what_is_no_url_of_a_socket_is_refused() -> None:
    with pytest.raises(ValueError, match="ws:// or wss:// URL"):
        WebSocketTransport("http://example.com")
    for url in (
        "ws://",
        "ws://127.0.0.1:0/",
        "ws://127.0.0.1:99999/",
        "ws://127.0.0.1:x/",
        "ws://[",
    ):
        with pytest.raises(ValueError, match="ws:// or wss:// URL"):
            WebSocketTransport(url)
    with pytest.raises(ValueError, match="give a WebSocket headers="):
        Client("ws://example.com", auth=object())  # type: ignore[arg-type]


def test_the_library_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "websockets", None)
    with pytest.raises(ImportError, match=r"django-mcp-channels\[websocket\]"):
        Client("ws://127.0.0.1:1/mcp")
