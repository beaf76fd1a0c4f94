"""A client that goes away: its call is cancelled at once, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from django_mcp import Context, MCPServer
from django_mcp.authentication import anonymous
from django_mcp.backends.threads import DjangoWorkers
from django_mcp.transports.http import stateless
from tests.conversations.database import Watched, awatched, awrite, disk, rows
from tests.conversations.talk import Departing, consumer_of, said
from tests.doors import META, AsgiDoor, Door, Request, envelope, headers_for

__all__ = ["disk"]

PATIENCE = 10  # Seconds after which what never happens fails the test.


@pytest.fixture
def server() -> Iterator[MCPServer]:
    """A server whose threads end with the test."""
    server = MCPServer("test", version="1.0")
    yield server
    server.workers.close()


def call(tool: str, **meta: Any) -> Any:
    return envelope("tools/call", {"name": tool}, meta=meta)


class Steps:
    """How far an async function came."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.seen: list[str] = []

    async def wait(self) -> None:
        """Begin, wait for ever, and note what happens then."""
        self.started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.seen.append("cancelled")
            raise
        finally:
            self.seen.append("put away")


async def test_a_client_that_leaves_before_the_answer_cancels_the_call(
    streaming: AsgiDoor, server: MCPServer
) -> None:
    steps = Steps()

    @server.tool
    async def wait() -> None:
        await steps.wait()

    client = Departing(streaming, call("wait"))
    await steps.started.wait()
    await client.leave()

    assert steps.seen == ["cancelled", "put away"]
    assert client.sent == []


async def test_a_page_of_another_origin_that_is_left_cancels_its_call(
    settings: Any, server: MCPServer
) -> None:
    settings.DJANGO_MCP = {"ALLOWED_ORIGINS": ["https://app.example.com"]}
    steps = Steps()

    @server.tool
    async def wait() -> None:
        await steps.wait()

    client = Departing(consumer_of(server), call("wait"), origin="https://app.example.com")
    await steps.started.wait()
    await client.leave()

    assert steps.seen == ["cancelled", "put away"]


async def test_a_client_that_leaves_while_the_last_event_is_written_cancels_nothing(
    server: MCPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stateless, "LOOK_AFTER", 0)
    watched, gone = asyncio.Event(), asyncio.Event()

    @server.tool
    async def talk(ctx: Context) -> int:
        await ctx.report_progress(1)
        await watched.wait()
        return 1

    message = call("talk", progressToken="t")
    request = Request(headers=headers_for(message), body=json.dumps(message).encode())
    door = consumer_of(server)
    incoming = [{"type": "http.request", "body": request.body}]

    async def receive() -> Any:
        if incoming:
            return incoming.pop()
        watched.set()
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if b'"result"' in message.get("body", b""):
            gone.set()
            for _ in range(10):  # Who watches has heard of it by then.
                await asyncio.sleep(0)

    await door.application(door.scope(request), receive, send)
    assert gone.is_set()


async def test_a_client_that_leaves_in_the_middle_of_a_stream_cancels_the_call(
    streaming: Any, server: MCPServer
) -> None:
    steps = Steps()

    @server.tool
    async def wait(ctx: Context) -> None:
        await ctx.report_progress(1)
        await steps.wait()

    async with streaming.opened(call("wait", progressToken="t")) as stream:
        assert (await stream.message())["params"] == {"progressToken": "t", "progress": 1}
        await steps.started.wait()
        await stream.disconnect()

    assert steps.seen == ["cancelled", "put away"]
    assert b"result" not in stream.raw


@pytest.mark.parametrize(
    ("method", "params"),
    [("prompts/get", {"name": "wait"}), ("resources/read", {"uri": "x://wait"})],
)
async def test_prompts_and_resources_are_cancelled_too(
    streaming: AsgiDoor, server: MCPServer, method: str, params: Any
) -> None:
    steps = Steps()

    async def wait() -> str:
        await steps.wait()
        raise AssertionError("unreachable")

    server.add_prompt(wait)
    server.resource("x://wait")(wait)

    client = Departing(streaming, envelope(method, params))
    await steps.started.wait()
    await client.leave()

    assert steps.seen == ["cancelled", "put away"]
    assert client.sent == []


