"""What a call says while it runs: progress, and lines of the log."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest

from django_mcp import Context, MCPServer
from django_mcp.authentication import anonymous
from tests.conversations.talk import Departing, failed, said
from tests.doors import META, AsgiDoor, Door, envelope

LEVELS = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"]


def progress(token: Any, value: float, **more: Any) -> dict[str, Any]:
    params = {"progressToken": token, "progress": value, **more}
    return {"jsonrpc": "2.0", "method": "notifications/progress", "params": params}


def line(level: str, data: Any, **more: Any) -> dict[str, Any]:
    params = {"level": level, "data": data, **more}
    return {"jsonrpc": "2.0", "method": "notifications/message", "params": params}


def answer(result: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "result": result}


async def calling(door: Door, tool: str, **meta: Any) -> Any:
    return await door.call("tools/call", {"name": tool}, meta=meta)


@pytest.fixture
def counting(server: MCPServer) -> None:
    @server.tool
    async def count(ctx: Context):  # type: ignore[no-untyped-def]
        await ctx.report_progress(1, 2, "half")
        await ctx.report_progress(2, 2)
        return "counted"

    @server.tool
    def count_in_a_thread(ctx: Context):  # type: ignore[no-untyped-def]
        ctx.wait(ctx.report_progress(1, 2, "half"))
        ctx.wait(ctx.report_progress(2, 2))
        return "counted"


# Progress


@pytest.mark.usefixtures("counting")
@pytest.mark.parametrize("token", ["a-token", "", 7, 0])
@pytest.mark.parametrize("tool", ["count", "count_in_a_thread"])
async def test_progress_comes_before_the_answer_on_a_stream(
    streaming: Door, token: Any, tool: str
) -> None:
    reply = await calling(streaming, tool, progressToken=token)

    assert reply.status == 200
    assert reply.headers["content-type"] == "text/event-stream"
    assert reply.headers["cache-control"] == "no-cache, no-transform"
    assert reply.headers["x-accel-buffering"] == "no"
    assert reply.messages == [
        progress(token, 1, total=2, message="half"),
        progress(token, 2, total=2),
        answer(said("counted")),
    ]


@pytest.mark.usefixtures("counting")
@pytest.mark.parametrize("tool", ["count", "count_in_a_thread"])
async def test_without_a_token_there_is_no_progress_and_no_stream(door: Door, tool: str) -> None:
    reply = await calling(door, tool)

    assert reply.headers["content-type"] == "application/json"
    assert reply.messages == [answer(said("counted"))]


@pytest.mark.usefixtures("counting")
@pytest.mark.parametrize("token", [None, True, 1.5, [], {}, "t" * 1025, 10**1024])
async def test_a_token_that_is_none_gets_no_progress(door: Door, token: Any) -> None:
    reply = await calling(door, "count", progressToken=token)

    assert all("method" not in message for message in reply.messages)


@pytest.mark.usefixtures("counting")
async def test_where_nothing_can_be_streamed_only_the_answer_comes(guarded: Any) -> None:
    reply = await calling(guarded(anonymous, "wsgi"), "count", progressToken=1)

    assert reply.headers["content-type"] == "application/json"
    assert reply.messages == [answer(said("counted"))]


async def test_progress_only_rises(streaming: Door, server: MCPServer) -> None:
    @server.tool
    async def wander(ctx: Context):  # type: ignore[no-untyped-def]
        for value in (-3, 0, 2, 2, 1, 2.5, 2.5, 10, 9):
            await ctx.report_progress(value)
        return "there"

    reply = await calling(streaming, "wander", progressToken="t")

    assert reply.messages == [
        *(progress("t", value) for value in (-3, 0, 2, 2.5, 10)),
        answer(said("there")),
    ]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
async def test_progress_that_json_cannot_write_is_the_authors_mistake(
    door: Door, server: MCPServer, value: float, caplog: pytest.LogCaptureFixture
) -> None:
    @server.tool
    async def wander(ctx: Context):  # type: ignore[no-untyped-def]
        await ctx.report_progress(value)

    reply = await calling(door, "wander", progressToken="t")

    assert reply.result == failed("Error executing tool wander: internal error.")
    assert "progress must be finite" in caplog.text


async def test_a_call_within_a_call_reports_to_the_same_client(
    streaming: Door, server: MCPServer
) -> None:
    @server.resource("library://catalogue")
    async def catalogue(ctx: Context) -> str:
        await ctx.report_progress(1)
        return "books"

    @server.tool
    async def look(ctx: Context):  # type: ignore[no-untyped-def]
        found = await ctx.read_resource("library://catalogue")
        await ctx.report_progress(2)
        return found[0].text

    reply = await calling(streaming, "look", progressToken=1)

    assert reply.messages == [progress(1, 1), progress(1, 2), answer(said("books"))]


@pytest.mark.parametrize(
    ("method", "params"),
    [("prompts/get", {"name": "review"}), ("resources/read", {"uri": "library://catalogue"})],
)
async def test_prompts_and_resources_report_too(
    streaming: Door, server: MCPServer, method: str, params: Any
) -> None:
    @server.prompt
    async def review(ctx: Context) -> str:
        await ctx.report_progress(1)
        return "text"

    @server.resource("library://catalogue")
    async def catalogue(ctx: Context) -> str:
        await ctx.report_progress(1)
        return "text"

    reply = await streaming.call(method, params, meta={"progressToken": 1})

    assert reply.messages[0] == progress(1, 1)
    assert len(reply.messages) == 2


async def test_a_call_that_fails_after_it_said_something_fails_on_the_stream(
    streaming: Door, server: MCPServer
) -> None:
    @server.prompt
    async def review(ctx: Context) -> str:
        await ctx.report_progress(1)
        raise ValueError("secret")

    reply = await streaming.call("prompts/get", {"name": "review"}, meta={"progressToken": 1})

    error = {"code": -32603, "message": "Internal error"}
    assert reply.status == 200
    assert reply.messages == [progress(1, 1), {"jsonrpc": "2.0", "id": 1, "error": error}]


async def test_what_is_reported_arrives_while_the_call_is_still_running(
    streaming: Any, server: MCPServer
) -> None:
    go_on = asyncio.Event()

    @server.tool
    async def work(ctx: Context):  # type: ignore[no-untyped-def]
        await ctx.report_progress(1)
        await go_on.wait()
        await ctx.report_progress(2)
        return "done"

    message = envelope("tools/call", {"name": "work"}, meta={"progressToken": "t"})
    async with streaming.opened(message) as stream:
        assert await stream.message() == progress("t", 1)
        go_on.set()
        assert await stream.message() == progress("t", 2)
        assert await stream.message() == answer(said("done"))
        await stream.rest()


async def test_what_is_reported_after_the_answer_is_not_sent(
    streaming: AsgiDoor, server: MCPServer
) -> None:
    left: list[Any] = []
    over = asyncio.Event()

    @server.tool
    async def work(ctx: Context):  # type: ignore[no-untyped-def]
        async def straggle() -> None:
            await over.wait()
            await ctx.report_progress(2)

        await ctx.report_progress(1)
        left.append(asyncio.ensure_future(straggle()))
        return "done"

    message = envelope("tools/call", {"name": "work"}, meta={"progressToken": "t"})
    client = Departing(streaming, message)
    await asyncio.wait([client.task])
    over.set()
    await left[0]

    *parts, last = client.sent[1:]
    assert all(part["more_body"] for part in parts)
    assert not last.get("more_body")
    assert b"".join(part.get("body", b"") for part in client.sent).count(b"progressToken") == 1


async def test_tasks_of_a_call_report_side_by_side(streaming: Door, server: MCPServer) -> None:
    @server.tool
    async def work(ctx: Context):  # type: ignore[no-untyped-def]
        await asyncio.gather(*(ctx.report_progress(value) for value in range(1, 6)))
        return "done"

    reply = await calling(streaming, "work", progressToken="t")

    assert reply.messages == [
        *(progress("t", value) for value in range(1, 6)),
        answer(said("done")),
    ]


# The log


@pytest.fixture
def telling(server: MCPServer) -> None:
    @server.tool
    async def tell(ctx: Context):  # type: ignore[no-untyped-def]
        for level in LEVELS:
            await ctx.log(level, {"said": level}, logger="library")
        return "told"


@pytest.mark.usefixtures("telling")
@pytest.mark.parametrize("level", LEVELS)
async def test_lines_from_the_wanted_level_on_are_sent(streaming: Door, level: str) -> None:
    reply = await calling(streaming, "tell", **{META + "logLevel": level})

    wanted = LEVELS[LEVELS.index(level) :]
    assert reply.messages == [
        *(line(each, {"said": each}, logger="library") for each in wanted),
        answer(said("told")),
    ]


@pytest.mark.usefixtures("telling")
async def test_without_a_level_nothing_is_logged_and_nothing_streamed(door: Door) -> None:
    reply = await calling(door, "tell")

    assert reply.headers["content-type"] == "application/json"
    assert reply.messages == [answer(said("told"))]


async def test_a_call_that_logs_below_the_level_is_answered_with_json(
    door: Door, server: MCPServer
) -> None:
    @server.tool
    async def tell(ctx: Context):  # type: ignore[no-untyped-def]
        await ctx.debug("quiet")
        await ctx.info("quiet")
        return "told"

    reply = await calling(door, "tell", **{META + "logLevel": "warning"})

    assert reply.headers["content-type"] == "application/json"
    assert reply.messages == [answer(said("told"))]


async def test_the_usual_levels_have_names_of_their_own(streaming: Door, server: MCPServer) -> None:
    @server.tool
    async def tell(ctx: Context):  # type: ignore[no-untyped-def]
        await ctx.debug("a")
        await ctx.info(["b", 1, None], logger="library")
        await ctx.warning({"c": True})
        await ctx.error(4)
        return "told"

    reply = await calling(streaming, "tell", **{META + "logLevel": "debug"})

    assert reply.messages == [
        line("debug", "a"),
        line("info", ["b", 1, None], logger="library"),
        line("warning", {"c": True}),
        line("error", 4),
        answer(said("told")),
    ]


@pytest.mark.parametrize("level", ["loud", "INFO", "", 20, None])
async def test_a_level_nobody_knows_is_the_authors_mistake(
    door: Door, server: MCPServer, level: Any, caplog: pytest.LogCaptureFixture
) -> None:
    @server.tool
    async def tell(ctx: Context):  # type: ignore[no-untyped-def]
        await ctx.log(level, "text")

    assert (await calling(door, "tell")).result["isError"] is True
    assert "is no log level: use one of debug, info" in caplog.text


@pytest.mark.parametrize("level", ["loud", "INFO", "", 20, {}])
async def test_a_level_nobody_knows_is_refused(door: Door, level: Any) -> None:
    reply = await door.call("tools/list", meta={META + "logLevel": level})

    assert (reply.status, reply.error["code"]) == (400, -32602)


async def test_lines_of_one_call_are_none_of_anothers(streaming: Door, server: MCPServer) -> None:
    both = asyncio.Barrier(2)

    @server.tool
    async def tell(ctx: Context, what: str):  # type: ignore[no-untyped-def]
        await both.wait()
        await ctx.info(what)
        await both.wait()
        return what

    async def call(what: str, **meta: str) -> Any:
        params = {"name": "tell", "arguments": {"what": what}}
        return (await streaming.call("tools/call", params, meta=meta)).messages

    heard, deaf = await asyncio.gather(call("a", **{META + "logLevel": "info"}), call("b"))

    assert heard == [line("info", "a"), answer(said("a"))]
    assert deaf == [answer(said("b"))]
