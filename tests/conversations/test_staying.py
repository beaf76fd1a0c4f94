"""Who is connected is asked again who they are, and what they have opened ends where they may stay
no longer. Connections that carry a session have the same in `test_duplex`."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from django_mcp import Context, MCPServer, Principal
from django_mcp.authentication import Refused
from django_mcp.backends.switches import Switches
from django_mcp.models import Switch
from django_mcp.transports import staying
from django_mcp.transports.http import stateful, stateless, views
from tests.conversations.talk import Client, nothing_is_left
from tests.doors import AsgiDoor, envelope
from tests.lines import line_to

PATIENCE = 10  # Seconds after which what never happens fails the test.

LISTEN = envelope("subscriptions/listen", {"notifications": {"toolsListChanged": True}})
TOLD = "notifications/tools/list_changed"
ANNA = Principal(id="user:1")

pytestmark = pytest.mark.usefixtures("asked_often")


class Gate:
    """An authentication that answers what it is told to, and says that it was asked."""

    def __init__(self) -> None:
        self.answer: Principal | Exception | None = ANNA
        self._asked = asyncio.Queue[None]()

    async def ask(self, request: Any) -> Principal | None:
        """Who sends the request."""
        self._asked.put_nowait(None)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def asked(self, times: int = 3) -> None:
        """Return once it was asked so often from now on."""
        while not self._asked.empty():
            self._asked.get_nowait()
        for _ in range(times):
            await asyncio.wait_for(self._asked.get(), PATIENCE)


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture(params=["consumer", "view"])
def guarded_door(request: pytest.FixtureRequest, guarded: Any, gate: Gate) -> AsgiDoor:
    """The ways in on which a response can be a stream, with the gate before them."""
    door: AsgiDoor = guarded(gate.ask, request.param)
    return door


class Working:
    """A tool that reports progress where it is asked for, and works until it is let go."""

    def __init__(self, server: MCPServer) -> None:
        self.begun = asyncio.Event()
        self.go = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.done = asyncio.Event()
        self.is_stubborn = False
        server.add_tool(self.work)

    async def work(self, ctx: Context) -> str:
        """Work."""
        await ctx.report_progress(1)
        self.begun.set()
        try:
            while not self.go.is_set():
                await self._wait()
        finally:
            self.done.set()
        return "a secret"

    async def _wait(self) -> None:
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            if not self.is_stubborn:
                raise

    async def is_cancelled(self) -> None:
        await asyncio.wait_for(self.cancelled.wait(), PATIENCE)


@pytest.fixture
def working(server: MCPServer) -> Working:
    return Working(server)


REFUSALS = {
    "nobody": None,
    "refused": Refused(403, "disabled"),
    "another": Principal(id="user:2"),
}
refusals = pytest.mark.parametrize("answer", REFUSALS.values(), ids=REFUSALS)


async def ends(stream: Any) -> bytes:
    """What was written when the server ended a stream."""
    return bytes(await asyncio.wait_for(stream.rest(), PATIENCE))


# Streams


@refusals
async def test_a_stream_of_a_session_ends(
    guarded_door: AsgiDoor, server: MCPServer, gate: Gate, answer: Any
) -> None:
    client = await Client(guarded_door).begin()
    async with client.listening() as stream:
        await stream.event()
        await gate.asked()
        server.notify_tools_changed()
        assert (await stream.message())["method"] == TOLD

        gate.answer = answer
        await ends(stream)
    assert (await client.get()).status in (401, 403, 404)
    await nothing_is_left(server)


@refusals
async def test_a_stream_that_is_resumed_ends(
    guarded_door: AsgiDoor, server: MCPServer, gate: Gate, answer: Any, working: Working
) -> None:
    client = await Client(guarded_door).begin()
    async with client.calling("work", token="t") as call:
        last = (await call.event()).id
        await working.begun.wait()
        await call.disconnect()
    async with client.listening(last) as rest:
        assert (await rest.message())["method"] == "notifications/progress"
        await gate.asked()

        gate.answer = answer
        assert b"secret" not in await ends(rest)
    # A call of a session goes on without its client, who hears no more of it.
    assert not working.cancelled.is_set()
    working.go.set()
    await nothing_is_left(server)


@refusals
async def test_a_subscription_ends_with_its_result(
    guarded_door: AsgiDoor, server: MCPServer, gate: Gate, answer: Any
) -> None:
    async with guarded_door.opened(LISTEN) as stream:
        await stream.message()
        await gate.asked()
        server.notify_tools_changed()
        assert (await stream.message())["method"] == TOLD

        gate.answer = answer
        [last] = await asyncio.wait_for(stream.messages(), PATIENCE)
        assert last["result"]["resultType"] == "complete"
    assert len(server.subscriptions) == 0
    await nothing_is_left(server)


# Calls


async def test_a_call_is_cancelled_and_its_stream_ends(
    guarded_door: AsgiDoor, server: MCPServer, gate: Gate, working: Working
) -> None:
    call = envelope("tools/call", {"name": "work"}, meta={"progressToken": "t"})
    async with guarded_door.opened(call) as stream:
        assert (await stream.message())["method"] == "notifications/progress"
        await gate.asked()

        gate.answer = Refused(403, "disabled")
        [last] = await asyncio.wait_for(stream.messages(), PATIENCE)
    assert (last["id"], last["error"]["message"]) == (1, "disabled")
    await working.is_cancelled()
    await nothing_is_left(server)


async def test_a_call_of_which_nothing_was_written_is_refused_as_if_it_came_now(
    guarded_door: AsgiDoor, server: MCPServer, gate: Gate, working: Working
) -> None:
    answering = asyncio.create_task(guarded_door.call("tools/call", {"name": "work"}))
    await asyncio.wait_for(working.begun.wait(), PATIENCE)
    await gate.asked()

    gate.answer = Refused(401, "gone", {"WWW-Authenticate": 'Bearer error="invalid_token"'})
    reply = await asyncio.wait_for(answering, PATIENCE)
    assert (reply.status, reply.error["message"]) == (401, "gone")
    assert reply.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    await working.is_cancelled()
    await nothing_is_left(server)


@pytest.mark.parametrize("is_batch", [False, True], ids=["alone", "batch"])
async def test_a_call_of_a_session_is_cancelled_and_its_stream_ends(
    guarded_door: AsgiDoor, server: MCPServer, gate: Gate, working: Working, is_batch: bool
) -> None:
    client = await Client(guarded_door, "2025-03-26").begin()
    call = client.call("work", id="w", token="t")
    async with client.opened([call, client.message("ping", id="p")] if is_batch else call) as reply:
        assert (await reply.message())["method"] == "notifications/progress"
        await gate.asked()

        gate.answer = Refused(403, "disabled")
        said = await asyncio.wait_for(reply.messages(), PATIENCE)
    errors = {message["id"]: message["error"]["message"] for message in said if "error" in message}
    assert errors == {"w": "disabled"}
    await working.is_cancelled()
    await nothing_is_left(server)


@pytest.mark.parametrize("written", ["nothing", "progress"])
async def test_a_call_that_heeds_no_cancellation_is_not_waited_for(
    guarded_door: AsgiDoor,
    server: MCPServer,
    gate: Gate,
    working: Working,
    monkeypatch: pytest.MonkeyPatch,
    written: str,
) -> None:
    monkeypatch.setattr(stateless, "LAST_WORDS", 0.01)
    monkeypatch.setattr(views, "LAST_WORDS", 0.01)
    working.is_stubborn = True
    meta = {} if written == "nothing" else {"progressToken": "t"}
    opened = guarded_door.opened(envelope("tools/call", {"name": "work"}, meta=meta))
    opening = asyncio.create_task(opened.__aenter__())
    await asyncio.wait_for(working.begun.wait(), PATIENCE)
    await gate.asked()

    gate.answer = None
    stream = await asyncio.wait_for(opening, PATIENCE)
    assert b"Authentication required" in await ends(stream)
    assert not working.done.is_set()
    working.go.set()
    await opened.__aexit__(None, None, None)
    assert b"secret" not in stream.raw
    await nothing_is_left(server)


async def test_a_call_of_a_session_that_heeds_no_cancellation_is_not_waited_for(
    guarded_door: AsgiDoor,
    server: MCPServer,
    gate: Gate,
    working: Working,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stateful, "LAST_WORDS", 0.01)
    monkeypatch.setattr(views, "LAST_WORDS", 0.01)
    working.is_stubborn = True
    client = await Client(guarded_door).begin()
    async with client.calling("work", token="t") as stream:
        await stream.message()
        await gate.asked()
        gate.answer = None
        assert b"Authentication required" in await ends(stream)
        assert not working.done.is_set()
    working.go.set()
    await nothing_is_left(server)
    assert b"secret" not in stream.raw


async def test_a_call_is_answered_that_its_caller_may_make(
    guarded_door: AsgiDoor, server: MCPServer, gate: Gate, working: Working
) -> None:
    call = envelope("tools/call", {"name": "work"}, meta={"progressToken": "t"})
    async with guarded_door.opened(call) as stream:
        await gate.asked(5)
        working.go.set()
        messages = await asyncio.wait_for(stream.messages(), PATIENCE)
    assert messages[-1]["result"]["content"][0]["text"] == "a secret"
    await nothing_is_left(server)


# What is no refusal


@pytest.mark.parametrize(
    "answer",
    [OSError("the database is away"), Refused(503, "later"), Refused(429, "not so often")],
    ids=["error", "503", "429"],
)
async def test_a_stream_stays_while_nobody_can_tell(
    guarded_door: AsgiDoor,
    server: MCPServer,
    gate: Gate,
    answer: Exception,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(staying, "DOUBTS", 1_000_000)
    async with guarded_door.opened(LISTEN) as stream:
        await stream.message()
        gate.answer = answer
        await gate.asked(4)
        server.notify_tools_changed()
        assert (await stream.message())["method"] == TOLD
        gate.answer = ANNA
        await gate.asked()

        gate.answer = None
        await ends(stream)
    assert caplog.text.count("It cannot be told whether those who are connected may stay") == 1


async def test_a_stream_does_not_stay_for_ever_where_nobody_can_tell(
    guarded_door: AsgiDoor, server: MCPServer, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staying, "DOUBTS", 4)
    async with guarded_door.opened(LISTEN) as stream:
        await stream.message()
        gate.answer = OSError("the database is away")
        await ends(stream)
    assert len(server.subscriptions) == 0


@pytest.mark.django_db
async def test_a_server_that_is_closed_keeps_the_streams_it_has(
    guarded: Any,
    server: MCPServer,
    gate: Gate,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.DJANGO_MCP = {**settings.DJANGO_MCP, "KILL_SWITCH": True}
    switches = Switches()
    monkeypatch.setattr("django_mcp.default.switches", lambda: switches)
    door = guarded(gate.ask)
    socket = line_to("websocket", server, authenticate=gate.ask)
    async with door.opened(LISTEN) as stream, socket as line:
        await stream.message()
        await Switch.objects.acreate(server=server.name, closed=True)
        switches.forget()
        assert (await door.call("tools/list")).status == 503
        await gate.asked(6)
        assert (await line.error("tools/list"))["code"] == -32000
        server.notify_tools_changed()
        assert (await stream.message())["method"] == TOLD


async def test_an_address_from_which_others_fail_keeps_its_streams(
    guarded: Any, server: MCPServer, gate: Gate, settings: Any
) -> None:
    settings.DJANGO_MCP = {**settings.DJANGO_MCP, "THROTTLES": {"authentication": "1/hour"}}

    async def known(request: Any) -> Principal | None:
        return None if "x-stranger" in request.headers else await gate.ask(request)

    door = guarded(known)
    async with door.opened(LISTEN) as stream:
        await stream.message()
        for status in (401, 429):
            assert (await door.post(envelope("ping"), x_stranger="yes")).status == status
        await gate.asked()
        server.notify_tools_changed()
        assert (await stream.message())["method"] == TOLD


# Sockets


async def test_a_socket_is_closed_with_the_code_that_says_why(
    server: MCPServer, gate: Gate
) -> None:
    async with line_to("websocket", server, authenticate=gate.ask) as line:
        await gate.asked()
        gate.answer = None
        with pytest.raises(EOFError) as ending:
            await line.hear()
        assert ending.value.args[0]["code"] == 1008
