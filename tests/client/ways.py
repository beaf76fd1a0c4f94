"""A client and a server of one test, and the ways between them: in memory, and over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn

from django_mcp import MCPServer
from django_mcp.authentication import anonymous
from django_mcp.client import Client
from django_mcp.client.connecting import forget
from django_mcp.protocol.revisions import REVISIONS
from django_mcp.routing import MCPRouter, mount
from django_mcp.server.broker import InMemoryBroker
from django_mcp.server.events import InMemoryEvents
from django_mcp.server.sessions import InMemorySessions

STATELESS = "2026-07-28"
NEWEST_SESSION = "2025-11-25"
EVERY = [revision.name for revision in REVISIONS]
#: HTTP+SSE, the way of 2024-11-05, is not this one.
OVER_HTTP = [name for name in EVERY if name != "2024-11-05"]

#: Runs a test over each way and in each revision that has it.
everywhere = pytest.mark.parametrize(
    ("way", "revision"),
    [("memory", name) for name in EVERY] + [("http", name) for name in OVER_HTTP],
)
#: The same, once for each era.
both_eras = pytest.mark.parametrize(
    ("way", "revision"),
    [(way, name) for way in ("memory", "http") for name in (NEWEST_SESSION, STATELESS)],
)


def new_server(name: str = "test", **options: Any) -> MCPServer:
    """A server with nothing on it, which remembers in memory."""
    return MCPServer(
        name,
        version="1.0",
        sessions=InMemorySessions(),
        events=InMemoryEvents(),
        broker=InMemoryBroker(),
        **options,
    )


@asynccontextmanager
async def connected(
    way: str, server: MCPServer, revision: str | None = None, **options: Any
) -> AsyncIterator[Client]:
    """A client of the server, in that revision."""
    revisions = None if revision is None else [revision]
    if way == "memory":
        async with Client(server, revisions=revisions, **options) as client:
            yield client
        return
    async with served(server) as url, Client(url, revisions=revisions, **options) as client:
        yield client


@asynccontextmanager
async def served(
    server: MCPServer, authenticate: Callable[..., Any] = anonymous
) -> AsyncIterator[str]:
    """The URL of the server, which listens for as long as the block lasts."""
    async with listening(application_of(server, authenticate)) as origin:
        yield f"{origin}/mcp"


def application_of(server: MCPServer, authenticate: Callable[..., Any] = anonymous) -> Any:
    """The server as an ASGI application, at /mcp."""
    return MCPRouter([mount("mcp", server, authenticate=authenticate)], _nobody)


@asynccontextmanager
async def listening(application: Any, port: int = 0) -> AsyncIterator[str]:
    """Where this process serves an ASGI application: on a free port if none is given."""
    config = uvicorn.Config(
        application, host="127.0.0.1", port=port, log_config=None, lifespan="off", ws="none"
    )
    endpoint = _Uvicorn(config)
    task = asyncio.ensure_future(endpoint.serve())
    try:
        await endpoint.listens.wait()
        port = endpoint.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        forget()
        endpoint.should_exit = endpoint.force_exit = True
        # A server waits for who is still connected (since Python 3.12); one that dies does not, and
        # takes in nobody meanwhile.
        for socket in endpoint.servers:
            socket.close()
        for connection in list(endpoint.server_state.connections):
            connection.transport.abort()
        await task


class _Uvicorn(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = asyncio.Event()

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.listens.set()


async def _nobody(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b"nothing is here"})
