"""What a session's streams carry: the answers of calls, and on a stream of its own what changes."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from django_mcp import Context, MCPServer, Principal
from django_mcp.server import hub
from django_mcp.server.broker import InMemoryBroker
from django_mcp.server.sessions import InMemorySessions, key_of
from django_mcp.transports.http import responses
from tests.conversations.talk import (
    PATIENCE,
    RESUMABLE,
    STATEFUL,
    Client,
    Departure,
    by_name,
    consumer_of,
    nothing_is_left,
    texts,
)
from tests.doors import AsgiDoor, Door, Request

pytestmark = pytest.mark.usefixtures("leaves_nothing")

ACCEPT = "application/json, text/event-stream"


def told(method: str, **params: Any) -> dict[str, Any]:
    message = {"jsonrpc": "2.0", "method": f"notifications/{method}"}
    return {**message, "params": params} if params else message


def step(token: Any, progress: float) -> dict[str, Any]:
    return told("progress", progressToken=token, progress=progress)


@pytest.fixture
def gates(server: MCPServer) -> dict[str, asyncio.Event]:
    """A tool that takes a step, waits at the gate it is called with, and takes another one."""
    found: dict[str, asyncio.Event] = {}

    @server.tool
    async def walk(ctx: Context, gate: str):  # type: ignore[no-untyped-def]
        await ctx.report_progress(1)
        await found.setdefault(gate, asyncio.Event()).wait()
        await ctx.report_progress(2)
        return f"through {gate}"

    @server.tool
    async def count(ctx: Context, to: int):  # type: ignore[no-untyped-def]
        for number in range(1, to + 1):
            await ctx.report_progress(number)
        return f"counted to {to}"

    return found


# The response of a call


@pytest.mark.usefixtures("gates")
@pytest.mark.parametrize("revision", STATEFUL)
async def test_an_answer_alone_is_json(door: Door, revision: str) -> None:
    client = await Client(door, revision).begin()

    reply = await client.post(client.call("count", to=3))

    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    assert reply.json == {
        "jsonrpc": "2.0",
        "id": 1 + 1,
        "result": {"content": texts("counted to 3")},
    }


@pytest.mark.usefixtures("gates")
@pytest.mark.parametrize("revision", STATEFUL)
async def test_what_comes_before_the_answer_makes_it_a_stream(
    streaming: AsgiDoor, revision: str
) -> None:
    client = await Client(streaming, revision).begin()

    reply = await client.post(client.call("count", id="c", token="t", to=2))

    assert (reply.status, reply.headers["content-type"]) == (200, "text/event-stream")
    assert reply.headers["cache-control"] == "no-cache, no-transform"
    assert reply.messages == [
        step("t", 1),
        step("t", 2),
        {"jsonrpc": "2.0", "id": "c", "result": {"content": texts("counted to 2")}},
    ]


@pytest.mark.usefixtures("gates")
@pytest.mark.parametrize("revision", STATEFUL)
async def test_events_have_ids_where_a_stream_resumes_and_one_before_all_where_it_is_primed(
    streaming: AsgiDoor, revision: str
) -> None:
    client = await Client(streaming, revision).begin()

    async with client.calling("count", token="t", to=2) as call:
        events = await call.events()

    ids = [event.id for event in events]
    if revision == "2025-11-25":
        first = events.pop(0)
        assert (first.data, first.retry) == (b"", 1000)
    assert all(event.data and event.retry is None for event in events)
    if revision in RESUMABLE:
        assert len({id.partition("-")[0] for id in ids if id}) == 1
        assert None not in ids
        assert len(set(ids)) == len(ids)
    else:
        assert ids == [None] * 3


async def test_concurrent_calls_have_a_stream_each(
    streaming: AsgiDoor, gates: dict[str, asyncio.Event]
) -> None:
    client = await Client(streaming).begin()
    names = [str(number) for number in range(5)]
    gates.update({name: asyncio.Event() for name in names})

    async def walk(name: str) -> list[Any]:
        async with client.calling("walk", id=name, token=name, gate=name) as call:
            assert await call.message() == step(name, 1)
            gates[str(int(name) - 1 if name != "0" else 0)].set()
            return await call.messages()

    walks = [asyncio.ensure_future(walk(name)) for name in names]
    gates["4"].set()

    for name, messages in zip(names, await asyncio.gather(*walks), strict=True):
        answer = {"jsonrpc": "2.0", "id": name, "result": {"content": texts(f"through {name}")}}
        assert messages == [step(name, 2), answer]


async def test_what_a_call_says_goes_to_no_other_stream(
    streaming: AsgiDoor, server: MCPServer, gates: dict[str, asyncio.Event]
) -> None:
    client = await Client(streaming).begin()
    gates["a"] = asyncio.Event()

    async with client.listening() as stream:
        await stream.event()
        async with client.calling("walk", token="t", gate="a") as call:
            await call.message()
            gates["a"].set()
            await call.rest()
        server.notify_tools_changed()
        assert await stream.message() == told("tools/list_changed")


async def test_what_is_said_after_the_answer_is_not_sent(
    streaming: AsgiDoor, server: MCPServer
) -> None:
    answered = asyncio.Event()
    late: list[asyncio.Task[None]] = []

    @server.tool
    async def leave(ctx: Context):  # type: ignore[no-untyped-def]
        async def go_on() -> None:
            await answered.wait()
            await ctx.report_progress(2)
            await ctx.info("late")

        await ctx.report_progress(1)
        late.append(asyncio.ensure_future(go_on()))
        return "left"

    client = await Client(streaming).begin()
    async with client.calling("leave", token="t") as call:
        last = (await call.event()).id
        messages = await call.messages()
    answered.set()
    await late[0]

    assert [each.get("method", "answer") for each in messages] == [
        "notifications/progress",
        "answer",
    ]
    assert (await client.get(last)).messages == messages


async def test_a_silent_call_shows_that_it_is_alive(
    guarded: Any, settings: Any, server: MCPServer, gates: dict[str, asyncio.Event]
) -> None:
    settings.DJANGO_MCP = {"KEEP_ALIVE": 0.001}
    release = asyncio.Event()

    @server.tool
    async def muse() -> str:
        await release.wait()
        return "mused"

    client = await Client(consumer_of(server)).begin()
    async with client.calling("muse") as call:
        await call.until(b"\n:\n\n:\n\n")
        release.set()
        primed, answer = await call.events()

    assert (primed.data, primed.id is None) == (b"", False)
    assert json.loads(answer.data)["result"]["content"] == texts("mused")


@pytest.mark.parametrize("method", ["notifications/initialized", "notifications/x", "x"])
async def test_notifications_are_accepted_without_a_body(door: Door, method: str) -> None:
    client = await Client(door).begin()

    reply = await client.notify(method)

    assert (reply.status, reply.body) == (202, b"")


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream", None])
async def test_a_client_has_to_read_both_forms_of_an_answer(
    streaming: AsgiDoor, accept: str | None
) -> None:
    client = await Client(streaming).begin()

    assert (await client.request("ping", accept=accept)).status == 406


async def test_a_call_of_which_something_goes_wrong_is_answered_all_the_same(
    server: MCPServer, guarded: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(InMemoryBroker):
        def subscribe(self, listener: Any) -> Any:
            raise OSError("secret")

    server.broker = Failing()
    server.hub.broker = server.broker
    client = await Client(consumer_of(server)).begin()

    reply = await asyncio.wait_for(client.request("ping"), PATIENCE)

    assert (reply.status, reply.error) == (503, {"code": -32603, "message": "Internal error"})
    assert "Unexpected exception in a call" in caplog.text


# Clients that go


@pytest.mark.parametrize("said", [True, False])
async def test_a_call_goes_on_without_its_client(
    departing: Departure, server: MCPServer, said: bool
) -> None:
    streaming = departing.door
    steps: list[str] = []
    begun, release = asyncio.Event(), asyncio.Event()

    @server.tool
    async def work(ctx: Context) -> None:
        await ctx.report_progress(1)
        begun.set()
        await release.wait()
        await ctx.report_progress(2)
        steps.append("done")

    client = await Client(streaming).begin()
    message = client.call("work", token="t" if said else None)
    body = json.dumps(message).encode()
    incoming: asyncio.Queue[Any] = asyncio.Queue()
    incoming.put_nowait({"type": "http.request", "body": body})
    sent: list[Any] = []

    async def send(part: Any) -> None:
        sent.append(part)

    scope = streaming.scope(Request(headers=client.headers(), body=body))
    app = asyncio.ensure_future(streaming.application(scope, incoming.get, send))
    await begun.wait()
    if departing.how == "cut":
        app.cancel()
    incoming.put_nowait({"type": "http.disconnect"})
    await asyncio.wait([app], timeout=PATIENCE)
    assert app.done()
    written = list(sent)
    release.set()
    await nothing_is_left(server)

    assert steps == ["done"]
    assert sent == written
    assert b"result" not in b"".join(part.get("body", b"") for part in sent)


async def test_a_client_that_reads_nothing_holds_no_task(
    streaming: AsgiDoor, server: MCPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(responses, "WRITE_TIMEOUT", 0)
    over = asyncio.Event()

    @server.tool
    async def chat(ctx: Context) -> None:
        for number in range(100):
            await ctx.report_progress(number)
        over.set()

    client = await Client(streaming).begin()
    body = json.dumps(client.call("chat", token="t")).encode()
    gate = asyncio.Event()
    incoming: asyncio.Queue[Any] = asyncio.Queue()
    incoming.put_nowait({"type": "http.request", "body": body})

    async def send(part: Any) -> None:
        await gate.wait()

    scope = streaming.scope(Request(headers=client.headers(), body=body))
    app = asyncio.ensure_future(streaming.application(scope, incoming.get, send))
    await asyncio.wait_for(over.wait(), PATIENCE)
    incoming.put_nowait({"type": "http.disconnect"})
    gate.set()
    await asyncio.wait([app], timeout=PATIENCE)

    assert app.done()


# Listening


@pytest.mark.parametrize("revision", STATEFUL)
async def test_a_stream_that_is_listened_to_begins_at_once(
    streaming: AsgiDoor, revision: str
) -> None:
    client = await Client(streaming, revision).begin()

    async with client.listening() as stream:
        assert (stream.status, stream.headers["content-type"]) == (200, "text/event-stream")
        if revision == "2025-11-25":
            first = await stream.event()
            assert (first.data, first.retry, first.id is None) == (b"", 1000, False)
        else:
            await stream.until(b":\n\n")


@pytest.mark.parametrize("revision", STATEFUL)
async def test_a_client_that_listens_hears_of_every_list(
    streaming: AsgiDoor, server: MCPServer, revision: str
) -> None:
    client = await Client(streaming, revision).begin()

    async with client.listening() as stream:
        server.add_tool(lambda: "", "later")
        assert await stream.message() == told("tools/list_changed")
        server.add_prompt(lambda: "", "later")
        assert await stream.message() == told("prompts/list_changed")
        server.add_resource("x://later", "")
        assert await stream.message() == told("resources/list_changed")


async def test_a_client_hears_of_the_resources_it_subscribed_to_and_of_no_others(
    streaming: AsgiDoor, server: MCPServer
) -> None:
    for name in "abc":
        server.add_resource(f"x://{name}", name)
    client = await Client(streaming).begin()
    for name in "ab":
        reply = await client.request("resources/subscribe", {"uri": f"x://{name}"})
        assert reply.result == {}

    async with client.listening() as stream:
        for name in "abc":
            server.notify_resource_updated(f"x://{name}")
        assert await stream.message() == told("resources/updated", uri="x://a")
        assert await stream.message() == told("resources/updated", uri="x://b")

        await client.request("resources/unsubscribe", {"uri": "x://a"})
        await client.request("resources/subscribe", {"uri": "x://c"})
        for name in "abc":
            server.notify_resource_updated(f"x://{name}")
        assert await stream.message() == told("resources/updated", uri="x://b")
        assert await stream.message() == told("resources/updated", uri="x://c")


async def test_nobody_subscribes_to_what_he_may_not_read_or_hears_of_it(
    guarded: Any, server: MCPServer
) -> None:
    may = {"name:ada"}

    def rule(principal: Principal) -> bool:
        return principal.id in may

    server.add_resource("x://secret", "s", permission=rule)
    server.add_resource("x://open", "o")
    door = guarded(by_name)
    ada = await Client(door, caller="ada").begin()
    eve = await Client(door, caller="eve").begin()

    refused = await eve.request("resources/subscribe", {"uri": "x://secret"})
    unknown = await eve.request("resources/subscribe", {"uri": "x://unknown"})
    for uri in ("x://secret", "x://open"):
        assert (await ada.request("resources/subscribe", {"uri": uri})).result == {}

    assert refused.error["code"] == unknown.error["code"] == -32002
    async with ada.listening() as stream:
        server.notify_resource_updated("x://secret")
        assert await stream.message() == told("resources/updated", uri="x://secret")
        may.clear()
        server.notify_resource_updated("x://secret")
        server.notify_resource_updated("x://open")
        assert await stream.message() == told("resources/updated", uri="x://open")


async def test_a_change_that_happens_often_is_told_once_to_who_reads_slowly(
    streaming: AsgiDoor, server: MCPServer
) -> None:
    client = await Client(streaming).begin()

    async with client.listening() as stream:
        for _ in range(100):
            server.notify_tools_changed()
        server.notify_prompts_changed()
        assert await stream.message() == told("tools/list_changed")
        assert await stream.message() == told("prompts/list_changed")


async def test_a_change_before_the_stream_has_begun_is_heard(
    streaming: AsgiDoor, server: MCPServer
) -> None:
    client = await Client(streaming).begin()
    headers = client.headers(content_type=None, accept="text/event-stream")
    incoming: asyncio.Queue[Any] = asyncio.Queue()
    incoming.put_nowait({"type": "http.request", "body": b""})
    begun, gate, heard = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def send(part: Any) -> None:
        begun.set()
        await gate.wait()
        if b"tools/list_changed" in part.get("body", b""):
            heard.set()

    scope = streaming.scope(Request(method="GET", headers=headers))
    app = asyncio.ensure_future(streaming.application(scope, incoming.get, send))
    await begun.wait()
    server.notify_tools_changed()
    await asyncio.sleep(0)
    gate.set()
    await asyncio.wait_for(heard.wait(), PATIENCE)
    incoming.put_nowait({"type": "http.disconnect"})
    await asyncio.wait([app], timeout=PATIENCE)

    assert app.done()


async def test_a_newer_connection_takes_the_place_of_an_older_one(
    streaming: AsgiDoor, server: MCPServer
) -> None:
    client = await Client(streaming).begin()
    other = await Client(streaming).begin()

    async with (
        client.listening() as older,
        other.listening() as beside,
        client.listening() as newer,
    ):
        await older.rest()
        server.notify_tools_changed()
        assert await newer.message() == told("tools/list_changed")
        assert await beside.message() == told("tools/list_changed")
        assert b"list_changed" not in older.raw


async def test_a_listener_that_goes_leaves_nothing(departing: Departure, server: MCPServer) -> None:
    client = await Client(departing.door).begin()

    async with client.listening() as stream:
        await stream.event()
        await getattr(stream, departing.how)()
        await nothing_is_left(server)
        await server.shutdown()
        assert not server.broker.has_listeners  # type: ignore[attr-defined]


async def test_a_server_that_shuts_down_ends_what_is_open(
    streaming: AsgiDoor, server: MCPServer, gates: dict[str, asyncio.Event]
) -> None:
    client = await Client(streaming, "2025-03-26").begin()
    batch = [client.call("walk", id=id, token=id, gate=id) for id in ("a", "b")]

    async with client.listening() as stream, client.opened(batch) as call:
        await stream.until(b":\n\n")
        assert [await call.message(), await call.message()] == [step("a", 1), step("b", 1)]
        await asyncio.wait_for(server.shutdown(), PATIENCE)
        assert await stream.events() == []
        messages = await call.messages()

    assert [(each["id"], each["error"]["code"]) for each in messages] == [
        ("a", -32800),
        ("b", -32800),
    ]


async def test_a_store_that_fails_ends_the_stream_and_raises_nothing(
    streaming: AsgiDoor, server: MCPServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.add_resource("x://a", "a")
    client = await Client(streaming).begin()

    async def find(key: str) -> Any:
        raise OSError("secret")

    async def ask(key: str) -> Any:
        # The request itself still finds its session; who listens does not.
        server.sessions.find = find  # type: ignore[method-assign]
        return await InMemorySessions.find(server.sessions, key)  # type: ignore[arg-type]

    async with client.listening() as stream:
        await stream.event()
        server.sessions.find = ask  # type: ignore[method-assign]
        await client.request("resources/subscribe", {"uri": "x://a"})
        await asyncio.wait_for(stream.rest(), PATIENCE)

    assert b"secret" not in stream.raw
    assert "broke off" in caplog.text


@pytest.mark.parametrize(
    "accept", ["text/event-stream;q=0", "application/json;q=1, text/event-stream;q=0"]
)
async def test_who_cannot_read_a_stream_gets_none(streaming: AsgiDoor, accept: str) -> None:
    client = await Client(streaming).begin()

    assert (await client.get(accept=accept)).status == 406


async def test_a_listener_of_a_session_that_was_ended_elsewhere_is_closed(
    streaming: AsgiDoor, server: MCPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "WATCH_EVERY", 0.01)
    kept = await Client(streaming).begin()
    ended = await Client(streaming).begin()

    async with kept.listening() as still, ended.listening() as stream:
        await still.event()
        # By whoever has nothing but the store: the admin, or a process that no message leaves.
        await server.sessions.end(key_of(ended.session) or "")
        await stream.rest()

        server.notify_tools_changed()
        assert (await still.message())["method"] == "notifications/tools/list_changed"
