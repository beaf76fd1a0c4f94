"""Sessions: whose they are, how they end, how many there may be, and batches in them."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest

from django_mcp import Context, MCPServer
from django_mcp.server import sessions, shares
from django_mcp.server.events import InMemoryEvents
from django_mcp.server.sessions import InMemorySessions, Limits, Session
from tests.conversations.talk import (
    RESUMABLE,
    STATEFUL,
    Client,
    accepted,
    by_name,
    consumer_of,
    texts,
)
from tests.doors import AsgiDoor, Door, Reply, Request

pytestmark = pytest.mark.usefixtures("leaves_nothing")


class Gate:
    """A tool that waits until it is let through."""

    def __init__(self, server: MCPServer) -> None:
        self.opened = asyncio.Event()
        self.reached = asyncio.Event()
        self.seen: list[str] = []
        server.add_tool(self.wait)

    async def wait(self) -> str:
        """Wait."""
        self.reached.set()
        try:
            await self.opened.wait()
        except asyncio.CancelledError:
            self.seen.append("cancelled")
            raise
        self.seen.append("passed")
        return "passed"


@pytest.fixture(autouse=True)
def _add(server: MCPServer) -> None:
    @server.tool
    async def add(a: int, b: int):  # type: ignore[no-untyped-def]
        return a + b

    @server.tool
    async def delete(ctx: Context):  # type: ignore[no-untyped-def]
        return "deleted" if await ctx.confirm("Sure?") else "kept"

    @server.tool
    async def look(ctx: Context):  # type: ignore[no-untyped-def]
        return f"{len(await ctx.list_roots())} roots"

    @server.tool
    async def count(ctx: Context):  # type: ignore[no-untyped-def]
        await ctx.report_progress(1)
        return "counted"


# The id


async def test_every_session_has_an_id_of_its_own_which_comes_once(door: Door) -> None:
    clients = [await Client(door).begin() for _ in range(3)]

    assert len({client.session for client in clients}) == 3
    for client in clients:
        reply = await client.request("ping")
        assert "mcp-session-id" not in reply.headers
        assert client.session is not None
        assert client.session.encode() not in reply.body


async def test_what_is_kept_of_a_session_does_not_tell_its_id(
    door: Door, server: MCPServer
) -> None:
    client = await Client(door).begin()

    assert client.session is not None
    assert client.session not in repr(vars(server.sessions))


async def send_all(client: Client) -> list[Reply]:
    """Everything that names a session, by every way in that there is."""
    replies = [
        await client.request("ping"),
        await client.notify("notifications/initialized"),
        await client.notify("notifications/cancelled", {"requestId": 1}),
        await client.answer({"id": "x"}, {}),
        await client.initialize(),
        await client.end(),
    ]
    if client.door.streams:
        replies += [await client.get(), await client.get("c0123456789abcdef-1")]
    return replies


NOT_FOUND = {
    "jsonrpc": "2.0",
    "error": {"code": -32001, "message": "There is no such session: start one with initialize."},
}


async def not_found(client: Client) -> bytes:
    """What a client is told that names this session; fails where it is told different things."""
    session = client.session
    bodies = set()
    for reply in await send_all(client):
        assert (reply.status, reply.json) == (404, NOT_FOUND)
        assert "mcp-session-id" not in reply.headers
        bodies.add(reply.body)
    client.session = session
    assert len(bodies) == 1
    return bodies.pop()


@pytest.mark.parametrize("kind", ["consumer", "view", "wsgi"])
async def test_unknown_foreign_misplaced_and_ended_sessions_are_told_apart_by_nobody(
    server: MCPServer, guarded: Any, settings: Any, kind: str
) -> None:
    door = guarded(by_name, kind)
    ada = await Client(door, caller="ada").begin()
    bob = Client(door, caller="bob").in_place_of(ada)
    ended = await Client(door, caller="ada").begin()
    await ended.end()
    unknown = Client(door, caller="ada")
    unknown.session = "x" * 43

    bodies = {await not_found(client) for client in (bob, ended, unknown)}

    assert len(bodies) == 1
    assert (await ada.request("ping")).result == {}


async def test_a_session_belongs_to_the_place_it_was_opened_at(server: MCPServer) -> None:
    door = consumer_of(server, "orgs/<slug:org>/mcp")
    client = await Client(door, path="/orgs/one/mcp").begin()
    elsewhere = Client(door, path="/orgs/two/mcp").in_place_of(client)

    await not_found(elsewhere)
    assert (await client.request("ping")).result == {}


async def test_a_session_belongs_to_the_server_it_was_opened_at(server: MCPServer) -> None:
    other = MCPServer("other", sessions=server.sessions, events=server.events)
    client = await Client(consumer_of(server)).begin()

    await not_found(Client(consumer_of(other)).in_place_of(client))
    assert (await client.request("ping")).result == {}


async def test_replicas_of_a_server_share_its_sessions(server: MCPServer) -> None:
    replica = MCPServer("test", sessions=server.sessions, events=server.events)
    client = await Client(consumer_of(server)).begin()
    there = Client(consumer_of(replica)).in_place_of(client)

    assert (await there.request("ping")).result == {}


@pytest.mark.parametrize(
    "id", ["", " ", "x" * 129, "x" * 10_000, "ü", "\xff", "a,b", "../../x", "%00"]
)
async def test_what_can_be_no_id_of_a_session_names_none(door: Door, id: str) -> None:
    client = Client(door)
    client.session = id

    reply = await client.request("ping")

    assert (reply.status, reply.json) == (404, NOT_FOUND)


@pytest.mark.parametrize("header", ["mcp-session-id", "mcp-protocol-version"])
async def test_a_header_of_the_session_that_comes_twice_is_refused(
    streaming: AsgiDoor, header: str
) -> None:
    client = await Client(streaming).begin()
    twice = [pair for pair in client.headers() if pair[0] == header]
    body = json.dumps(client.message("ping")).encode()

    for method in ("POST", "GET", "DELETE"):
        accept = {} if method == "POST" else {"accept": "text/event-stream"}
        headers = [*client.headers(**accept), *twice]
        sent = Request(method=method, headers=headers, body=body if method == "POST" else b"")
        reply = await streaming.send(sent)
        assert reply.status == 400
        assert "more than once" in reply.error["message"]
    assert (await client.request("ping")).result == {}


# The version


@pytest.mark.parametrize("revision", STATEFUL)
async def test_a_version_other_than_the_session_s_is_refused(door: Door, revision: str) -> None:
    client = await Client(door, revision).begin()
    others = [other for other in STATEFUL if other != revision]

    for other in [*others, "2099-01-01"]:
        replies = [
            await client.request("ping", mcp_protocol_version=other),
            await client.notify("notifications/x", mcp_protocol_version=other),
            await client.end(mcp_protocol_version=other),
        ]
        if door.streams:
            replies.append(await client.get(mcp_protocol_version=other))
        assert {reply.status for reply in replies} == {400}
    for same in (revision, None):
        assert (await client.request("ping", mcp_protocol_version=same)).result == {}


async def test_a_request_of_the_newest_revision_has_nothing_to_do_with_the_session(
    door: Door,
) -> None:
    client = await Client(door, "2025-06-18").begin()

    reply = await door.call("tools/list")
    beside = await door.post(
        {**client.message("ping"), "params": {}}, mcp_session_id=client.session
    )

    assert reply.result["resultType"] == "complete"
    assert beside.status == 400


# The end


async def test_the_client_ends_its_session(door: Door, server: MCPServer) -> None:
    client = await Client(door).begin()
    other = await Client(door).begin()

    reply = await client.end()

    assert (reply.status, reply.body) == (200, b"")
    assert (await client.end()).status == 404
    assert (await other.request("ping")).result == {}


async def test_a_session_that_nobody_uses_ends(
    door: Door, server: MCPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    monkeypatch.setattr(sessions, "time", SimpleNamespace(time=lambda: now))
    server.sessions = InMemorySessions(Limits(idle=100, absolute=1_000))
    client = await Client(door).begin()

    for _ in range(10):
        now += 99
        assert (await client.request("ping")).result == {}
    now += 99

    assert (await client.request("ping")).status == 404


async def test_ending_a_session_ends_all_that_runs_in_it(
    streaming: AsgiDoor, server: MCPServer
) -> None:
    gate = Gate(server)
    client = await Client(streaming).begin()

    call = asyncio.ensure_future(client.post(client.call("wait")))
    async with client.listening() as stream:
        await stream.event()
        await gate.reached.wait()
        assert (await client.end()).status == 200
        assert await stream.events() == []
    assert (await call).error["code"] == -32800

    assert gate.seen == ["cancelled"]


async def test_ending_a_session_removes_what_was_kept_of_its_streams(
    streaming: AsgiDoor, server: MCPServer
) -> None:
    release = asyncio.Event()

    @server.tool
    async def linger(ctx: Context) -> None:
        await ctx.report_progress(1)
        try:
            await release.wait()
        finally:
            await ctx.report_progress(2)

    client = await Client(streaming).begin()
    async with client.calling("linger", token=1) as call, client.listening() as stream:
        await stream.event()
        await call.message()
        await client.end()
        await call.rest()

    assert isinstance(server.events, InMemoryEvents)
    assert server.events._streams == {}


async def test_a_server_hears_of_sessions_that_open_and_end(door: Door) -> None:
    seen: list[Any] = []

    class Watching(MCPServer):
        async def session_opened(self, session: Session) -> None:
            seen.append(("opened", session.revision.name, dict(session.client_info)))

        async def session_closed(self, session: Session) -> None:
            seen.append(("closed", session.revision.name, dict(session.client_info)))

        async def roots_changed(self, session: Session) -> None:
            seen.append("roots")

    server = Watching("test", sessions=InMemorySessions(), events=InMemoryEvents())
    client = await Client(consumer_of(server), "2025-06-18").begin()
    assert (await client.notify("notifications/roots/list_changed")).status == 202
    await client.end()
    await client.end()

    info = {"name": "client", "version": "1"}
    assert seen == [("opened", "2025-06-18", info), "roots", ("closed", "2025-06-18", info)]


# How many


async def test_a_principal_with_too_many_sessions_gives_up_the_oldest(
    guarded: Any, server: MCPServer
) -> None:
    server.sessions = InMemorySessions(Limits(of_one=2))
    door = guarded(by_name)
    bob = await Client(door, caller="bob").begin()
    adas = [await Client(door, caller="ada").begin() for _ in range(3)]

    assert [(await ada.request("ping")).status for ada in adas] == [404, 200, 200]
    assert (await bob.request("ping")).status == 200


async def test_a_server_with_too_many_sessions_opens_no_more(
    guarded: Any, server: MCPServer
) -> None:
    server.sessions = InMemorySessions(Limits(of_server=2))
    door = guarded(by_name)
    ada = await Client(door, caller="ada").begin()
    await Client(door, caller="bob").begin()

    late = Client(door, caller="eve")
    reply = await late.initialize()

    assert (reply.status, reply.error["code"], reply.json["id"]) == (503, -32000, 1)
    assert late.session is None
    await ada.end()
    assert (await late.initialize()).status == 200


async def test_a_session_has_only_so_many_calls_at_a_time(
    streaming: AsgiDoor, server: MCPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shares, "MAX_CALLS", 2)
    gate = Gate(server)
    client = await Client(streaming).begin()
    other = await Client(streaming).begin()

    calls = [asyncio.ensure_future(client.post(client.call("wait", id=id))) for id in (1, 2)]
    await gate.reached.wait()
    reply = await client.request("ping", id=3)
    assert (reply.status, reply.error["code"], reply.json["id"]) == (429, -32000, 3)
    assert (await other.request("ping")).result == {}
    gate.opened.set()
    assert [(await call).result["content"] for call in calls] == [texts("passed")] * 2

    assert (await client.request("ping", id=4)).result == {}


async def test_a_principal_has_only_so_many_calls_at_a_time_in_all_its_sessions(
    server: MCPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shares, "MAX_CALLS_OF_ONE", 2)
    monkeypatch.setattr(server, "sessions", InMemorySessions(Limits(of_one=2)))
    gate, door = Gate(server), consumer_of(server, authenticate=by_name)
    calls = []
    for _ in range(2):
        client = await Client(door, caller="eve").begin()
        calls.append(asyncio.ensure_future(client.post(client.call("wait"))))
        await gate.reached.wait()
        gate.reached.clear()
    # A session that was given up for another one has calls that run all the same.
    third = await Client(door, caller="eve").begin()
    ada = await Client(door, caller="ada").begin()

    refused = await third.request("ping")
    assert (refused.status, refused.error["code"]) == (429, -32000)
    assert "of this caller" in refused.error["message"]
    assert (await ada.request("ping")).result == {}
    gate.opened.set()
    assert [(await call).result["content"] for call in calls] == [texts("passed")] * 2

    assert (await third.request("ping")).result == {}


async def test_a_session_follows_only_so_many_resources(
    streaming: AsgiDoor, server: MCPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "MAX_FOLLOWED", 2)

    @server.resource("x://{n}")
    async def number(n: str) -> str:
        raise NotImplementedError

    client = await Client(streaming).begin()

    async def follow(n: int) -> Any:
        return (await client.request("resources/subscribe", {"uri": f"x://{n}"})).json

    assert ["result" in await follow(n) for n in (1, 2, 2, 3)] == [True, True, True, False]
    await client.request("resources/unsubscribe", {"uri": "x://1"})
    assert "result" in await follow(3)


# Ids of requests


@pytest.mark.parametrize("id", [1, "one", 0, ""])
async def test_an_id_in_use_is_refused_without_harm_to_the_first(
    streaming: AsgiDoor, server: MCPServer, id: Any
) -> None:
    gate = Gate(server)
    client = await Client(streaming).begin()
    other = await Client(streaming).begin()

    call = asyncio.ensure_future(client.post(client.call("wait", id=id)))
    await gate.reached.wait()
    reply = await client.request("ping", id=id)
    assert (reply.status, reply.error["code"], reply.json["id"]) == (400, -32600, id)
    assert "still being answered" in reply.error["message"]
    # The ids of other sessions are other ids, and so is a number that is written as a text.
    assert (await other.request("ping", id=id)).result == {}
    assert (await client.request("ping", id="1" if id == 1 else 1)).result == {}
    gate.opened.set()
    assert (await call).result["content"] == texts("passed")

    assert (await client.request("ping", id=id)).result == {}


# Batches


async def test_a_batch_is_answered_with_a_batch(door: Door) -> None:
    client = Client(door, "2025-03-26")
    await client.initialize()
    batch = [
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        client.call("add", id="a", a=1, b=2),
        {"jsonrpc": "2.0", "id": "unknown", "result": {}},
        client.message("nope", id="b"),
        client.message("initialize", id="c"),
        {"jsonrpc": "2.0", "id": "d", "method": 5},
        5,
    ]

    reply = await client.post(batch)

    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    found = [(each.get("id"), each.get("error", {}).get("code")) for each in reply.json]
    assert found == [
        ("a", None),
        ("b", -32601),
        ("c", -32600),
        ("d", -32600),
        (None, -32600),
    ]
    assert reply.json[0]["result"]["content"] == texts("3")


async def test_an_id_that_is_twice_in_a_batch_is_answered_once_and_refused_once(
    streaming: AsgiDoor, server: MCPServer
) -> None:
    gate = Gate(server)
    client = await Client(streaming, "2025-03-26").begin()
    batch = [client.call("wait", id="a"), client.message("ping", id="a")]

    sending = asyncio.ensure_future(client.post(batch))
    await gate.reached.wait()
    gate.opened.set()

    first, second = (await sending).json
    assert first["result"]["content"] == texts("passed")
    assert (second["id"], second["error"]["code"]) == ("a", -32600)


async def test_a_batch_without_requests_is_accepted_and_not_answered(door: Door) -> None:
    client = await Client(door, "2025-03-26").begin()
    batch = [
        {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}},
        {"jsonrpc": "2.0", "id": "x", "result": {}},
    ]

    reply = await client.post(batch)

    assert (reply.status, reply.body) == (202, b"")


async def test_a_batch_with_something_to_say_is_a_stream(streaming: AsgiDoor) -> None:
    client = await Client(streaming, "2025-03-26").begin()
    batch = [client.call("count", id="a", token="t"), client.call("add", id="b", a=1, b=2)]

    reply = await client.post(batch)

    assert reply.headers["content-type"] == "text/event-stream"
    assert [each.get("id", each.get("method")) for each in reply.messages] == [
        "notifications/progress",
        "a",
        "b",
    ]


async def test_one_of_a_batch_can_be_cancelled(streaming: AsgiDoor, server: MCPServer) -> None:
    gate = Gate(server)
    client = await Client(streaming, "2025-03-26").begin()
    batch = [client.call("wait", id="a"), client.call("add", id="b", a=1, b=2)]

    sending = asyncio.ensure_future(client.post(batch))
    await gate.reached.wait()
    await client.cancel("a")
    reply = await sending

    assert reply.json[0]["error"]["code"] == -32800
    assert reply.json[1]["result"]["content"] == texts("3")
    assert gate.seen == ["cancelled"]


@pytest.mark.parametrize("size", [0, 101])
async def test_a_batch_of_none_or_too_many_is_refused(door: Door, size: int) -> None:
    client = await Client(door, "2025-03-26").begin()

    reply = await client.post([client.message("ping")] * size)

    assert (reply.status, reply.error["code"]) == (400, -32600)


@pytest.mark.parametrize("revision", [r for r in STATEFUL if r != "2025-03-26"])
async def test_other_revisions_have_no_batches(door: Door, revision: str) -> None:
    client = await Client(door, revision).begin()

    reply = await client.post([client.message("ping")])

    assert (reply.status, reply.error["code"]) == (400, -32600)
    assert revision in reply.error["message"]


# Two principals, and one session id between them

Act = Callable[[Client, Any], Awaitable[Reply]]

ACTS: dict[str, Act] = {
    "request": lambda eve, at: eve.request("tools/call", {"name": "add", "arguments": {}}),
    "call": lambda eve, at: eve.post(eve.call("delete")),
    "level": lambda eve, at: eve.request("logging/setLevel", {"level": "emergency"}),
    "notification": lambda eve, at: eve.notify("notifications/roots/list_changed"),
    "cancelled": lambda eve, at: eve.cancel("asking"),
    "answer": lambda eve, at: eve.answer(at.question, accepted()),
    "failure": lambda eve, at: eve.answer(at.question, error={"code": 1, "message": "no"}),
    "batch": lambda eve, at: eve.post(
        [
            {"jsonrpc": "2.0", "id": at.question["id"], "result": accepted()},
            {
                "jsonrpc": "2.0",
                "method": "notifications/cancelled",
                "params": {"requestId": "asking"},
            },
            eve.message("ping"),
        ]
    ),
    "initialize": lambda eve, at: eve.initialize(),
    "listen": lambda eve, at: eve.get(),
    "resume": lambda eve, at: eve.get(at.last),
    "delete": lambda eve, at: eve.end(),
}


class Asked:
    """The question a call of the owner waits with, and the id of its event."""

    def __init__(self, question: Any, last: str) -> None:
        self.question = question
        self.last = last


@pytest.mark.parametrize("revision", RESUMABLE[1:])
@pytest.mark.parametrize("kind", ["consumer", "view"])
@pytest.mark.parametrize("act", ACTS)
async def test_the_session_of_another_principal_can_be_used_for_nothing(
    guarded: Any, server: MCPServer, kind: str, act: str, revision: str
) -> None:
    door = guarded(by_name, kind)
    ada = await Client(door, revision, caller="ada").begin()
    eve = Client(door, revision, caller="eve").in_place_of(ada)

    async with ada.calling("delete", id="asking") as call, ada.listening() as stream:
        if revision == "2025-11-25":
            await call.event()
        event = await call.event()
        question = json.loads(event.data)

        reply = await ACTS[act](eve, Asked(question, event.id))

        assert (reply.status, reply.json) == (404, NOT_FOUND)
        # Nothing has become of it: the call still waits, and the stream still listens.
        server.notify_tools_changed()
        assert (await stream.message())["method"] == "notifications/tools/list_changed"
        assert (await ada.answer(question, {"action": "decline"})).status == 202
        assert (await call.messages())[-1]["result"]["content"] == texts("kept")


@pytest.mark.parametrize("act", ["answer", "failure", "cancelled", "resume", "batch"])
async def test_another_session_of_the_same_principal_reaches_nothing_of_the_first(
    streaming: AsgiDoor, act: str
) -> None:
    first = await Client(streaming, "2025-03-26").begin()
    second = await Client(streaming, "2025-03-26").begin()

    async with first.calling("look", id="asking") as call:
        event = await call.event()
        question = json.loads(event.data)

        reply = await ACTS[act](second, Asked(question, event.id))

        status = {"cancelled": 202, "batch": 200}.get(act, 400)
        assert reply.status == status
        assert b"roots/list" not in reply.body
        assert (await first.answer(question, {"roots": []})).status == 202
        assert (await call.messages())[-1]["result"]["content"] == texts("0 roots")
