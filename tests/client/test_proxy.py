"""A server that has what another one has: both eras on either side, and callers kept apart."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from typing import Any

import pytest

from django_mcp import Context, MCPServer
from django_mcp.client import Client, ServerError, ToolFailed
from django_mcp.protocol.types import (
    CreateMessageResult,
    TextContent,
)
from django_mcp.proxy import Proxy, lifespan_of
from django_mcp.server.errors import ToolError

from .ways import NEWEST_SESSION, STATELESS, application_of, listening, new_server, served

ERAS = (NEWEST_SESSION, STATELESS)
#: Both eras on either side, over memory and over HTTP behind the proxy.
sides = pytest.mark.parametrize(
    ("behind", "front", "way"),
    [(behind, front, way) for behind in ERAS for front in ERAS for way in ("memory", "http")],
)


@asynccontextmanager
async def target_of(server: MCPServer, way: str) -> AsyncIterator[Any]:
    if way == "memory":
        yield server
        return
    async with served(server) as url:
        yield url


@asynccontextmanager
async def gateway(
    upstream: MCPServer, behind: str, front: str, way: str = "memory", **options: Any
) -> AsyncIterator[Client]:
    """A client of a server that has what `upstream` has."""
    client_options = {
        name: options.pop(name)
        for name in list(options)
        if name.startswith("on_") or name in ("roots", "log_level", "elicit_modes")
    }
    server = new_server("gateway")
    async with target_of(upstream, way) as target:
        proxy = Proxy(target, revisions=[behind], **options)
        async with (
            proxy.serving(server),
            Client(server, revisions=[front], **client_options) as client,
        ):
            yield client


def library() -> MCPServer:
    server = new_server("library")

    @server.tool
    def due() -> date:
        """When it is due."""
        return date(2026, 12, 1)

    @server.tool
    def refuse() -> str:
        raise ToolError("The library is closed.")

    @server.tool
    async def lend(ctx: Context, title: str) -> str:
        answer = await ctx.ask("For whom?", str)
        said = await ctx.sample(f"Recommend {title}")
        roots = await ctx.list_roots()
        return f"{title} for {answer.data}: {said.content.text} ({len(roots)} roots)"

    @server.tool
    async def count(ctx: Context) -> str:
        for step in (1, 2):
            await ctx.report_progress(step, 2, f"step {step}")
        await ctx.info("counted")
        return "done"

    @server.resource("library://hours")
    def hours() -> str:
        return "9 to 5"

    @server.resource("library://books/{+path}")
    def book(path: str) -> str:
        return f"The book at {path}"

    @server.completion("library://books/{+path}", "path")
    def complete_path(typed: str) -> list[str]:
        return [f"{typed}mma"]

    @server.prompt
    def review(title: str) -> str:
        return f"Review {title}."

    @server.completion("review", "title")
    def complete_title(typed: str) -> list[str]:
        return [f"{typed}mma"]

    return server


@sides
async def test_everything_is_there_and_works(behind: str, front: str, way: str) -> None:
    async with gateway(library(), behind, front, way, prefix="lib") as client:
        assert {tool.name for tool in await client.list_tools()} == {
            "lib_due",
            "lib_refuse",
            "lib_lend",
            "lib_count",
        }
        assert (await client.call_tool("lib_due")).data == date(2026, 12, 1)
        with pytest.raises(ToolFailed, match="The library is closed"):
            await client.call_tool("lib_refuse")
        assert [each.uri for each in await client.list_resources()] == ["library://hours"]
        assert (await client.read_resource("library://hours"))[0].text == "9 to 5"
        read = await client.read_resource("library://books/a%20b/c")
        assert read[0].text == "The book at a b/c"
        assert [prompt.name for prompt in await client.list_prompts()] == ["lib_review"]
        prompt = await client.get_prompt("lib_review", {"title": "Emma"})
        assert prompt.messages[0].content.text == "Review Emma."
        found = await client.complete("title", "E", prompt="lib_review")
        assert found.values == ["Emma"]
        found = await client.complete("path", "e", template="library://books/{+path}")
        assert found.values == ["emma"]
        with pytest.raises(ServerError, match="Unknown tool"):
            await client.call_tool("lib_other")


@sides
async def test_what_is_asked_there_is_asked_here(behind: str, front: str, way: str) -> None:
    async with gateway(
        library(),
        behind,
        front,
        way,
        on_elicit=lambda question: {"value": "Ann"},
        on_sample=lambda request: CreateMessageResult(
            role="assistant", model="test", content=TextContent(text="a fine book")
        ),
        roots=["file:///a", "file:///b"],
    ) as client:
        result = await client.call_tool("lend", {"title": "Emma"})

    assert result.data == "Emma for Ann: a fine book (2 roots)"


@sides
async def test_a_caller_who_cannot_be_asked_is_not(behind: str, front: str, way: str) -> None:
    async with gateway(library(), behind, front, way) as client:
        with pytest.raises((ToolFailed, ServerError)):
            await client.call_tool("lend", {"title": "Emma"})


@sides
async def test_progress_and_log_lines_come_through(behind: str, front: str, way: str) -> None:
    steps: list[Any] = []
    lines: list[Any] = []
    async with gateway(
        library(), behind, front, way, on_log=lambda line: lines.append(line.data), log_level="info"
    ) as client:
        await client.call_tool("count", on_progress=lambda step: steps.append(step.message))

    assert steps == ["step 1", "step 2"]
    # On a pipe without sessions a line does not say which call it belongs to.
    assert lines == ([] if (behind, way) == (STATELESS, "memory") else ["counted"])


@sides
async def test_who_stops_waiting_stops_the_call_there(behind: str, front: str, way: str) -> None:
    upstream = new_server()
    began, ended = asyncio.Event(), asyncio.Event()

    @upstream.tool
    async def wait() -> str:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return ""

    async with gateway(upstream, behind, front, way) as client:
        call = asyncio.ensure_future(client.call_tool("wait"))
        await began.wait()
        call.cancel()
        await ended.wait()
        with pytest.raises(asyncio.CancelledError):
            await call


@sides
async def test_callers_are_never_mixed_up(behind: str, front: str, way: str) -> None:
    upstream = new_server()
    together = asyncio.Barrier(2)
    reached: set[str] = set()

    @upstream.tool
    async def who(ctx: Context, name: str) -> str:
        if name not in reached:  # In an era without connections it runs again for the answer.
            reached.add(name)
            await together.wait()
        return f"{name}: {(await ctx.ask('Who are you?', str)).data}"

    server = new_server("gateway")
    async with (
        target_of(upstream, way) as target,
        Proxy(target, revisions=[behind]).serving(server),
        Client(server, revisions=[front], on_elicit=lambda q: {"value": "ann"}) as ann,
        Client(server, revisions=[front], on_elicit=lambda q: {"value": "bob"}) as bob,
    ):
        found = await asyncio.gather(
            ann.call_tool("who", {"name": "ann"}), bob.call_tool("who", {"name": "bob"})
        )

    assert [each.data for each in found] == ["ann: ann", "bob: bob"]


@sides
async def test_what_changes_there_changes_here(behind: str, front: str, way: str) -> None:
    upstream = library()
    async with (
        gateway(upstream, behind, front, way) as client,
        client.listen(tools=True, uris=["library://hours"]) as changes,
    ):
        upstream.tool("more")(lambda: 1)
        while (await anext(changes)).kind != "tools":
            pass
        while "more" not in [tool.name for tool in await client.list_tools()]:
            await anext(changes)
        upstream.notify_resource_updated("library://hours")
        while (change := await anext(changes)).kind != "resource":
            pass
        assert change.uri == "library://hours"


async def test_what_is_here_is_chosen_and_named() -> None:
    async with gateway(
        library(),
        STATELESS,
        STATELESS,
        include=["du*", "l*", "library://*"],
        exclude=["lend", "*hours"],
        rename=str.upper,
    ) as client:
        assert [tool.name for tool in await client.list_tools()] == ["DUE"]
        assert await client.list_resources() == []
        assert len(await client.list_resource_templates()) == 1


async def test_a_name_that_is_taken_stays_with_its_owner(caplog: pytest.LogCaptureFixture) -> None:
    server = new_server("gateway")
    server.tool("due")(lambda: "mine")
    async with Proxy(library()).serving(server), Client(server) as client:
        assert (await client.call_tool("due")).text == "mine"
    assert "'due' is left out: the name is taken" in caplog.text
    assert [tool.key for tool in server.tools] == ["due"]


async def test_several_servers_are_one_by_a_lifespan() -> None:
    lifespan = lifespan_of(Proxy(library(), prefix="a"), Proxy(library(), prefix="b"))
    server = new_server("gateway", lifespan=lifespan)
    async with Client(server) as client:
        names = {tool.name for tool in await client.list_tools()}
        assert {"a_due", "b_due"} <= names
    await server.shutdown()


async def test_a_server_that_is_down_is_a_clear_failure_and_nothing_more(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.CRITICAL)
    server = new_server("gateway")
    upstream = library()
    async with served(upstream) as url:
        proxy = Proxy(url, prefix="lib", revisions=[STATELESS])
        serving = proxy.serving(server)
        await serving.__aenter__()
    async with Client(server) as client:
        with pytest.raises(ToolFailed) as caught:
            await client.call_tool("lib_due")
        await serving.__aexit__(None, None, None)

    assert caught.value.result.text == "The server 'lib' is not available at the moment."


async def test_a_failure_there_tells_nothing_of_its_insides() -> None:
    upstream = new_server()

    @upstream.resource("library://secret")
    def secret() -> str:
        raise RuntimeError("password=hunter2")

    async with gateway(upstream, STATELESS, STATELESS, prefix="lib") as client:
        with pytest.raises(ServerError, match="The server 'lib' failed") as caught:
            await client.read_resource("library://secret")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("behind", ERAS)
async def test_a_callers_credentials_stay_here(behind: str) -> None:
    upstream = new_server()

    @upstream.tool
    def credentials(ctx: Context) -> list[str]:
        return [ctx.headers.get("authorization", ""), ctx.headers.get("x-secret", "")]

    server = new_server("gateway")
    async with served(upstream) as behind_url, served(server) as url:
        proxy = Proxy(behind_url, revisions=[behind], headers={"authorization": "Bearer proxy"})
        headers = {"authorization": "Bearer caller", "x-secret": "caller"}
        async with proxy.serving(server), Client(url, headers=headers) as client:
            result = await client.call_tool("credentials", as_=list[str])

    assert result.data == ["Bearer proxy", ""]


async def test_a_server_that_was_down_is_mirrored_once_it_is_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    server = new_server("gateway")
    proxy = Proxy(f"http://127.0.0.1:{port}/mcp", patience=0.01)
    async with (
        proxy.serving(server),
        Client(server) as client,
        client.listen(tools=True) as changes,
    ):
        assert await client.list_tools() == []
        async with listening(application_of(library()), port=port):
            await anext(changes)
            while len(await client.list_tools()) < 4:
                await anext(changes)
