"""HTTP+SSE of 2024-11-05: the stream, the POSTs to it, and who may make them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from django_mcp import Context, MCPServer
from django_mcp.routing import MCPRouter, mount
from django_mcp.server.broker import InMemoryBroker
from django_mcp.server.sessions import InMemorySessions, Limits, NoSessions
from django_mcp.transports import duplex, wire
from tests.conversations.talk import accepted, by_name, consumer_of
from tests.doors import Reply, Request
from tests.lines import (
    INITIALIZED,
    StreamLine,
    application_of,
    calling,
    introduction,
    line_to,
    nobody,
    request,
)

PING = json.dumps(request("ping")).encode()
NO_SUCH_SESSION = {
    "jsonrpc": "2.0",
    "error": {
        "code": -32001,
        "message": "There is no such session: start one with initialize.",
    },
}


def opened(server: MCPServer, **options: Any) -> Any:
    return line_to("sse", server, **options)


def a_line(server: MCPServer, authenticate: Any = None, **headers: str) -> StreamLine:
    """A client that has not asked for anything yet."""
    options = {} if authenticate is None else {"authenticate": authenticate}
    return StreamLine(application_of("sse", server, **options), headers)


async def refused(line: StreamLine, **scope: Any) -> Reply:
    """What a client gets in place of a stream."""
    await line.open(**scope)
    part = await line.next()
    await line.ended()
    return Reply(status=line.status, headers=line.reply_headers, body=part["body"])


# --------------------------------------------------------------------------------------- the stream


async def test_the_first_event_says_where_to_post(server: MCPServer) -> None:
    async with opened(server, version=None) as line:
        assert line.reply_headers["content-type"] == "text/event-stream"
        assert line.reply_headers["cache-control"] == "no-cache, no-transform"
        path, _, id = line.uri.partition("?session_id=")
        assert path == "/line"
        assert len(id) >= 43
        async with opened(server, version=None) as other:
            assert other.uri != line.uri


async def test_every_message_is_an_event_and_every_post_accepted(server: MCPServer) -> None:
    async with opened(server, version=None) as line:
        reply = await line.post(json.dumps(introduction("2024-11-05")).encode())
        assert (reply.status, reply.body) == (202, b"")
        event = await line.event()
        assert (event.event, event.id, event.retry) == ("message", None, None)
        assert json.loads(event.data)["result"]["protocolVersion"] == "2024-11-05"


async def test_a_silent_stream_is_kept_alive(server: MCPServer, settings: Any) -> None:
    settings.DJANGO_MCP = {"KEEP_ALIVE": 0.01}
    async with opened(server, version=None) as line:
        while b"\n:\n\n" not in line.raw:
            line.raw += (await line.next())["body"]
        assert await line.result("ping") == {}


@pytest.mark.parametrize(
    ("root_path", "path", "uri"),
    [
        ("/some/prefix", "/some/prefix/line", "/some/prefix/line"),
        ("/some/prefix", "/line", "/some/prefix/line"),
        ("", "/line/", "/line/"),
        ("/li", "/line", "/li/line"),
    ],
)
async def test_the_uri_has_the_prefix_of_the_project(
    server: MCPServer, root_path: str, path: str, uri: str
) -> None:
    line = a_line(server)
    assert await line.open(path, root_path=root_path) == 200
    assert (await line.event()).data.decode().startswith(f"{uri}?session_id=")
    await line.leave()


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("/x y/line", "/x%20y/line"),
        ("//evil.example/line", "/evil.example/line"),
        ("/a\nevent: message\ndata: {}/line", "/a%0Aevent%3A%20message%0Adata%3A%20%7B%7D/line"),
        ("/☕?/line", "/%E2%98%95%3F/line"),
    ],
)
async def test_a_path_becomes_no_other_uri(server: MCPServer, path: str, uri: str) -> None:
    mounted = mount("<str:what>/line", server, transport="sse", authenticate=by_name)
    line = StreamLine(MCPRouter([mounted], nobody), {"x-caller": "ada"})
    route = line.scope("http", "/")
    line.to_app.put_nowait({"type": "http.request", "body": b""})
    line.start({**route, "path": path, "method": "GET", "scheme": "http"})
    await line.next()
    assert (await line.event()).data.decode().startswith(f"{uri}?session_id=")
    await line.leave()


async def test_parameters_of_the_url_reach_the_functions(server: MCPServer) -> None:
    @server.tool
    def where(ctx: Context) -> str:
        """Where."""
        return str(ctx.url_kwargs["org"])

    mounted = mount("orgs/<slug:org>/line", server, transport="sse", authenticate=by_name)
    line = StreamLine(MCPRouter([mounted], nobody), {"x-caller": "ada"})
    await line.open("/orgs/acme/line")
    line.uri = (await line.event()).data.decode()
    await line.initialize()
    assert (await line.tool("where"))["content"][0]["text"] == "acme"
    # The session is bound to the place it was opened at.
    elsewhere = line.uri.replace("acme", "other")
    assert (await line.post(PING, elsewhere)).json == NO_SUCH_SESSION
    await line.leave()


async def test_a_server_that_keeps_no_sessions_has_no_streams() -> None:
    line = a_line(MCPServer("test", sessions=NoSessions()), by_name, **{"x-caller": "ada"})
    reply = await refused(line)
    assert reply.status == 501
    assert reply.error["code"] == -32600


# ---------------------------------------------------------------------------------- who is let in


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
async def test_other_methods_are_not_served(server: MCPServer, method: str) -> None:
    async with opened(server) as line:
        reply = await line.post(b"", method=method)
        assert reply.status == 405
        assert reply.headers["allow"] == "GET, POST"
        assert await line.result("ping") == {}


async def test_a_stream_is_opened_for_who_can_read_it(server: MCPServer) -> None:
    assert (await refused(a_line(server, accept="application/json"))).status == 406
    for accept in ("text/event-stream", "*/*", "application/json, text/event-stream"):
        async with opened(server, version=None, accept=accept) as line:
            assert line.status == 200


async def test_strangers_are_refused_at_both_ways_in(server: MCPServer) -> None:
    async with opened(server, authenticate=by_name, **{"x-caller": "ada"}) as line:
        for headers, status in [
            ({"x-caller": None}, 401),
            ({"host": "evil.example"}, 421),
            ({"origin": "https://evil.example"}, 403),
        ]:
            assert (await line.post(PING, **headers)).status == status
            stranger = a_line(server, by_name)
            given = {"host": "testserver", "x-caller": "ada", **headers}
            stranger.headers = {k: v for k, v in given.items() if v is not None}
            reply = await refused(stranger)
            assert reply.status == status
            assert ("www-authenticate" in reply.headers) == (status == 401)
    assert server.hub.lines == []


async def test_another_callers_session_is_as_unknown_as_any(server: MCPServer) -> None:
    async with opened(server, authenticate=by_name, **{"x-caller": "ada"}) as line:
        foreign = await line.post(PING, x_caller="bob")
        unknown = await line.post(PING, "/line?session_id=" + "x" * 43)
        impossible = await line.post(PING, "/line?session_id=%00%E2%98%95")
        assert await line.result("ping") == {}
        await line.leave()
        ended = await line.post(PING)
        for reply in (foreign, unknown, impossible, ended):
            assert (reply.status, reply.json) == (404, NO_SUCH_SESSION)


@pytest.mark.parametrize(
    "query",
    ["", "?", "?session_id=", "?session_id=a&session_id=b", "?sessionid=a", "?" + "a&" * 99],
)
async def test_a_post_names_one_session(server: MCPServer, query: str) -> None:
    async with opened(server) as line:
        reply = await line.post(PING, "/line" + query)
        assert reply.status == 400
        assert "session_id" in reply.error["message"]


async def test_sessions_of_other_transports_are_not_served(server: MCPServer) -> None:
    door = consumer_of(server)
    headers = {"host": "testserver", "content-type": "application/json"}
    headers["accept"] = "application/json, text/event-stream"
    body = json.dumps(introduction()).encode()
    id = (await door.send(Request(headers=headers.items(), body=body))).headers["mcp-session-id"]
    async with opened(server) as line:
        assert (await line.post(PING, f"/line?session_id={id}")).status == 404
        headers["mcp-session-id"] = line.uri.partition("=")[2]
        assert (await door.send(Request(headers=headers.items(), body=PING))).status == 404
        assert (await door.send(Request(headers=headers.items(), body=body))).status == 404


async def test_a_body_has_a_type_and_a_size(server: MCPServer, settings: Any) -> None:
    settings.DJANGO_MCP = {"MAX_BODY_BYTES": 500}
    async with opened(server) as line:
        assert (await line.post(PING, content_type="text/plain")).status == 415
        assert (await line.post(PING, content_type=None)).status == 415
        assert (await line.post(PING + b" " * 500)).status == 413
        assert (await line.post(PING, content_length="501")).status == 413
        assert (await line.post(PING, content_type="application/json; charset=utf-8")).status == 202
        assert (await line.hear())["result"] == {}


async def test_a_caller_with_too_many_streams_is_told_so(
    server: MCPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duplex, "MAX_OF_ONE", 1)
    async with opened(server, authenticate=by_name, **{"x-caller": "ada"}) as line:
        reply = await refused(a_line(server, by_name, **{"x-caller": "ada"}))
        assert (reply.status, reply.error["code"]) == (429, -32000)
        monkeypatch.setattr(duplex, "MAX_LISTENERS", 1)
        reply = await refused(a_line(server, by_name, **{"x-caller": "bob"}))
        assert (reply.status, reply.error["code"]) == (503, -32000)
        assert await line.result("ping") == {}


async def test_a_server_that_keeps_no_more_sessions_says_so() -> None:
    server = MCPServer("test", sessions=InMemorySessions(Limits(of_server=0)))
    reply = await refused(a_line(server, by_name, **{"x-caller": "ada"}))
    assert (reply.status, reply.error["code"]) == (503, -32000)
    assert server.hub.lines == []


async def test_a_client_that_floods_is_disconnected(
    server: MCPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "MAX_INCOMING", 1000)
    gate = asyncio.Event()

    async def slow(ctx: Context, call_next: Any) -> Any:
        await gate.wait()
        return await call_next(ctx)

    server.middleware = (slow,)
    async with opened(server, version=None) as line:
        # While initialize is not answered, nothing that follows is looked at.
        await line.say(introduction())
        while not line.task.done():
            await line.post(PING)
        assert (await line.post(PING)).status == 404


# -------------------------------------------------------------------------------- several processes


class SharedBroker(InMemoryBroker):
    """What several servers of this process share, as processes share a channel layer."""

    reaches_others = True


def process(sessions: InMemorySessions, broker: InMemoryBroker) -> MCPServer:
    """The server as one of several processes has it."""
    return MCPServer("test", sessions=sessions, broker=broker)


async def test_a_message_may_be_posted_to_another_process() -> None:
    sessions, broker = InMemorySessions(), SharedBroker()
    here, there = process(sessions, broker), process(sessions, broker)

    @here.tool
    async def ask(ctx: Context) -> str:
        """Ask."""
        return "yes" if await ctx.confirm("Well?") else "no"

    elsewhere = application_of("sse", there, by_name)
    async with opened(here, version=None, authenticate=by_name, **{"x-caller": "ada"}) as line:

        async def say(message: Any) -> None:
            body = json.dumps(message).encode()
            assert (await line.post(body, application=elsewhere)).status == 202

        await say(introduction(capabilities={"elicitation": {}}))
        assert (await line.hear())["id"] == 0
        await say(INITIALIZED)
        await say(calling("ask", id=1))
        question = await line.hear()
        await say({"jsonrpc": "2.0", "id": question["id"], "result": accepted()})
        assert (await line.hear())["result"]["content"][0]["text"] == "yes"
        foreign = await line.post(PING, application=elsewhere, x_caller="bob")
        assert foreign.json == NO_SUCH_SESSION
        # Unparseable text is no business of the other process.
        assert (await line.post(b"{", application=elsewhere)).status == 400
        # What the store knows of the session is what initialize settled.
        (key,) = here.hub._lines
        kept = await sessions.find(key)
        assert kept is not None
        assert (kept.stage.value, kept.client_info["name"]) == ("ready", "test")
        await line.leave()
        assert (await line.post(PING, application=elsewhere)).json == NO_SUCH_SESSION


async def test_a_process_that_reaches_no_other_says_so() -> None:
    sessions = InMemorySessions()
    here, there = process(sessions, InMemoryBroker()), process(sessions, InMemoryBroker())
    async with opened(here, authenticate=by_name, **{"x-caller": "ada"}) as line:
        reply = await line.post(PING, application=application_of("sse", there, by_name))
        assert (reply.status, reply.error["code"]) == (503, -32000)
        assert await line.result("ping") == {}


async def test_a_session_that_another_process_ends_closes_its_stream() -> None:
    sessions, broker = InMemorySessions(), SharedBroker()
    here, there = process(sessions, broker), process(sessions, broker)
    async with opened(here, authenticate=by_name, **{"x-caller": "ada"}) as line:
        (key,) = here.hub._lines
        assert await sessions.end(key)
        there.hub.ended(key)
        with pytest.raises(EOFError):
            await line.hear()
        await line.ended()


async def test_a_store_that_fails_ends_the_stream_and_tells_nothing(
    server: MCPServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(*args: Any) -> Any:
        raise RuntimeError("the password is swordfish")

    async with opened(server, version=None) as line:
        monkeypatch.setattr(server.sessions, "change", fail)
        await line.say(introduction())
        with pytest.raises(EOFError):
            await line.hear()
        await line.ended()
        assert b"swordfish" not in line.raw
    assert "broke off" in caplog.text
