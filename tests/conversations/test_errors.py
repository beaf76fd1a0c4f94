"""What a caller is told when something goes wrong, and what only the log is told."""

from __future__ import annotations

import asyncio
import base64
import logging
import threading
from typing import Any

import pytest
from pydantic import BaseModel

from django_mcp import Context, MCPServer, NotFound, NotPermitted, ToolError
from django_mcp.protocol.errors import InvalidParams, ProtocolError
from tests.conversations.talk import ASKABLE, failed, said
from tests.doors import META, Door, envelope

INTERNAL = {"code": -32603, "message": "Internal error"}


def complaints(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The errors in the log of the server, in full."""
    records = [each for each in caplog.records if each.name == "django_mcp"]
    assert all(record.levelno == logging.ERROR for record in records)
    return [logging.Formatter().format(record) for record in records]


# Exceptions nobody foresaw


@pytest.mark.parametrize("sync", [True, False], ids=["sync", "async"])
async def test_an_unexpected_exception_of_a_tool_is_told_in_words_that_say_nothing(
    door: Door, server: MCPServer, caplog: pytest.LogCaptureFixture, sync: bool
) -> None:
    def plain() -> str:
        raise ValueError("secret: postgres://ada:pw@db")

    async def awaited() -> str:
        plain()
        raise AssertionError("unreachable")

    server.add_tool(plain if sync else awaited, "crash")

    reply = await door.call("tools/call", {"name": "crash"})

    assert reply.status == 200
    assert reply.result == failed("Error executing tool crash: internal error.")
    (complaint,) = complaints(caplog)
    assert complaint.startswith("Unexpected exception while answering tools/call crash\n")
    assert "Traceback (most recent call last)" in complaint
    assert "in plain" in complaint
    assert complaint.endswith("ValueError: secret: postgres://ada:pw@db")


@pytest.mark.parametrize("sync", [True, False], ids=["sync", "async"])
@pytest.mark.parametrize(
    "error",
    [
        StopIteration("secret"),
        StopAsyncIteration("secret"),
        KeyError("secret"),
        RecursionError("secret"),
        MemoryError("secret"),
        TimeoutError("secret"),
        UnicodeDecodeError("utf-8", b"secret", 0, 1, "secret"),
        ExceptionGroup("secret", [ValueError("secret")]),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_any_exception_is_answered(
    door: Door,
    server: MCPServer,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    sync: bool,
) -> None:
    def plain() -> None:
        raise error

    async def awaited() -> None:
        raise error

    server.add_tool(plain if sync else awaited, "crash")

    assert await door.tool("crash") == failed("Error executing tool crash: internal error.")
    assert len(complaints(caplog)) == 1


async def test_a_cancellation_inside_a_tool_is_not_one_of_the_call(
    door: Door, server: MCPServer, caplog: pytest.LogCaptureFixture
) -> None:
    @server.tool
    async def crash() -> None:
        task = asyncio.ensure_future(asyncio.Event().wait())
        task.cancel()
        await task

    assert await door.tool("crash") == failed("Error executing tool crash: internal error.")
    assert len(complaints(caplog)) == 1


@pytest.mark.parametrize("sync", [True, False], ids=["sync", "async"])
@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("prompts/get", {"name": "crash"}),
        ("resources/read", {"uri": "library://crash"}),
        ("resources/read", {"uri": "library://crash/7"}),
    ],
)
async def test_an_unexpected_exception_elsewhere_is_an_internal_error(
    door: Door,
    server: MCPServer,
    caplog: pytest.LogCaptureFixture,
    method: str,
    params: Any,
    sync: bool,
) -> None:
    def plain() -> str:
        raise ValueError("secret")

    async def awaited() -> str:
        raise ValueError("secret")

    def plain_by_id(id: int) -> str:
        raise ValueError("secret")

    async def awaited_by_id(id: int) -> str:
        raise ValueError("secret")

    server.add_prompt(plain if sync else awaited, "crash")
    server.resource("library://crash")(plain if sync else awaited)
    server.resource("library://crash/{id}")(plain_by_id if sync else awaited_by_id)

    reply = await door.call(method, params)

    assert (reply.status, reply.error) == (200, INTERNAL)
    assert "ValueError: secret" in complaints(caplog)[0]


async def test_a_uri_from_outside_cannot_forge_a_line_of_the_log(
    door: Door, server: MCPServer, caplog: pytest.LogCaptureFixture
) -> None:
    @server.resource("library://{name}")
    async def crash(name: str) -> str:
        raise ValueError("secret")

    uri = "library://x\nERROR django_mcp: forged"
    encoded = "=?base64?" + base64.b64encode(uri.encode()).decode() + "?="
    await door.post(envelope("resources/read", {"uri": uri}), mcp_name=encoded)

    assert all(message.isprintable() for message in caplog.messages)


# Errors with a meaning


async def test_the_text_of_a_tool_error_reaches_the_model(
    door: Door, server: MCPServer, caplog: pytest.LogCaptureFixture
) -> None:
    @server.tool
    def plain() -> str:
        raise ToolError("No such book. Search for it first.")

    @server.tool
    async def awaited() -> str:
        raise ToolError("No such book. Search for it first.") from ValueError("secret")

    assert await door.tool("plain") == failed("No such book. Search for it first.")
    assert await door.tool("awaited") == failed("No such book. Search for it first.")
    assert complaints(caplog) == []


@pytest.mark.parametrize(
    ("method", "params"),
    [("prompts/get", {"name": "lend"}), ("resources/read", {"uri": "library://lend"})],
)
async def test_a_tool_error_elsewhere_is_an_error_with_its_text(
    door: Door, server: MCPServer, method: str, params: Any
) -> None:
    async def lend() -> str:
        raise ToolError("Closed today.")

    server.add_prompt(lend)
    server.resource("library://lend")(lend)

    reply = await door.call(method, params)

    assert (reply.status, reply.error) == (200, {"code": -32603, "message": "Closed today."})


async def test_what_a_function_did_not_find_is_said_without_its_text(
    door: Door, server: MCPServer
) -> None:
    async def find() -> str:
        raise NotFound("secret")

    server.add_tool(find)
    server.add_prompt(find)

    assert await door.tool("find") == failed("Not found.")
    reply = await door.call("prompts/get", {"name": "find"})
    assert (reply.status, reply.error) == (400, {"code": -32602, "message": "Not found."})


async def test_a_failure_beside_a_question_is_the_answer(door: Door, server: MCPServer) -> None:
    @server.tool
    async def both(ctx: Context) -> None:
        async def fail() -> None:
            raise ToolError("Closed today.")

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(fail())
            tasks.create_task(ctx.confirm("Sure?"))

    result = await door.tool("both", capabilities={"elicitation": {}})

    assert result == failed("Closed today.")


@pytest.mark.parametrize("error", [NotPermitted("secret")])
@pytest.mark.parametrize(
    ("method", "params", "message"),
    [
        ("tools/call", {"name": "hidden"}, "Unknown tool: hidden"),
        ("prompts/get", {"name": "hidden"}, "Unknown prompt: hidden"),
        ("resources/read", {"uri": "x://hidden"}, "Resource not found: x://hidden"),
    ],
)
async def test_what_a_function_hides_is_answered_like_what_does_not_exist(
    door: Door, server: MCPServer, error: Exception, method: str, params: Any, message: str
) -> None:
    unknown = (await door.call(method, params)).json

    async def hidden() -> str:
        raise error

    server.add_tool(hidden)
    server.add_prompt(hidden)
    server.resource("x://hidden")(hidden)

    reply = await door.call(method, params)

    assert reply.status == 400
    assert reply.json == unknown
    assert reply.error["message"] == message


async def test_an_error_of_the_protocol_goes_out_as_it_is(door: Door, server: MCPServer) -> None:
    @server.tool
    async def plain() -> None:
        raise InvalidParams("Not with me.", data={"why": "because"})

    @server.tool
    async def own() -> None:
        raise ProtocolError("Come back later.", code=-31000)

    reply = await door.call("tools/call", {"name": "plain"})
    assert reply.status == 400
    assert reply.error == {"code": -32602, "message": "Not with me.", "data": {"why": "because"}}
    assert (await door.call("tools/call", {"name": "own"})).error == {
        "code": -31000,
        "message": "Come back later.",
    }


async def test_an_error_does_not_close_the_door(door: Door, server: MCPServer) -> None:
    @server.tool
    async def crash() -> None:
        raise ValueError("secret")

    server.add_tool(lambda: "fine", "fine")

    await door.tool("crash")

    assert await door.tool("fine") == said("fine")


# Returned values that do not fit


class Book(BaseModel):
    """A book."""

    title: str
    pages: int


class Strange:
    """Nothing JSON can write."""

    secret = "secret"


def _circle() -> Any:
    circle: list[Any] = []
    circle.append(circle)
    return circle


@pytest.mark.parametrize(
    ("declared", "value"),
    [
        (int, "secret"),
        (Book, {"title": "secret"}),
        (list[int], ["secret"]),
        (str, None),
        (float, float("nan")),
        (None, Strange()),
        (Any, {"secret": Strange()}),
        (Any, float("inf")),
        (Any, _circle()),
        (Any, b"secret"),
    ],
)
async def test_a_value_a_tool_did_not_declare_or_json_cannot_write_is_the_authors_mistake(
    door: Door,
    server: MCPServer,
    caplog: pytest.LogCaptureFixture,
    declared: Any,
    value: Any,
) -> None:
    async def give():  # type: ignore[no-untyped-def]
        return value

    give.__annotations__["return"] = declared
    server.add_tool(give)

    assert await door.tool("give") == failed("Error executing tool give: internal error.")
    assert len(complaints(caplog)) == 1


@pytest.mark.parametrize("value", [None, Strange(), {"secret": Strange()}, b""])
async def test_a_value_a_prompt_or_resource_cannot_serve_is_the_authors_mistake(
    door: Door, server: MCPServer, caplog: pytest.LogCaptureFixture, value: Any
) -> None:
    async def give():  # type: ignore[no-untyped-def]
        return value

    server.add_prompt(give)
    server.resource("x://give")(give)

    assert (await door.call("prompts/get", {"name": "give"})).error == INTERNAL
    if value != b"":
        assert (await door.call("resources/read", {"uri": "x://give"})).error == INTERNAL
        assert len(complaints(caplog)) == 2


async def test_half_a_pair_which_utf8_does_not_have_is_written_as_its_escape(
    door: Door, server: MCPServer
) -> None:
    server.add_tool(lambda: "half \ud800", "half")

    reply = await door.call("tools/call", {"name": "half"})

    assert b'"half \\ud800"' in reply.body
    assert reply.result == said("half \ud800")


async def test_a_form_that_cannot_be_asked_is_the_authors_mistake(
    door: Door, server: MCPServer, caplog: pytest.LogCaptureFixture
) -> None:
    @server.tool
    async def ask(ctx: Context) -> None:
        await ctx.ask("Which?", dict[str, list[int]])

    result = (await door.call("tools/call", {"name": "ask"}, capabilities=ASKABLE)).result

    assert result == failed("Error executing tool ask: internal error.")
    assert "Cannot ask for" in complaints(caplog)[0]


async def test_a_log_line_that_cannot_be_written_is_the_authors_mistake(
    streaming: Door, server: MCPServer, caplog: pytest.LogCaptureFixture
) -> None:
    @server.tool
    async def tell(ctx: Context) -> None:
        await ctx.info(Strange())

    reply = await streaming.call("tools/call", {"name": "tell"}, meta={META + "logLevel": "info"})

    assert reply.result == failed("Error executing tool tell: internal error.")
    assert len(complaints(caplog)) == 1


# Time


async def test_a_tool_that_takes_too_long_is_stopped(door: Door, server: MCPServer) -> None:
    stopped: list[str] = []

    @server.tool(timeout=0.01)
    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append("stopped")

    assert await door.tool("wait") == failed("wait did not finish within 0.01 seconds.")
    assert stopped == ["stopped"]


@pytest.mark.anyio
async def test_a_sync_tool_that_takes_too_long_runs_on_but_is_not_waited_for(
    streaming: Door, server: MCPServer
) -> None:
    begun, go_on, done = threading.Event(), threading.Event(), threading.Event()

    @server.tool(timeout=0.01)
    def wait() -> None:
        begun.set()
        go_on.wait()
        done.set()

    try:
        # The time may be over before a thread is there, and then nothing runs on.
        while not begun.is_set():
            said = await streaming.tool("wait")
            assert said == failed("wait did not finish within 0.01 seconds.")
        assert not done.is_set()
    finally:
        go_on.set()
    assert await asyncio.to_thread(done.wait, 10)


async def test_a_tool_in_time_is_not_touched(door: Door, server: MCPServer) -> None:
    @server.tool(timeout=60)
    async def quick():  # type: ignore[no-untyped-def]
        return "done"

    assert await door.tool("quick") == said("done")


async def test_a_timeout_of_the_tools_own_is_not_the_servers(
    door: Door, server: MCPServer, caplog: pytest.LogCaptureFixture
) -> None:
    @server.tool(timeout=60)
    async def wait() -> None:
        async with asyncio.timeout(0):
            await asyncio.Event().wait()

    assert await door.tool("wait") == failed("Error executing tool wait: internal error.")
    assert "TimeoutError" in complaints(caplog)[0]
