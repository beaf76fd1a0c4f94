"""Middleware: what wraps every request of a server."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from django_mcp import Context, MCPServer, ToolError, default_server
from django_mcp.protocol.errors import InvalidParams
from django_mcp.types import CallToolResult, TextContent
from tests.conversations.talk import (
    accepted,
    calling,
    complete,
    consumer_of,
    failed,
    form_for,
    listed,
    said,
)
from tests.doors import META, Door

steps: list[Any] = []


@pytest.fixture(autouse=True)
def _forget() -> None:
    steps.clear()


def build(*middleware: Any) -> Door:
    """A door to a server with these middleware."""
    server = MCPServer("test", version="1.0", middleware=middleware)

    @server.tool
    async def greet(name: str = "you"):  # type: ignore[no-untyped-def]
        steps.append("greet")
        return f"Hello, {name}"

    @server.tool
    async def lend():  # type: ignore[no-untyped-def]
        raise ToolError("Not today.")

    @server.tool
    async def crash():  # type: ignore[no-untyped-def]
        raise ValueError("secret")

    @server.tool
    async def ask(ctx: Context):  # type: ignore[no-untyped-def]
        return str(await ctx.confirm("Sure?", key="sure"))

    return consumer_of(server)


def noting(name: str) -> Any:
    async def middleware(ctx: Context, call_next: Any) -> Any:
        steps.append(f"{name} before")
        try:
            return await call_next(ctx)
        finally:
            steps.append(f"{name} after")

    return middleware


async def test_middleware_stands_around_the_call_in_its_order() -> None:
    assert await build(noting("outer"), noting("inner")).tool("greet") == said("Hello, you")

    assert steps == ["outer before", "inner before", "greet", "inner after", "outer after"]


async def test_middleware_knows_what_is_asked_for_before_it_is_answered() -> None:
    async def middleware(ctx: Context, call_next: Any) -> Any:
        steps.append((ctx.method, ctx.target))
        return await call_next(ctx)

    door = build(middleware)
    await door.call("server/discover")
    await door.call("tools/list")
    await door.call("tools/call", {"name": "greet"})
    await door.call("resources/read", {"uri": "x://y"})
    await door.call("prompts/get", {"name": "nope"})

    assert [step for step in steps if step != "greet"] == [
        ("server/discover", ""),
        ("tools/list", ""),
        ("tools/call", "greet"),
        ("resources/read", "x://y"),
        ("prompts/get", "nope"),
    ]


async def test_middleware_may_answer_in_place_of_the_call() -> None:
    async def middleware(ctx: Context, call_next: Any) -> Any:
        return CallToolResult(content=[TextContent(text="Closed.")])

    assert await build(middleware).tool("greet") == said("Closed.")
    assert steps == []


async def test_middleware_may_change_a_result() -> None:
    async def middleware(ctx: Context, call_next: Any) -> Any:
        result = await call_next(ctx)
        return result.model_copy(update={"meta": {"example.com/took": 3}})

    result = await build(middleware).tool("greet")

    assert result.pop("_meta")["example.com/took"] == 3
    assert result == {"resultType": "complete", "content": said("Hello, you")["content"]}


async def test_middleware_gets_lists_as_values_it_can_change() -> None:
    async def middleware(ctx: Context, call_next: Any) -> Any:
        result = await call_next(ctx)
        if ctx.method == "tools/list":
            kept = [tool for tool in result.tools if tool.name == "lend"]
            return result.model_copy(update={"tools": kept, "ttl_ms": 5000})
        return result

    schema = {"type": "object", "properties": {}, "additionalProperties": False}
    expected = listed("private", tools=[{"name": "lend", "inputSchema": schema}])

    assert (await build(middleware).call("tools/list")).result == {**expected, "ttlMs": 5000}


async def test_but_for_who_may_share_it_a_list_is_the_same_with_and_without_middleware() -> None:
    plain = (await build().call("tools/list")).result
    wrapped = (await build(noting("a")).call("tools/list")).result

    assert wrapped == {**plain, "cacheScope": "private"}
    assert len(plain["tools"]) == 4


async def test_middleware_sees_what_a_function_raises() -> None:
    async def middleware(ctx: Context, call_next: Any) -> Any:
        try:
            return await call_next(ctx)
        except ToolError as error:
            raise ToolError(f"{error.message} Ask the desk.") from error
        except ValueError as error:
            steps.append(str(error))
            raise

    door = build(middleware)

    assert await door.tool("lend") == failed("Not today. Ask the desk.")
    assert await door.tool("crash") == failed("Error executing tool crash: internal error.")
    assert steps == ["secret"]


async def test_middleware_may_refuse() -> None:
    async def middleware(ctx: Context, call_next: Any) -> Any:
        if ctx.method == "tools/call":
            raise ToolError("Closed on Sundays.")
        raise InvalidParams("Nothing to see.", data={"today": "Sunday"})

    door = build(middleware)
    reply = await door.call("tools/list")

    assert await door.tool("greet") == failed("Closed on Sundays.")
    assert (reply.status, reply.error) == (
        400,
        {"code": -32602, "message": "Nothing to see.", "data": {"today": "Sunday"}},
    )


async def test_middleware_that_fails_is_an_internal_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def middleware(ctx: Context, call_next: Any) -> Any:
        raise ValueError("secret")

    reply = await build(middleware).call("tools/list")

    assert reply.error == {"code": -32603, "message": "Internal error"}
    assert "ValueError: secret" in caplog.text


async def test_a_careless_middleware_does_not_swallow_a_question() -> None:
    async def middleware(ctx: Context, call_next: Any) -> Any:
        try:
            return await call_next(ctx)
        except Exception:
            raise ToolError("swallowed") from None

    dialogue = calling(build(middleware, noting("inner")), "ask")

    assert await dialogue.asked() == {"sure": form_for("Sure?")}
    assert await dialogue.ended({"sure": accepted()}) == said("True")
    assert steps == ["inner before", "inner after"] * 2


async def test_middleware_speaks_to_the_client_too() -> None:
    async def middleware(ctx: Context, call_next: Any) -> Any:
        await ctx.info(f"{ctx.method} begins")
        return await call_next(ctx)

    reply = await build(middleware).call(
        "tools/call", {"name": "greet"}, meta={META + "logLevel": "info"}
    )

    assert [message.get("params") for message in reply.messages] == [
        {"level": "info", "data": "tools/call begins"},
        None,
    ]
    assert reply.result == said("Hello, you")


async def test_a_method_that_does_not_exist_never_gets_to_middleware() -> None:
    reply = await build(noting("a")).call("nope")

    assert reply.error["code"] == -32601
    assert steps == []


async def for_settings(ctx: Context, call_next: Any) -> Any:
    steps.append("from the settings")
    return await call_next(ctx)


async def test_middleware_of_the_default_server_stands_in_the_settings(settings: Any) -> None:
    settings.DJANGO_MCP = {"NAME": "project", "MIDDLEWARE": [f"{__name__}.for_settings"]}
    assert sys.modules[__name__].for_settings is for_settings
    default_server.cache_clear()
    try:
        result = (await consumer_of(default_server()).call("tools/list")).result
    finally:
        default_server.cache_clear()

    assert steps == ["from the settings"]
    assert result == {
        **complete(tools=[], ttlMs=0, cacheScope="private"),
        "_meta": {META + "serverInfo": {"name": "project", "version": ""}},
    }
