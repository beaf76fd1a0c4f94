"""Context: what a function learns of its call, and what it may do with its server."""

from __future__ import annotations

import atexit
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.urls import path

from django_mcp import ANONYMOUS, Context, MCPServer, NotFound, Principal
from django_mcp.authentication import anonymous
from django_mcp.urls import mcp_view
from tests.conversations.talk import by_name, consumer_of, failed, listed, said
from tests.doors import META, AsgiDoor, Door, Request, WsgiDoor, envelope, headers_for

# Who calls, and how


async def test_a_function_sees_the_headers_of_its_request(door: Door, server: MCPServer) -> None:
    @server.tool
    async def look(ctx: Context):  # type: ignore[no-untyped-def]
        absent = ctx.headers.get("x-absent", "nothing")
        return f"{ctx.headers['x-tenant']} {ctx.headers['mcp-name']} {absent}"

    reply = await door.post(envelope("tools/call", {"name": "look"}), X_Tenant="north")

    assert reply.result == said("north look nothing")


async def test_whoever_is_let_in_without_a_name_is_anonymous(door: Door, server: MCPServer) -> None:
    seen: list[Any] = []

    @server.tool
    async def look(ctx: Context) -> None:
        seen.extend([ctx.principal, ctx.user])

    await door.tool("look")

    assert seen == [ANONYMOUS, None]


@pytest.mark.parametrize("kind", ["consumer", "view", "wsgi"])
async def test_a_function_sees_the_caller_the_authentication_found(
    server: MCPServer, guarded: Any, kind: str
) -> None:
    caller = Principal(id="user:7", user=object(), scopes=frozenset({"read"}), client_id="a-client")
    seen: list[Any] = []

    @server.tool
    async def look(ctx: Context) -> None:
        seen.extend([ctx.principal, ctx.user])

    await guarded(lambda request: caller, kind).tool("look")

    assert seen[0] is caller
    assert seen[1] is caller.user


@pytest.mark.parametrize("route", ["orgs/<slug:org>/<int:year>/mcp"])
@pytest.mark.parametrize("kind", ["consumer", "view", "wsgi"])
async def test_a_function_sees_what_stands_in_its_servers_url(
    server: MCPServer, settings: Any, kind: str, route: str
) -> None:
    @server.tool
    async def look(ctx: Context) -> dict[str, Any]:
        return dict(ctx.url_kwargs)

    settings.ROOT_URLCONF = (path(route, mcp_view(server, authenticate=anonymous)),)
    door: Door = {
        "consumer": lambda: consumer_of(server, route),
        "view": lambda: AsgiDoor("view", ASGIHandler()),
        "wsgi": lambda: WsgiDoor("wsgi", WSGIHandler()),
    }[kind]()
    message = envelope("tools/call", {"name": "look"})
    body, headers = json.dumps(message).encode(), headers_for(message)

    known = await door.send(Request(path="/orgs/north/2026/mcp", headers=headers, body=body))
    unknown = await door.send(Request(path="/orgs/north/soon/mcp", headers=headers, body=body))

    assert known.result["structuredContent"] == {"org": "north", "year": 2026}
    assert unknown.status == 404


async def test_a_server_at_a_plain_path_has_nothing_in_its_url(
    door: Door, server: MCPServer
) -> None:
    @server.tool
    async def look(ctx: Context) -> dict[str, Any]:
        return dict(ctx.url_kwargs)

    assert (await door.tool("look"))["structuredContent"] == {}


async def test_a_function_may_look_at_the_request_of_its_transport(
    door: Door, server: MCPServer
) -> None:
    seen: list[Any] = []

    @server.tool
    async def look(ctx: Context) -> None:
        seen.append(ctx.request)

    await door.tool("look")

    expected = {"consumer": dict, "view": ASGIRequest, "wsgi": WSGIRequest}[door.name]
    assert isinstance(seen[0], expected)


# The client and its request


async def test_a_function_knows_which_request_it_answers(door: Door, server: MCPServer) -> None:
    @server.tool
    async def look(ctx: Context, word: str) -> dict[str, Any]:
        return {
            "method": ctx.method,
            "target": ctx.target,
            "id": ctx.request_id,
            "arguments": ctx.params["arguments"],
            "trace": ctx.params["_meta"]["traceparent"],
            "version": ctx.protocol_version,
            "server": ctx.server.name,
        }

    params = {"name": "look", "arguments": {"word": "hi"}}
    reply = await door.call("tools/call", params, id="r-1", meta={"traceparent": "00-1-2-00"})

    assert reply.result["structuredContent"] == {
        "method": "tools/call",
        "target": "look",
        "id": "r-1",
        "arguments": {"word": "hi"},
        "trace": "00-1-2-00",
        "version": "2026-07-28",
        "server": "test",
    }


async def test_a_function_knows_what_the_client_says_of_itself(
    door: Door, server: MCPServer
) -> None:
    @server.tool
    async def look(ctx: Context):  # type: ignore[no-untyped-def]
        info, can = ctx.client_info, ctx.client_capabilities
        who = f"{info.name} {info.version}" if info else "somebody"
        return f"{who} {can.roots is not None} {can.sampling is not None}"

    named = await door.tool("look", capabilities={"roots": {}})
    message = envelope("tools/call", {"name": "look"})
    del message["params"]["_meta"][META + "clientInfo"]
    unnamed = await door.post(message)

    assert named == said("test 1 True False")
    assert unnamed.result == said("somebody False False")


