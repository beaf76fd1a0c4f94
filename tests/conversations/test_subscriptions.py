"""subscriptions/listen: a stream of changes, from its acknowledgement to its end."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from django_mcp import Context, MCPServer
from django_mcp.authentication import anonymous
from django_mcp.server import subscriptions as limits
from django_mcp.server.components import Callee
from django_mcp.server.finding import Finder, Found
from django_mcp.server.handlers import subscriptions as handler
from tests.conversations.talk import STAMP, by_name
from tests.doors import META, Stream, envelope

EVERYTHING = {
    "toolsListChanged": True,
    "promptsListChanged": True,
    "resourcesListChanged": True,
    "resourceSubscriptions": ["library://motto"],
}


@pytest.fixture(autouse=True)
def _fill(server: MCPServer) -> None:
    server.add_resource("library://motto", "Lesen.")
    server.add_resource("library://rules", "Still sein.")

    @server.resource("library://books/{book_id}")
    async def book(book_id: int) -> str:
        raise NotImplementedError


def listening(
    door: Any, *, id: Any = "sub-1", headers: Any = None, **wanted: Any
) -> AbstractAsyncContextManager[Stream]:
    message = envelope("subscriptions/listen", {"notifications": wanted}, id=id)
    return door.opened(message, **(headers or {}))


def told(method: str, id: Any = "sub-1", **params: Any) -> dict[str, Any]:
    params = {"_meta": {META + "subscriptionId": id}, **params}
    return {"jsonrpc": "2.0", "method": f"notifications/{method}", "params": params}


def acknowledged(id: Any = "sub-1", **honoured: Any) -> dict[str, Any]:
    return told("subscriptions/acknowledged", id, notifications=honoured)


def closed(id: Any = "sub-1") -> dict[str, Any]:
    """The answer to the request for the stream, which says that the server ended it."""
    meta = {**STAMP, META + "subscriptionId": id}
    return {"jsonrpc": "2.0", "id": id, "result": {"resultType": "complete", "_meta": meta}}


async def rest(stream: Stream, server: MCPServer) -> list[Any]:
    """End the stream from the server's side, and return what came before the closing answer."""
    await server.shutdown()
    await stream.rest()
    messages = []
    while True:
        try:
            messages.append(await stream.message())
        except EOFError:
            break
    assert messages.pop()["result"]["resultType"] == "complete"
    return messages


# Opening


@pytest.mark.parametrize("id", ["sub-1", 7, 0, ""])
async def test_the_first_message_says_what_is_honoured(streaming: Any, id: Any) -> None:
    async with listening(streaming, id=id, **EVERYTHING) as stream:
        assert stream.status == 200
        assert stream.headers["content-type"] == "text/event-stream"
        assert await stream.message() == acknowledged(id, **EVERYTHING)


@pytest.mark.parametrize(
    ("wanted", "honoured"),
    [
        ({}, {}),
        ({"toolsListChanged": False, "resourceSubscriptions": []}, {}),
        ({"toolsListChanged": None}, {}),
        ({"promptsListChanged": True, "later": True}, {"promptsListChanged": True}),
        (
            {"resourceSubscriptions": ["library://motto", "library://nope", "library://motto"]},
            {"resourceSubscriptions": ["library://motto"]},
        ),
        (
            {"resourceSubscriptions": ["library://books/7", "library://books/new", "", "x"]},
            {"resourceSubscriptions": ["library://books/7"]},
        ),
    ],
)
async def test_only_what_was_asked_for_and_exists_is_honoured(
    streaming: Any, wanted: Any, honoured: Any
) -> None:
    async with listening(streaming, **wanted) as stream:
        assert await stream.message() == acknowledged(**honoured)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"notifications": None},
        {"notifications": []},
        {"notifications": {"toolsListChanged": "yes"}},
        {"notifications": {"resourceSubscriptions": "library://motto"}},
        {"notifications": {"resourceSubscriptions": [5]}},
    ],
)
async def test_a_malformed_filter_is_invalid(streaming: Any, params: Any) -> None:
    reply = await streaming.call("subscriptions/listen", params)

    assert (reply.status, reply.error["code"]) == (400, -32602)


