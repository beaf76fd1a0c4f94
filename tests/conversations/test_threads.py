"""Where functions run: side by side, each with a connection and a transaction of its own."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import SyncToAsync, sync_to_async
from django.contrib.auth.models import Group
from django.db import connection, connections

from django_mcp import Context, MCPServer, ToolError
from django_mcp.backends.threads import DjangoWorkers
from tests.conversations.database import ALIAS, Watched, awatched, awrite, disk, rows, write
from tests.conversations.talk import ASKABLE, consumer_of, failed, said
from tests.doors import Door

__all__ = ["disk"]

PATIENCE = 10  # Seconds after which a barrier that will never be full fails the test.


@pytest.fixture
def server() -> Iterator[MCPServer]:
    """A server whose threads end with the test."""
    server = MCPServer("test", version="1.0")
    yield server
    server.workers.close()


async def at_once(door: Door, tool: str, count: int) -> list[Any]:
    """The results of `count` calls that are made at the same time."""
    return await asyncio.gather(*(door.tool(tool) for _ in range(count)))


# Side by side


@pytest.mark.anyio
async def test_sync_tools_run_side_by_side(streaming: Door, server: MCPServer) -> None:
    everybody = threading.Barrier(8)

    @server.tool
    def meet():  # type: ignore[no-untyped-def]
        everybody.wait(PATIENCE)
        return "met"

    assert await at_once(streaming, "meet", 8) == [said("met")] * 8


@pytest.mark.anyio
async def test_a_sync_tool_that_waits_holds_nobody_up(streaming: Door, server: MCPServer) -> None:
    go_on = threading.Event()

    @server.tool
    def wait():  # type: ignore[no-untyped-def]
        go_on.wait(PATIENCE)
        return "waited"

    @server.tool
    async def release():  # type: ignore[no-untyped-def]
        go_on.set()
        return "released"

    waiting = asyncio.ensure_future(streaming.tool("wait"))

    assert await streaming.tool("release") == said("released")
    assert await waiting == said("waited")


@pytest.mark.anyio
async def test_no_more_run_at_a_time_than_there_are_threads() -> None:
    server = MCPServer("test", version="1.0", workers=DjangoWorkers(2))
    pair, lock = threading.Barrier(2), threading.Lock()
    running, most = 0, 0

    @server.tool
    def meet():  # type: ignore[no-untyped-def]
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        pair.wait(PATIENCE)
        with lock:
            running -= 1
        return "met"

    try:
        assert await at_once(consumer_of(server), "meet", 6) == [said("met")] * 6
    finally:
        server.workers.close()
    assert most == 2


@pytest.mark.anyio
async def test_the_queries_of_async_tools_run_side_by_side(
    streaming: Door, server: MCPServer
) -> None:
    everybody = threading.Barrier(4)

    @server.tool
    async def meet():  # type: ignore[no-untyped-def]
        # What a query of the async ORM is: sync code on the thread that is the call's.
        await sync_to_async(everybody.wait)(PATIENCE)
        return "met"

    assert await at_once(streaming, "meet", 4) == [said("met")] * 4


@pytest.mark.anyio
async def test_the_queries_of_one_call_stay_on_one_thread(
    streaming: Door, server: MCPServer
) -> None:
    @server.tool
    async def look() -> list[int]:
        found = await asyncio.gather(*(sync_to_async(threading.get_ident)() for _ in range(5)))
        return sorted(set(found))

    result = await streaming.tool("look")

    assert len(result["structuredContent"]) == 1
    assert result["structuredContent"] != [threading.get_ident()]


@pytest.mark.anyio
async def test_nothing_is_kept_of_a_call_whose_queries_had_a_thread(
    streaming: Door, server: MCPServer
) -> None:
    kept = SyncToAsync.context_to_thread_executor
    lanes: list[weakref.ref[Any]] = []

    @server.tool
    async def look() -> None:
        lanes.append(weakref.ref(SyncToAsync.thread_sensitive_context.get()))
        await sync_to_async(threading.get_ident)()

    before = len(kept)
    await streaming.tool("look")
    gc.collect()

    assert [lane() for lane in lanes] == [None]
    assert len(kept) == before


@pytest.mark.anyio
async def test_what_a_call_leaves_behind_does_not_get_into_the_transaction_of_another(
    server: MCPServer, disk: Any
) -> None:
    go_on, wrote = asyncio.Event(), asyncio.Event()
    door = consumer_of(server)
    left: list[asyncio.Task[None]] = []

    async def work() -> None:
        await go_on.wait()
        await awrite("left behind")
        wrote.set()

    @server.tool
    async def leave() -> None:
        left.append(asyncio.create_task(work()))

    @server.tool
    async def fail() -> None:
        go_on.set()
        await wrote.wait()
        raise ToolError("No.")

    await door.tool("leave")
    disk["ATOMIC_REQUESTS"] = True

    assert await door.tool("fail") == failed("No.")
    await left[0]
    assert await rows() == ["left behind"]


who: contextvars.ContextVar[str] = contextvars.ContextVar("who", default="nobody")


@pytest.mark.anyio
async def test_context_variables_reach_the_thread() -> None:
    async def middleware(ctx: Context, call_next: Any) -> Any:
        who.set("somebody")
        return await call_next(ctx)

    server = MCPServer("test", version="1.0", middleware=[middleware])
    server.add_tool(lambda: who.get(), "look")
    try:
        assert await consumer_of(server).tool("look") == said("somebody")
    finally:
        server.workers.close()


# Connections


@pytest.mark.anyio
async def test_a_sync_tools_connection_is_closed_after_the_call(
    streaming: Door, server: MCPServer, disk: Any
) -> None:
    seen: list[Watched] = []

    @server.tool
    def look() -> None:
        seen.append(Watched())
        assert seen[-1].is_open

    await streaming.tool("look")
    await streaming.tool("look")

    assert [watched.is_open for watched in seen] == [False, False]


@pytest.mark.anyio
async def test_an_async_tools_connection_is_closed_after_the_call(
    streaming: Door, server: MCPServer, disk: Any
) -> None:
    seen: list[Watched] = []

    @server.tool
    async def look() -> None:
        seen.append(await awatched())
        assert seen[-1].is_open

    await streaming.tool("look")

    assert await seen[0].closed()
    assert not seen[0].is_open


@pytest.mark.anyio
@pytest.mark.parametrize("tool", ["plain", "awaited"])
async def test_a_connection_that_may_be_kept_is_kept(disk: Any, tool: str) -> None:
    disk["CONN_MAX_AGE"] = None
    server = MCPServer("test", version="1.0", workers=DjangoWorkers(1))
    seen: list[Watched] = []

    @server.tool
    def plain(close: bool = False) -> None:
        seen.append(Watched())
        if close:
            connections[ALIAS].close()

    @server.tool
    async def awaited(close: bool = False) -> None:
        seen.append(await awatched())
        if close:
            await sync_to_async(lambda: connections[ALIAS].close())()

    door = consumer_of(server)
    for close in (False, False, True):
        await door.tool(tool, {"close": close})
        await seen[-1].idle()
    server.workers.close()

    assert seen[0].inner is seen[1].inner is seen[2].inner


@pytest.mark.anyio
@pytest.mark.parametrize("sync", [True, False], ids=["sync", "async"])
async def test_a_tool_that_fails_gives_its_connection_back_too(
    streaming: Door, server: MCPServer, disk: Any, sync: bool
) -> None:
    seen: list[Watched] = []

    def plain() -> None:
        seen.append(Watched())
        raise ToolError("No.")

    async def awaited() -> None:
        seen.append(await awatched())
        raise ToolError("No.")

    server.add_tool(plain if sync else awaited, "look")

    assert await streaming.tool("look") == failed("No.")
    assert await seen[0].closed()


# Transactions


@pytest.fixture(params=["sync", "async"])
def writing(request: pytest.FixtureRequest, server: MCPServer) -> None:
    """Tools that write a row and then end in one way or another."""

    async def keep() -> None:
        await awrite("kept")

    async def fail() -> None:
        await awrite("failed")
        raise ToolError("No.")

    async def crash() -> None:
        await awrite("crashed")
        raise ValueError("secret")

    async def ask(ctx: Context) -> None:
        await awrite("asked")
        await ctx.confirm("Sure?")

    def sync_keep() -> None:
        write("kept")

    def sync_fail() -> None:
        write("failed")
        raise ToolError("No.")

    def sync_crash() -> None:
        write("crashed")
        raise ValueError("secret")

    def sync_ask(ctx: Context) -> None:
        write("asked")
        ctx.wait(ctx.confirm("Sure?"))

    chosen: Any = [keep, fail, crash, ask]
    if request.param == "sync":
        chosen = [sync_keep, sync_fail, sync_crash, sync_ask]
    for function in chosen:
        server.add_tool(function, function.__name__.removeprefix("sync_"))


@pytest.mark.anyio
@pytest.mark.usefixtures("writing")
async def test_in_a_project_with_atomic_requests_what_fails_leaves_nothing_behind(
    disk: Any, streaming: Door
) -> None:
    disk["ATOMIC_REQUESTS"] = True

    for tool in ("keep", "fail", "crash", "ask"):
        reply = await streaming.call("tools/call", {"name": tool}, capabilities=ASKABLE)
        assert reply.status == 200

    assert await rows() == ["kept"]


@pytest.mark.anyio
@pytest.mark.usefixtures("writing")
async def test_without_atomic_requests_what_was_written_stays(streaming: Door, disk: Any) -> None:
    for tool in ("keep", "fail", "crash", "ask"):
        await streaming.call("tools/call", {"name": tool}, capabilities=ASKABLE)

    assert await rows() == ["asked", "crashed", "failed", "kept"]


# Inside a test


@pytest.mark.django_db
@pytest.mark.parametrize("sync", [True, False], ids=["sync", "async"])
async def test_inside_a_test_a_tool_is_inside_its_transaction(
    door: Door, server: MCPServer, sync: bool
) -> None:
    def plain() -> list[str]:
        assert connection.in_atomic_block
        Group.objects.create(name="by the tool")
        return sorted(Group.objects.values_list("name", flat=True))

    async def awaited() -> list[str]:
        return await sync_to_async(plain)()

    server.add_tool(plain if sync else awaited, "look")
    await Group.objects.acreate(name="by the test")

    result = await door.tool("look")

    assert result["structuredContent"] == ["by the test", "by the tool"]
    assert await Group.objects.acount() == 2


@pytest.mark.django_db
@pytest.mark.parametrize("sync", [True, False], ids=["sync", "async"])
async def test_inside_a_test_what_fails_is_rolled_back_to_where_the_call_began(
    door: Door, server: MCPServer, sync: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)

    def plain() -> None:
        Group.objects.create(name="by the tool")
        raise ToolError("No.")

    async def awaited() -> None:
        await Group.objects.acreate(name="by the tool")
        raise ToolError("No.")

    server.add_tool(plain if sync else awaited, "fail")
    await Group.objects.acreate(name="by the test")

    assert await door.tool("fail") == failed("No.")
    assert [group.name async for group in Group.objects.all()] == ["by the test"]
