"""What a client may go on with at another process, it is told only once this one hears of it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from django_mcp import Context, MCPServer
from django_mcp.server import hub, shares
from django_mcp.server.broker import InMemoryBroker
from tests.conversations.talk import Client, accepted, by_name, consumer_of, texts
from tests.doors import AsgiDoor, Request, envelope, headers_for

VERSION = "2025-11-25"


class Joining(InMemoryBroker):
    """A broker that is heard by other processes, and hears them only after a while."""

    reaches_others = True

    def __init__(self) -> None:
        super().__init__()
        self.has_joined = False

    async def settle(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)
        self.has_joined = True


async def say(door: AsgiDoor, session: str | None, message: Any) -> Any:
    """Send a message of a session, and return the response."""
    version = None if session is None else VERSION
    return await door.post(
        message, mcp_protocol_version=version, mcp_session_id=session, mcp_method=None
    )


async def opened(door: AsgiDoor) -> str:
    """The id of a session of a client that may be asked."""
    params = {
        "protocolVersion": VERSION,
        "capabilities": {"elicitation": {}},
        "clientInfo": {"name": "a client", "version": "1"},
    }
    hello = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}
    session: str = (await say(door, None, hello)).headers["mcp-session-id"]
    await say(door, session, {"jsonrpc": "2.0", "method": "notifications/initialized"})
    return session


def door_to(broker: Joining) -> AsgiDoor:
    """A way in to a server whose messages the broker carries."""
    server = MCPServer("test", broker=broker)

    @server.tool
    async def ask(ctx: Context) -> str:
        return str((await ctx.ask("Who is there?")).data)

    return consumer_of(server)


async def test_changes_that_are_acknowledged_are_heard() -> None:
    broker = Joining()
    door = door_to(broker)
    wanted = {"notifications": {"toolsListChanged": True}}
    async with door.opened(envelope("subscriptions/listen", wanted)) as stream:
        assert (await stream.message())["method"].endswith("acknowledged")

        assert broker.has_joined


async def test_a_client_that_listens_is_told_when_it_is_listened_for(settings: Any) -> None:
    settings.DJANGO_MCP = {"SESSIONS": "memory"}
    broker = Joining()
    door = door_to(broker)
    session = await opened(door)
    headers = headers_for(None, mcp_protocol_version=VERSION, mcp_session_id=session)
    async with door.open(Request(method="GET", headers=headers)) as stream:
        await stream.until(b"\n\n")

        assert broker.has_joined


async def test_a_question_is_asked_once_its_answer_is_heard(settings: Any) -> None:
    settings.DJANGO_MCP = {"SESSIONS": "memory"}
    broker = Joining()
    door = door_to(broker)
    session = await opened(door)
    params = {"name": "ask", "arguments": {}}
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    headers = {"mcp_protocol_version": VERSION, "mcp_session_id": session, "mcp_method": None}
    async with door.opened(call, **headers, mcp_name=None) as stream:
        question = await stream.message()

        assert broker.has_joined
        answer = {"action": "accept", "content": {"value": "me"}}
        response = {"jsonrpc": "2.0", "id": question["id"], "result": answer}
        assert (await say(door, session, response)).status == 202
        assert (await stream.message())["result"]["content"] == [{"type": "text", "text": "me"}]


async def test_an_answer_at_another_process_is_accepted_once_it_has_arrived(
    server: MCPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "HANDED_ON", 0.05)
    broker = Joining()
    asking, other = (
        MCPServer("test", sessions=server.sessions, events=server.events, broker=broker)
        for _ in range(2)
    )

    @asking.tool
    async def ask(ctx: Context) -> str:
        return str((await ctx.ask("Who is there?")).data)

    client = await Client(consumer_of(asking)).begin()
    there = Client(consumer_of(other)).in_place_of(client)
    async with client.calling("ask") as call:
        await call.event()
        question = await call.message()
        other_question = {**question, "id": "nobody's"}

        assert (await there.answer(other_question, accepted(value="eve"))).status == 503
        assert (await there.answer(question, accepted(value="ada"))).status == 202

        answer = (await call.messages())[-1]
    assert answer["result"]["content"] == texts("ada")


async def test_a_caller_may_hand_on_only_so_much_to_other_processes(
    server: MCPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "HANDED_ON", 0.0)
    monkeypatch.setattr(shares, "HANDED_ON_AT_ONCE", 100_000)
    clock = [1000.0]
    monkeypatch.setattr(shares, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    broker = Joining()
    server.broker = broker
    door = consumer_of(server, authenticate=by_name)
    eve, again, ada = [await Client(door, caller=name).begin() for name in ("eve", "eve", "ada")]
    sent: list[Any] = []
    broker.subscribe(sent.append)

    async def forge(client: Client, size: int) -> int:
        """The status of an answer to a question that nobody asked."""
        return (await client.answer({"id": "made up"}, {"text": "x" * size})).status

    assert [await forge(eve, 150_000), await forge(eve, 1), await forge(again, 1)] == [
        503,
        429,
        429,
    ]
    assert (await eve.cancel(9)).status == 429
    assert await forge(ada, 1) == 503
    assert (await eve.request("ping")).status == 200
    clock[0] += 1

    assert await forge(again, 1) == 503
    assert (await eve.cancel(9)).status == 202
    assert [message.name for message in sent] == ["answered", "answered", "answered", "cancelled"]


async def test_allowances_that_are_whole_again_are_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [1000.0]
    monkeypatch.setattr(shares, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(shares, "_MAX_REMEMBERED", 2)
    allowance = shares.Allowance()
    allowance.spend("in debt", 100 * shares.HANDED_ON_AT_ONCE)
    for number in range(3):
        allowance.spend(f"user:{number}", 1)
        clock[0] += 1

    with pytest.raises(shares.TooMuchAtOnce):
        allowance.spend("in debt", 1)
    assert set(allowance._left) == {"in debt", "user:2"}