async def test_what_the_caller_may_not_read_is_left_out(guarded: Any, server: MCPServer) -> None:
    @server.resource("library://cellar", permission=lambda principal: principal.id == "name:ada")
    async def cellar() -> str:
        raise NotImplementedError

    wanted = {"resourceSubscriptions": ["library://cellar", "library://motto"]}
    for kind in ("consumer", "view"):
        door = guarded(by_name, kind)
        async with listening(door, headers={"x_caller": "ada"}, **wanted) as stream:
            assert await stream.message() == acknowledged(**wanted)
        async with listening(door, headers={"x_caller": "bob"}, **wanted) as stream:
            assert await stream.message() == acknowledged(resourceSubscriptions=["library://motto"])
            server.notify_resource_updated("library://cellar")
            server.notify_resource_updated("library://motto")
            assert await stream.message() == told("resources/updated", uri="library://motto")


async def test_without_streams_there_is_no_such_method(guarded: Any) -> None:
    reply = await guarded(anonymous, "wsgi").call("subscriptions/listen", {"notifications": {}})

    assert (reply.status, reply.error["code"]) == (404, -32601)


# Changes


async def test_every_kind_of_change_is_told(streaming: Any, server: MCPServer) -> None:
    async with listening(streaming, **EVERYTHING) as stream:
        await stream.message()

        server.notify_tools_changed()
        assert await stream.message() == told("tools/list_changed")
        server.notify_prompts_changed()
        assert await stream.message() == told("prompts/list_changed")
        server.notify_resources_changed()
        assert await stream.message() == told("resources/list_changed")
        server.notify_resource_updated("library://motto")
        assert await stream.message() == told("resources/updated", uri="library://motto")


async def test_adding_and_removing_is_told_by_itself(streaming: Any, server: MCPServer) -> None:
    async with listening(streaming, **EVERYTHING) as stream:
        await stream.message()

        for change, method in (
            (lambda: server.add_tool(lambda: None, "new"), "tools/list_changed"),
            (lambda: server.remove_tool("new"), "tools/list_changed"),
            (lambda: server.add_prompt(lambda: "", "new"), "prompts/list_changed"),
            (lambda: server.remove_prompt("new"), "prompts/list_changed"),
            (lambda: server.add_resource("x://new", ""), "resources/list_changed"),
            (lambda: server.remove_resource("x://new"), "resources/list_changed"),
            (lambda: server.resource("x://{a}")(_echo), "resources/list_changed"),
            (lambda: server.remove_resource("x://{a}"), "resources/list_changed"),
        ):
            change()
            assert await stream.message() == told(method)


def _echo(a: str) -> str:
    raise NotImplementedError


@pytest.mark.parametrize("wanted", EVERYTHING)
async def test_what_was_not_asked_for_is_not_told(
    streaming: Any, server: MCPServer, wanted: str
) -> None:
    methods = {
        "toolsListChanged": told("tools/list_changed"),
        "promptsListChanged": told("prompts/list_changed"),
        "resourcesListChanged": told("resources/list_changed"),
        "resourceSubscriptions": told("resources/updated", uri="library://motto"),
    }
    async with listening(streaming, **{wanted: EVERYTHING[wanted]}) as stream:
        await stream.message()
        server.notify_tools_changed()
        server.notify_prompts_changed()
        server.notify_resources_changed()
        server.notify_resource_updated("library://motto")
        server.notify_resource_updated("library://rules")

        assert await rest(stream, server) == [methods[wanted]]


async def test_changes_of_the_same_thing_are_told_once(streaming: Any, server: MCPServer) -> None:
    wanted = {**EVERYTHING, "resourceSubscriptions": ["library://motto", "library://books/7"]}
    async with listening(streaming, **wanted) as stream:
        await stream.message()
        for _ in range(50):
            server.notify_resource_updated("library://motto")
            server.notify_tools_changed()
            server.notify_resource_updated("library://books/7")

        assert await rest(stream, server) == [
            told("resources/updated", uri="library://motto"),
            told("tools/list_changed"),
            told("resources/updated", uri="library://books/7"),
        ]