@pytest.mark.parametrize("kind", ["consumer", "view"])
async def test_a_call_that_lingers_when_its_client_has_gone_holds_nobody_up(
    server: MCPServer, guarded: Any, settings: Any, kind: str
) -> None:
    settings.DJANGO_MCP = {"KEEP_ALIVE": 0.001}
    door = guarded(anonymous, kind)
    lingering, go_on = asyncio.Event(), asyncio.Event()

    @server.tool
    async def linger() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            lingering.set()
            await go_on.wait()

    @server.tool
    async def quick():  # type: ignore[no-untyped-def]
        return await asyncio.to_thread(lambda: "quick")

    async with door.opened(call("linger")) as stream:
        await stream.until(b":")
        leaving = asyncio.ensure_future(stream.disconnect())
        await lingering.wait()
        # Long enough for a keep-alive to fall due, again and again.
        for _ in range(20):
            assert await door.tool("quick") == said("quick")
        go_on.set()
        await leaving


async def test_a_call_that_does_not_mind_being_cancelled_is_answered_to_nobody(
    streaming: AsgiDoor, server: MCPServer
) -> None:
    steps = Steps()

    @server.tool
    async def stubborn():  # type: ignore[no-untyped-def]
        try:
            await steps.wait()
        except asyncio.CancelledError:
            return "anyway"

    client = Departing(streaming, call("stubborn"))
    await steps.started.wait()
    await client.leave()

    assert steps.seen == ["cancelled", "put away"]
    assert client.sent == []


async def test_what_a_call_says_while_it_is_cancelled_goes_nowhere(
    streaming: AsgiDoor, server: MCPServer
) -> None:
    steps = Steps()

    @server.tool
    async def wait(ctx: Context) -> None:
        try:
            await steps.wait()
        finally:
            await ctx.report_progress(1)
            await ctx.info("I was cancelled.")
            steps.seen.append("said so")

    client = Departing(streaming, call("wait", progressToken="t", **{META + "logLevel": "debug"}))
    await steps.started.wait()
    await client.leave()

    assert steps.seen == ["cancelled", "put away", "said so"]
    assert client.sent == []


async def test_one_client_that_leaves_is_none_of_anothers_business(
    streaming: AsgiDoor, server: MCPServer
) -> None:
    go_on, both = asyncio.Event(), asyncio.Barrier(3)

    @server.tool
    async def wait():  # type: ignore[no-untyped-def]
        await both.wait()
        await go_on.wait()
        return "waited"

    leaving = Departing(streaming, call("wait"))
    staying = asyncio.ensure_future(streaming.tool("wait"))
    await both.wait()
    await leaving.leave()
    go_on.set()

    assert await staying == said("waited")
    assert leaving.sent == []


async def test_a_client_that_leaves_after_the_answer_cancels_nothing(
    streaming: AsgiDoor, server: MCPServer
) -> None:
    server.add_tool(lambda: "done", "quick")

    for _ in range(3):
        assert await streaming.tool("quick") == said("done")


async def test_a_call_is_cancelled_when_the_process_goes_down(server: MCPServer) -> None:
    steps = Steps()

    @server.tool
    async def wait() -> None:
        await steps.wait()

    client = Departing(consumer_of(server), call("wait"))
    await steps.started.wait()
    client.task.cancel()
    await asyncio.wait([client.task])

    assert client.task.cancelled()
    assert steps.seen == ["cancelled", "put away"]


# Threads


@pytest.mark.anyio
async def test_a_sync_tool_runs_on_but_nobody_waits_for_it(
    streaming: AsgiDoor, server: MCPServer
) -> None:
    started, go_on, done = threading.Event(), threading.Event(), threading.Event()

    @server.tool
    def work():  # type: ignore[no-untyped-def]
        started.set()
        go_on.wait(PATIENCE)
        done.set()
        return "worked"

    client = Departing(streaming, call("work"))
    await asyncio.to_thread(started.wait, PATIENCE)
    await client.leave()

    assert not done.is_set()
    go_on.set()
    assert await asyncio.to_thread(done.wait, PATIENCE)
    assert client.sent == []


