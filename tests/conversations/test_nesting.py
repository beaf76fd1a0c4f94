"""Functions that wait for other functions: a call never waits for a thread that it holds itself."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async

from django_mcp import Context, MCPServer
from django_mcp.authentication import anonymous
from django_mcp.backends.threads import DjangoWorkers
from tests.conversations.talk import consumer_of, failed

pytestmark = pytest.mark.anyio


@pytest.fixture
def narrow() -> MCPServer:
    """A server with two threads of each kind."""
    return MCPServer("test", version="1.0", workers=DjangoWorkers(2))


def text_of(result: Any) -> str:
    text: str = result["content"][0]["text"]
    return text


@pytest.mark.parametrize("tool", ["plain", "awaited"])
@pytest.mark.parametrize("uri", ["x://plain", "x://awaited"])
async def test_as_many_calls_as_there_are_threads_may_read_resources(
    narrow: MCPServer, tool: str, uri: str
) -> None:
    together = threading.Barrier(2)

    @narrow.resource("x://plain")
    def plain_text() -> str:
        return "read"

    @narrow.resource("x://awaited")
    async def awaited_text() -> str:
        return await sync_to_async(lambda: "read")()

    @narrow.tool
    def plain(ctx: Context) -> str:
        together.wait(10)
        return str(ctx.wait(ctx.read_resource(uri))[0].text)

    @narrow.tool
    async def awaited(ctx: Context) -> str:
        await sync_to_async(together.wait)(10)
        return str((await ctx.read_resource(uri))[0].text)

    door = consumer_of(narrow)
    results = await asyncio.gather(door.tool(tool), door.tool(tool))
    narrow.workers.close()

    assert [text_of(result) for result in results] == ["read", "read"]


@pytest.mark.parametrize("kind", ["consumer", "view", "wsgi"])
def test_where_sync_code_waits_for_the_loop_a_function_may_wait_as_well(
    guarded: Any, server: MCPServer, kind: str
) -> None:
    threads: list[threading.Thread] = []

    @server.resource("x://plain")
    def plain_text() -> str:
        threads.append(threading.current_thread())
        return "read"

    @server.tool
    def plain(ctx: Context) -> str:
        return str(ctx.wait(ctx.read_resource("x://plain"))[0].text)

    door = guarded(anonymous, kind)
    result = async_to_sync(door.tool)("plain")

    assert text_of(result) == "read"
    assert threads == [threading.current_thread()]


async def test_functions_that_wait_for_one_another_without_end_are_stopped(
    narrow: MCPServer,
) -> None:
    @narrow.resource("x://self")
    def itself(ctx: Context) -> str:
        return str(ctx.wait(ctx.read_resource("x://self"))[0].text)

    @narrow.tool
    def start(ctx: Context) -> str:
        return str(ctx.wait(ctx.read_resource("x://self"))[0].text)

    result = await consumer_of(narrow).tool("start")
    narrow.workers.close()

    assert result == failed("Error executing tool start: internal error.")


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), StopIteration()])
async def test_a_function_that_would_end_the_process_ends_its_call(
    narrow: MCPServer, error: BaseException
) -> None:
    @narrow.tool
    def leave() -> None:
        raise error

    result = await consumer_of(narrow).tool("leave")
    narrow.workers.close()

    assert result == failed("Error executing tool leave: internal error.")


async def test_an_async_function_that_exits_ends_its_call(narrow: MCPServer) -> None:
    @narrow.tool
    async def leave() -> None:
        raise SystemExit(3)

    result = await consumer_of(narrow).tool("leave")

    assert result == failed("Error executing tool leave: internal error.")