async def test_a_tool_tells_of_what_it_changed(streaming: Any, server: MCPServer) -> None:
    @server.tool
    async def write(ctx: Context) -> None:
        ctx.notify_resource_updated("library://motto")
        ctx.notify_tools_changed()
        ctx.notify_prompts_changed()
        ctx.notify_resources_changed()

    async with listening(streaming, **EVERYTHING) as stream:
        await stream.message()
        await streaming.tool("write")

        assert [await stream.message() for _ in range(4)] == [
            told("resources/updated", uri="library://motto"),
            told("tools/list_changed"),
            told("prompts/list_changed"),
            told("resources/list_changed"),
        ]


async def test_a_change_may_be_told_from_any_thread(streaming: Any, server: MCPServer) -> None:
    async with listening(streaming, **EVERYTHING) as stream:
        await stream.message()
        thread = threading.Thread(target=server.notify_tools_changed)
        thread.start()

        assert await stream.message() == told("tools/list_changed")
        thread.join()


async def test_a_change_right_after_the_acknowledgement_is_not_lost(
    streaming: Any, server: MCPServer
) -> None:
    # Whoever reads a list after the acknowledgement must hear of every change after that.
    async with listening(streaming, **EVERYTHING) as stream:
        await stream.until(b"acknowledged")
        server.notify_tools_changed()
        await stream.message()

        assert await stream.message() == told("tools/list_changed")


async def test_streams_are_told_apart_by_their_ids(streaming: Any, server: MCPServer) -> None:
    async with (
        listening(streaming, id="a", toolsListChanged=True) as first,
        listening(streaming, id="b", toolsListChanged=True, promptsListChanged=True) as second,
    ):
        assert await first.message() == acknowledged("a", toolsListChanged=True)
        assert await second.message() == acknowledged(
            "b", toolsListChanged=True, promptsListChanged=True
        )
        server.notify_prompts_changed()
        server.notify_tools_changed()

        assert await first.message() == told("tools/list_changed", "a")
        assert await second.message() == told("prompts/list_changed", "b")
        assert await second.message() == told("tools/list_changed", "b")


# The end


async def test_a_server_that_shuts_down_answers_the_request(
    streaming: Any, server: MCPServer
) -> None:
    async with (
        listening(streaming, id="a", **EVERYTHING) as first,
        listening(streaming, id=2, **EVERYTHING) as second,
    ):
        await first.message()
        await second.message()

        await server.shutdown()

        assert await first.message() == closed("a")
        assert await second.message() == closed(2)
        for stream in (first, second):
            with pytest.raises(EOFError):
                await stream.message()


async def test_what_happened_before_the_end_is_told_before_it(
    streaming: Any, server: MCPServer
) -> None:
    async with listening(streaming, **EVERYTHING) as stream:
        await stream.message()
        server.notify_tools_changed()
        await asyncio.gather(server.shutdown())

        assert await stream.message() == told("tools/list_changed")
        assert await stream.message() == closed()


async def test_a_client_that_goes_away_is_forgotten(streaming: Any, server: MCPServer) -> None:
    async with listening(streaming, **EVERYTHING) as stream:
        await stream.message()
        assert len(server.subscriptions) == 1

        await stream.disconnect()

    assert len(server.subscriptions) == 0
    server.notify_tools_changed()


@pytest.mark.parametrize("kind", ["consumer", "view"])
async def test_a_silent_stream_is_kept_open_with_comments(
    guarded: Any, settings: Any, server: MCPServer, kind: str
) -> None:
    settings.DJANGO_MCP = {"KEEP_ALIVE": 0.005}

    async with listening(guarded(anonymous, kind), toolsListChanged=True) as stream:
        await stream.until(b"\n\n:\n\n:\n\n")
        server.notify_tools_changed()

        assert await stream.message() == acknowledged(toolsListChanged=True)
        assert await stream.message() == told("tools/list_changed")


# Limits


async def test_a_server_serves_only_so_many_streams(
    streaming: Any, server: MCPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handler, "MAX_LISTENERS", 1)
    async with listening(streaming, toolsListChanged=True) as stream:
        await stream.message()

        reply = await streaming.call("subscriptions/listen", {"notifications": {}})

        assert (reply.status, reply.error["code"]) == (200, -32603)
        assert "as many subscriptions" in reply.error["message"]
        await stream.disconnect()
    async with listening(streaming, toolsListChanged=True) as stream:
        assert await stream.message() == acknowledged(toolsListChanged=True)


