"""Conversations whose session is in a database: to the client, nothing is different.

Each is had twice: on a loop of its own, where the database is asked in threads, as in a process
that serves; and where sync code waits for the loop, as in a TestCase.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connections

from django_mcp import Context, MCPServer, models
from tests.backends.conftest import ALIAS, in_database, on_disk, processes, tables
from tests.conversations.talk import Client
from tests.doors import AsgiDoor, Door

PATIENCE = 10  # Seconds after which a conversation that does not go on fails the test.


@pytest.fixture
def server(tmp_path: Path, settings: Any, django_db_blocker: Any) -> Iterator[MCPServer]:
    """A server whose sessions are in a file."""
    kept = tables(on_disk(tmp_path), settings, django_db_blocker)
    with kept, processes(in_database) as build:
        sessions, events = build()
        server = MCPServer("test", version="1.0", sessions=sessions, events=events)
        yield server
        server.workers.close()


def left() -> dict[str, int]:
    """How many rows there are: sessions that are open, and events."""
    try:
        return {
            "sessions": models.Session.objects.using(ALIAS).filter(ended=None).count(),
            "events": models.StreamEvent.objects.using(ALIAS).count(),
        }
    finally:
        connections[ALIAS].close()
        del connections[ALIAS]


async def life(door: Door, server: MCPServer) -> None:
    """A session from its beginning to its end."""

    @server.tool
    async def greet(ctx: Context, who: str):  # type: ignore[no-untyped-def]
        await ctx.report_progress(1)
        return f"Hello, {who}"

    client = await Client(door).begin()
    results = await asyncio.gather(*(client.tool("greet", who=who) for who in "abc"))
    texts = [result["content"][0]["text"] for result in results]
    assert texts == ["Hello, a", "Hello, b", "Hello, c"]
    assert (await client.request("logging/setLevel", {"level": "error"})).result == {}
    assert (await client.end()).status == 200
    assert (await client.request("ping")).status == 404
    assert (await client.end()).status == 404


async def test_a_session_has_a_life(door: Door, server: MCPServer) -> None:
    await asyncio.wait_for(life(door, server), PATIENCE)


@pytest.mark.anyio
async def test_a_session_has_a_life_in_threads(streaming: AsgiDoor, server: MCPServer) -> None:
    await asyncio.wait_for(life(streaming, server), PATIENCE)


async def resumption(door: AsgiDoor, server: MCPServer) -> None:
    """A call whose connection breaks, and a session that ends while its client listens."""
    go_on = asyncio.Event()

    @server.tool
    async def walk(ctx: Context):  # type: ignore[no-untyped-def]
        await ctx.report_progress(1)
        await go_on.wait()
        await ctx.report_progress(2)
        return "there"

    client = await Client(door).begin()
    async with client.calling("walk", token="w") as call:
        beginning = await call.event()
        assert (await call.message())["params"]["progress"] == 1
        await call.disconnect()
    go_on.set()
    rest = await client.get(beginning.id)
    assert [each.get("params", {}).get("progress") for each in rest.messages] == [1, 2, None]
    assert rest.messages[-1]["result"]["content"][0]["text"] == "there"

    async with client.listening() as stream:
        await stream.event()
        await client.end()
        await stream.rest()


async def test_a_broken_stream_is_resumed(streaming: AsgiDoor, server: MCPServer) -> None:
    await asyncio.wait_for(resumption(streaming, server), PATIENCE)

    assert await sync_to_async(left)() == {"sessions": 0, "events": 0}


@pytest.mark.anyio
async def test_a_broken_stream_is_resumed_in_threads(
    streaming: AsgiDoor, server: MCPServer
) -> None:
    await asyncio.wait_for(resumption(streaming, server), PATIENCE)

    assert await sync_to_async(left)() == {"sessions": 0, "events": 0}