@pytest.mark.anyio
async def test_a_sync_tool_that_waits_for_the_client_learns_that_it_is_gone(
    streaming: AsgiDoor, server: MCPServer
) -> None:
    started, go_on, done = threading.Event(), threading.Event(), threading.Event()

    @server.tool
    def work(ctx: Context) -> None:
        started.set()
        go_on.wait(PATIENCE)
        ctx.wait(ctx.report_progress(1))
        done.set()

    client = Departing(streaming, call("work", progressToken="t"))
    await asyncio.to_thread(started.wait, PATIENCE)
    await client.leave()
    go_on.set()

    assert await asyncio.to_thread(done.wait, PATIENCE)
    assert client.sent == []


@pytest.mark.anyio
async def test_the_connection_of_a_cancelled_call_is_given_back(
    streaming: AsgiDoor, server: MCPServer, disk: Any
) -> None:
    steps = Steps()
    seen: list[Watched] = []

    @server.tool
    async def wait() -> None:
        seen.append(await awatched())
        await steps.wait()

    client = Departing(streaming, call("wait"))
    await steps.started.wait()
    await client.leave()

    assert await seen[0].closed()


@pytest.mark.anyio
async def test_the_thread_of_a_cancelled_call_serves_the_next(disk: Any) -> None:
    server = MCPServer("test", version="1.0", workers=DjangoWorkers(1))
    door = consumer_of(server)
    seen: list[tuple[Watched, int]] = []
    started = asyncio.Event()

    @server.tool
    async def wait() -> None:
        seen.append((await awatched(), await sync_to_async(threading.get_ident)()))
        started.set()
        await asyncio.Event().wait()

    for _ in range(3):
        started.clear()
        client = Departing(door, call("wait"))
        await started.wait()
        await client.leave()
        await seen[-1][0].idle()
    server.workers.close()

    assert len({ident for _, ident in seen}) == 1


@pytest.mark.anyio
async def test_a_query_that_outlives_its_call_holds_nobody_up(disk: Any) -> None:
    server = MCPServer("test", version="1.0", workers=DjangoWorkers(2))
    door = consumer_of(server)
    started, go_on = threading.Event(), threading.Event()

    @server.tool
    async def slow() -> None:
        def query() -> None:
            started.set()
            go_on.wait(PATIENCE)

        await sync_to_async(query)()

    @server.tool
    async def quick():  # type: ignore[no-untyped-def]
        return await sync_to_async(lambda: "quick")()

    client = Departing(door, call("slow"))
    await asyncio.to_thread(started.wait, PATIENCE)
    await client.leave()
    try:
        assert await door.tool("quick") == said("quick")
        assert await door.tool("quick") == said("quick")
    finally:
        go_on.set()
        server.workers.close()


@pytest.mark.anyio
async def test_what_a_cancelled_call_wrote_is_rolled_back_where_requests_are_atomic(
    disk: Any, streaming: AsgiDoor, server: MCPServer
) -> None:
    disk["ATOMIC_REQUESTS"] = True
    steps = Steps()

    @server.tool
    async def wait() -> None:
        await awrite("cancelled")
        await steps.wait()

    client = Departing(streaming, call("wait"))
    await steps.started.wait()
    await client.leave()

    assert await rows() == []


# What comes in time


@pytest.mark.parametrize("message", [call("nope"), envelope("nope"), envelope("tools/list")])
async def test_a_client_that_leaves_with_its_request_is_no_error(
    streaming: AsgiDoor, message: Any, caplog: pytest.LogCaptureFixture
) -> None:
    client = Departing(streaming, message)
    await client.leave()

    assert [record.levelname for record in caplog.records if record.levelname == "ERROR"] == []


async def test_a_cancelled_notification_is_accepted_and_does_nothing(
    door: Door, server: MCPServer
) -> None:
    # Over HTTP the connection is what is cancelled (2026-07-28, basic/patterns/cancellation).
    params = {"requestId": 1, "reason": "changed my mind"}
    message = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}

    reply = await door.post(message)

    assert (reply.status, reply.body) == (202, b"")