async def test_one_stream_follows_only_so_many_resources(
    streaming: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handler, "MAX_RESOURCES", 2)
    three = [f"library://books/{number}" for number in range(3)]

    reply = await streaming.call(
        "subscriptions/listen", {"notifications": {"resourceSubscriptions": three}}
    )

    assert (reply.status, reply.error["code"]) == (400, -32602)
    async with listening(streaming, resourceSubscriptions=three[:2]) as stream:
        assert await stream.message() == acknowledged(resourceSubscriptions=three[:2])


async def test_a_server_that_is_full_does_not_look_at_what_is_wanted(
    streaming: Any, server: MCPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    @server.resource("secret://{a}", permission=lambda principal: bool(asked.append("asked")))
    async def secret(a: str) -> str:
        raise NotImplementedError

    monkeypatch.setattr(handler, "MAX_LISTENERS", 0)
    wanted = {"resourceSubscriptions": ["secret://1", "x" * 5000]}
    reply = await streaming.call("subscriptions/listen", {"notifications": wanted})

    assert "as many subscriptions" in reply.error["message"]
    assert asked == []


@pytest.mark.parametrize("kind", ["consumer", "view"])
async def test_one_caller_has_only_so_many_streams(
    guarded: Any, server: MCPServer, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(handler, "MAX_OF_ONE", 1)
    door = guarded(by_name, kind)
    ada, bob = {"x_caller": "ada"}, {"x_caller": "bob"}
    async with listening(door, headers=ada) as stream:
        await stream.message()

        message = envelope("subscriptions/listen", {"notifications": {}})
        reply = await door.post(message, **ada)
        assert (reply.status, reply.error["code"]) == (400, -32600)
        assert "close one first" in reply.error["message"]
        async with listening(door, headers=bob) as another:
            assert await another.message() == acknowledged()
        await stream.disconnect()
    async with listening(door, headers=ada) as stream:
        assert await stream.message() == acknowledged()


async def test_callers_without_a_name_have_more_streams_but_not_all(
    streaming: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handler, "MAX_OF_ONE", 0)
    monkeypatch.setattr(handler, "MAX_OF_ANONYMOUS", 1)
    async with listening(streaming) as stream:
        assert await stream.message() == acknowledged()

        reply = await streaming.call("subscriptions/listen", {"notifications": {}})

        assert (reply.status, reply.error["code"]) == (400, -32600)
    assert limits.MAX_OF_ONE < limits.MAX_OF_ANONYMOUS < limits.MAX_LISTENERS


async def test_a_request_that_is_refused_takes_nobodys_place(
    streaming: Any, server: MCPServer
) -> None:
    wanted = {"resourceSubscriptions": ["x" * 2049]}
    await streaming.call("subscriptions/listen", {"notifications": wanted})

    assert len(server.subscriptions) == 0


@pytest.mark.parametrize(("length", "status"), [(2048, 200), (2049, 400)])
async def test_a_uri_that_is_followed_is_only_so_long(
    streaming: Any, server: MCPServer, length: int, status: int
) -> None:
    uri = "library://books/1".ljust(length, "0")
    message = envelope("subscriptions/listen", {"notifications": {"resourceSubscriptions": [uri]}})
    async with streaming.opened(message) as stream:
        answer = await stream.message() if status == 200 else json.loads(await stream.rest())

    assert stream.status == status
    assert status == 200 or answer["error"]["code"] == -32602


async def test_others_get_their_turn_while_many_resources_are_looked_at(
    streaming: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, turns, seen = asyncio.get_running_loop(), 0, []

    def turn() -> None:
        nonlocal turns, turning
        turns += 1
        turning = loop.call_soon(turn)

    async def find(self: Any, uri: str) -> Found:
        seen.append(turns)
        return Found(Callee(function=find, is_async=True, context=None), {}, None, False)

    monkeypatch.setattr(Finder, "find", find)
    turning = loop.call_soon(turn)
    async with listening(streaming, resourceSubscriptions=[f"x://{n}" for n in range(100)]) as new:
        await new.message()
    turning.cancel()

    assert len(seen) == 100
    assert max(seen.count(turn) for turn in seen) <= 20