async def test_prompts_resources_and_completions_see_their_call_too(
    door: Door, server: MCPServer
) -> None:
    seen: list[tuple[str, str]] = []

    @server.prompt
    async def review(ctx: Context, book: str) -> str:
        seen.append((ctx.method, ctx.target))
        return "text"

    @server.resource("library://books/{book_id}")
    def book(ctx: Context, book_id: int) -> str:
        seen.append((ctx.method, ctx.target))
        return "text"

    @server.completion("review", "book")
    async def books(ctx: Context, value: str) -> list[str]:
        seen.append((ctx.method, ctx.target))
        return []

    ref = {"type": "ref/prompt", "name": "review"}
    await door.call("prompts/get", {"name": "review", "arguments": {"book": "Momo"}})
    await door.call("resources/read", {"uri": "library://books/7"})
    await door.call("completion/complete", {"ref": ref, "argument": {"name": "book", "value": ""}})

    assert seen == [
        ("prompts/get", "review"),
        ("resources/read", "library://books/7"),
        ("completion/complete", "review"),
    ]


# The rest of the server


async def test_a_function_reads_other_resources_as_its_caller(
    server: MCPServer, guarded: Any
) -> None:
    @server.resource("library://cellar", permission=lambda principal: principal.id == "name:ada")
    def cellar(ctx: Context) -> str:
        return f"old books, {ctx.principal.id}"

    @server.tool
    async def look(ctx: Context):  # type: ignore[no-untyped-def]
        try:
            (contents,) = await ctx.read_resource("library://cellar")
        except NotFound:
            return "nothing there"
        return contents.text

    for kind in ("consumer", "view", "wsgi"):
        door = guarded(by_name, kind)
        message = envelope("tools/call", {"name": "look"})

        assert (await door.post(message, x_caller="ada")).result == said("old books, name:ada")
        assert (await door.post(message, x_caller="bob")).result == said("nothing there")


async def test_waiting_is_for_functions_in_threads(
    door: Door, server: MCPServer, caplog: pytest.LogCaptureFixture
) -> None:
    @server.tool
    async def look(ctx: Context) -> None:
        ctx.wait(ctx.report_progress(1))

    assert (await door.tool("look"))["isError"] is True
    assert "in an async one, use await" in caplog.text


# What the server has set up


async def test_a_function_gets_what_the_lifespan_yielded() -> None:
    steps: list[str] = []

    @asynccontextmanager
    async def lifespan(server: MCPServer) -> AsyncIterator[dict[str, Any]]:
        steps.append(f"open {server.name}")
        yield {"pool": steps}
        steps.append("close")

    server = MCPServer("test", version="1.0", lifespan=lifespan)

    @server.tool
    async def look(ctx: Context) -> None:
        ctx.lifespan_state["pool"].append("used")

    door = consumer_of(server)
    await door.tool("look")
    await door.tool("look")
    await server.shutdown()

    assert steps == ["open test", "used", "used", "close"]


async def test_without_a_lifespan_there_is_nothing(door: Door, server: MCPServer) -> None:
    @server.tool
    async def look(ctx: Context):  # type: ignore[no-untyped-def]
        return repr(ctx.lifespan_state)

    assert await door.tool("look") == said("None")


async def test_a_lifespan_that_fails_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    tries: list[int] = []

    @asynccontextmanager
    async def lifespan(server: MCPServer) -> AsyncIterator[str]:
        tries.append(len(tries))
        if len(tries) == 1:
            raise OSError("secret: no database yet")
        yield "ready"

    server = MCPServer("test", version="1.0", lifespan=lifespan)

    @server.tool
    async def look(ctx: Context):  # type: ignore[no-untyped-def]
        return ctx.lifespan_state

    door = consumer_of(server)
    first = await door.call("tools/call", {"name": "look"})
    second = await door.tool("look")
    await server.shutdown()

    assert first.result == failed("Error executing tool look: internal error.")
    assert "secret: no database yet" in caplog.text
    assert second == said("ready")


async def test_the_lifespan_follows_that_of_the_process() -> None:
    steps: list[str] = []

    @asynccontextmanager
    async def lifespan(server: MCPServer) -> AsyncIterator[str]:
        steps.append("open")
        yield "ready"
        steps.append("close")

    server = MCPServer("test", version="1.0", lifespan=lifespan)
    incoming = ["lifespan.startup", "lifespan.shutdown"]

    async def receive() -> dict[str, Any]:
        steps.append(incoming[0])
        return {"type": incoming.pop(0)}

    async def send(message: dict[str, Any]) -> None:
        steps.append(message["type"])

    await consumer_of(server).application({"type": "lifespan"}, receive, send)

    assert steps == [
        "lifespan.startup",
        "open",
        "lifespan.startup.complete",
        "lifespan.shutdown",
        "close",
        "lifespan.shutdown.complete",
    ]


def test_under_wsgi_a_lifespan_lives_as_long_as_a_request(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    steps: list[str] = []
    kept: list[Any] = []
    monkeypatch.setattr(atexit, "register", lambda function, *args: kept.append(function))
    monkeypatch.setattr(atexit, "unregister", kept.remove)

    @asynccontextmanager
    async def lifespan(server: MCPServer) -> AsyncIterator[str]:
        steps.append("open")
        try:
            yield "ready"
        finally:
            steps.append("close")

    server = MCPServer("test", version="1.0", lifespan=lifespan)
    settings.ROOT_URLCONF = (path("mcp", mcp_view(server, authenticate=anonymous)),)
    message = envelope("tools/list")
    request = Request(headers=headers_for(message), body=json.dumps(message).encode())
    door = WsgiDoor("wsgi", WSGIHandler())

    # Each request has an event loop of its own there, and none may stay behind.
    assert [door._send(request).result for _ in range(3)] == [listed(tools=[])] * 3
    assert steps == ["open", "close"] * 3
    assert kept == []
