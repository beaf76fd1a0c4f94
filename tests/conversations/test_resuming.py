"""Streams that broke: the rest of them, in order and once, and what is nobody's to have."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest

from django_mcp import Context, MCPServer
from django_mcp.server.broker import BrokerUnavailable, InMemoryBroker, Message, Sought
from django_mcp.server.events import Event, InMemoryEvents
from django_mcp.transports.http import call_streams, listening
from tests.conversations.talk import (
    PATIENCE,
    RESUMABLE,
    Client,
    Departure,
    consumer_of,
    nothing_is_left,
    texts,
)
from tests.doors import AsgiDoor

pytestmark = pytest.mark.usefixtures("leaves_nothing")


class Walk:
    """A tool that takes as many steps as it is let take, and then answers."""

    def __init__(self, server: MCPServer) -> None:
        self._steps: asyncio.Queue[bool] = asyncio.Queue()
        self.taken = asyncio.Semaphore(0)
        self.seen: list[str] = []
        server.add_tool(self.walk)

    def step(self, times: int = 1) -> None:
        for _ in range(times):
            self._steps.put_nowait(True)

    def stop(self) -> None:
        self._steps.put_nowait(False)

    async def take(self, times: int = 1) -> None:
        """Have it take steps, and wait until it has."""
        self.step(times)
        for _ in range(times):
            await self.taken.acquire()

    async def walk(self, ctx: Context):  # type: ignore[no-untyped-def]
        """Walk."""
        count = 0
        try:
            while await self._steps.get():
                count += 1
                await ctx.report_progress(count)
                self.taken.release()
        except BaseException as error:
            self.seen.append(type(error).__name__)
            raise
        self.seen.append("arrived")
        return f"{count} steps"


@pytest.fixture
def walk(server: MCPServer) -> Walk:
    return Walk(server)


def step(number: int) -> dict[str, Any]:
    params = {"progressToken": "t", "progress": number}
    return {"jsonrpc": "2.0", "method": "notifications/progress", "params": params}


def arrived(steps: int, id: Any = "w") -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id, "result": {"content": texts(f"{steps} steps")}}


async def break_off(client: Client, walk: Walk, leaves: str = "disconnect", steps: int = 1) -> str:
    """Call, lose the connection after so many steps, and return the id of the last event seen."""
    walk.step(steps)
    async with client.calling("walk", id="w", token="t") as call:
        last = ""
        for number in range(1, steps + 1):
            event = await call.event()
            event = event if event.data else await call.event()
            assert json.loads(event.data) == step(number)
            last = event.id or ""
        await getattr(call, leaves)()
    for _ in range(steps):
        await walk.taken.acquire()
    return last


# The rest of a call


@pytest.mark.parametrize("revision", RESUMABLE)
async def test_a_client_that_comes_back_gets_exactly_the_rest(
    departing: Departure, walk: Walk, revision: str
) -> None:
    client = await Client(departing.door, revision).begin()
    last = await break_off(client, walk, departing.how)
    await walk.take(2)

    async with client.listening(last) as rest:
        assert (rest.status, rest.headers["content-type"]) == (200, "text/event-stream")
        assert [await rest.message(), await rest.message()] == [step(2), step(3)]
        walk.step()
        assert await rest.message() == step(4)
        walk.stop()
        assert await rest.messages() == [arrived(4)]

    assert walk.seen == ["arrived"]


@pytest.mark.parametrize("revision", RESUMABLE)
async def test_a_call_that_has_ended_meanwhile_is_replayed_to_its_answer(
    streaming: AsgiDoor, server: MCPServer, walk: Walk, revision: str
) -> None:
    client = await Client(streaming, revision).begin()
    last = await break_off(client, walk)
    await walk.take(1)
    walk.stop()
    await nothing_is_left(server)

    for _ in range(2):
        reply = await client.get(last)
        assert (reply.status, reply.messages) == (200, [step(2), arrived(2)])


@pytest.mark.parametrize("revision", RESUMABLE)
async def test_resuming_where_each_event_was_seen_gives_what_follows_it(
    streaming: AsgiDoor, walk: Walk, revision: str
) -> None:
    client = await Client(streaming, revision).begin()
    walk.step(3)
    walk.stop()
    async with client.calling("walk", id="w", token="t") as call:
        events = await call.events()

    for place, event in enumerate(events):
        reply = await client.get(event.id)
        later = [json.loads(each.data) for each in events[place + 1 :]]
        assert (reply.status, reply.headers["content-type"]) == (200, "text/event-stream")
        assert (reply.messages if later else []) == later
        assert (b"data: {" in reply.body) == bool(later)


async def test_a_stream_can_be_resumed_from_its_very_beginning(
    streaming: AsgiDoor, walk: Walk
) -> None:
    client = await Client(streaming).begin()
    walk.step()
    async with client.calling("walk", id="w", token="t") as call:
        primed = await call.event()
        await call.disconnect()
    walk.stop()

    assert primed.data == b""
    assert (await client.get(primed.id)).messages == [step(1), arrived(1)]


async def test_a_stream_that_was_lost_before_its_first_event_can_be_resumed(
    streaming: AsgiDoor, guarded: Any, settings: Any, server: MCPServer, walk: Walk
) -> None:
    settings.DJANGO_MCP = {"KEEP_ALIVE": 0.001}
    client = await Client(consumer_of(server)).begin()
    async with client.calling("walk", id="w", token="t") as call:
        primed = await call.event()
        await call.disconnect()
    walk.step()
    walk.stop()

    assert (await client.get(primed.id)).messages == [step(1), arrived(1)]


async def test_after_the_answer_there_is_nothing_more(streaming: AsgiDoor, walk: Walk) -> None:
    client = await Client(streaming).begin()
    walk.step()
    walk.stop()
    async with client.calling("walk", id="w", token="t") as call:
        last = (await call.events())[-1].id

    reply = await asyncio.wait_for(client.get(last), PATIENCE)

    assert (reply.status, reply.headers["content-type"]) == (200, "text/event-stream")
    assert b"data" not in reply.body


async def test_a_batch_is_resumed_as_one_stream(streaming: AsgiDoor, walk: Walk) -> None:
    client = await Client(streaming, "2025-03-26").begin()
    batch = [client.call("walk", id="w", token="t"), client.message("ping", id="p")]
    walk.step()
    async with client.opened(batch) as call:
        last = (await call.event()).id
        await call.disconnect()
    walk.stop()

    pong = {"jsonrpc": "2.0", "id": "p", "result": {}}
    assert (await client.get(last)).messages == [arrived(1), pong]


async def test_a_question_waits_for_a_client_that_comes_back(
    streaming: AsgiDoor, server: MCPServer, walk: Walk
) -> None:
    gone = asyncio.Event()

    @server.tool
    async def agree(ctx: Context):  # type: ignore[no-untyped-def]
        await ctx.report_progress(1)
        await gone.wait()
        return "agreed" if await ctx.confirm("Sure?") else "refused"

    client = await Client(streaming).begin()
    async with client.calling("agree", token="t") as call:
        await call.event()
        last = (await call.event()).id
        await call.disconnect()
    gone.set()

    async with client.listening(last) as rest:
        question = await rest.message()
        assert question["method"] == "elicitation/create"
        assert (await client.answer(question, {"action": "accept"})).status == 202
        assert (await rest.messages())[0]["result"]["content"] == texts("agreed")


# Who takes over from whom


async def test_a_second_client_that_resumes_takes_over_from_the_first(
    streaming: AsgiDoor, walk: Walk
) -> None:
    client = await Client(streaming).begin()
    last = await break_off(client, walk)

    async with client.listening(last) as first:
        await first.until(b":\n\n")
        async with client.listening(last) as second:
            await first.rest()
            walk.step()
            assert await second.message() == step(2)
            walk.stop()
            assert await second.messages() == [arrived(2)]
            assert b"data" not in first.raw


async def test_who_resumes_takes_over_from_a_connection_that_only_seems_alive(
    streaming: AsgiDoor, walk: Walk
) -> None:
    client = await Client(streaming).begin()

    walk.step()
    async with client.calling("walk", id="w", token="t") as call:
        primed = await call.event()
        assert await call.message() == step(1)
        async with client.listening(primed.id) as rest:
            assert await rest.message() == step(1)
            assert await call.events() == []
            walk.step()
            walk.stop()
            assert await rest.messages() == [step(2), arrived(2)]


async def test_a_client_that_leaves_again_can_come_back_again(
    departing: Departure, walk: Walk
) -> None:
    client = await Client(departing.door).begin()
    last = await break_off(client, walk)

    for number in (2, 3, 4):
        async with client.listening(last) as rest:
            walk.step()
            event = await rest.event()
            assert json.loads(event.data) == step(number)
            last = event.id or ""
            await getattr(rest, departing.how)()
    walk.stop()

    assert (await client.get(last)).messages == [arrived(4)]


# A call that lets its client go


async def test_a_call_can_let_go_of_its_client(streaming: AsgiDoor, server: MCPServer) -> None:
    go = asyncio.Event()

    @server.tool
    async def nap(ctx: Context):  # type: ignore[no-untyped-def]
        await ctx.close_stream(retry=2.5)
        await go.wait()
        await ctx.report_progress(1)
        return "slept"

    client = await Client(streaming).begin()
    async with client.calling("nap", id="w", token="t") as call:
        events = await call.events()
    assert [(event.data, event.retry) for event in events][:1] == [(b"", 1000)]
    assert b"retry: 2500\n\n" in call.raw

    async with client.listening(events[0].id) as rest:
        go.set()
        answer = {"jsonrpc": "2.0", "id": "w", "result": {"content": texts("slept")}}
        assert await rest.messages() == [step(1), answer]


async def test_a_call_that_ends_as_it_lets_go_is_answered_to_who_comes_back(
    streaming: AsgiDoor, server: MCPServer
) -> None:
    @server.tool
    async def blink(ctx: Context):  # type: ignore[no-untyped-def]
        await ctx.close_stream()
        return "blinked"

    client = await Client(streaming).begin()
    async with client.calling("blink") as call:
        (primed,) = await call.events()

    assert (await client.get(primed.id)).result["content"] == texts("blinked")


@pytest.mark.parametrize("revision", ["2024-11-05", "2025-03-26", "2025-06-18"])
async def test_a_client_that_could_not_come_back_is_not_let_go(
    streaming: AsgiDoor, server: MCPServer, revision: str
) -> None:
    @server.tool
    async def nap(ctx: Context):  # type: ignore[no-untyped-def]
        await ctx.close_stream()
        return "slept"

    client = await Client(streaming, revision).begin()

    assert (await client.tool("nap"))["content"] == texts("slept")


@pytest.mark.parametrize("retry", [-1, float("nan"), float("inf")])
async def test_a_time_to_come_back_is_a_time(
    streaming: AsgiDoor, server: MCPServer, retry: float
) -> None:
    @server.tool
    async def nap(ctx: Context):  # type: ignore[no-untyped-def]
        with pytest.raises(ValueError, match="retry"):
            await ctx.close_stream(retry)
        return "awake"

    client = await Client(streaming).begin()

    assert (await client.tool("nap"))["content"] == texts("awake")


# What is nobody's to have


MALFORMED = ["", " ", "x", "1", "c-1", "-1", "c0123456789abcdef", "c0123456789abcdef-", "\xff" * 20]
UNKNOWN = ["c0123456789abcdef-0", "g0123456789abcdef-1", "c0123456789abcdef-999999999"]


@pytest.mark.parametrize("revision", RESUMABLE)
async def test_ids_that_are_none_or_unknown_or_another_session_s_are_refused_alike(
    streaming: AsgiDoor, walk: Walk, revision: str
) -> None:
    client = await Client(streaming, revision).begin()
    other = await Client(streaming, revision).begin()
    foreign = await break_off(client, walk)
    name, _, place = foreign.rpartition("-")
    beyond = [f"{name}-{int(place) + 1}", f"{name}-{place}0", f"{foreign}x", f"{name}--1"]

    bodies = set()
    for asking, ids in ((other, [foreign, *MALFORMED, *UNKNOWN]), (client, beyond)):
        for id in ids:
            reply = await asking.get(id)
            assert (reply.status, reply.error["code"]) == (400, -32600), id
            bodies.add(reply.body)
    assert len(bodies) == 1

    # Nobody was disturbed: the owner gets the rest.
    walk.stop()
    assert (await client.get(foreign)).messages == [arrived(1)]


async def test_an_id_that_is_refused_closes_nobody_s_stream(
    streaming: AsgiDoor, server: MCPServer
) -> None:
    client = await Client(streaming).begin()

    async with client.listening() as stream:
        first = await stream.event()
        name = (first.id or "").partition("-")[0]
        assert (await client.get(f"{name}-7")).status == 400
        server.notify_tools_changed()
        assert (await stream.message())["method"] == "notifications/tools/list_changed"


async def test_a_revision_without_resuming_resumes_nothing(streaming: AsgiDoor, walk: Walk) -> None:
    client = await Client(streaming, "2024-11-05").begin()

    assert (await client.get("c0123456789abcdef-0")).status == 400


async def test_what_is_too_old_to_be_kept_is_not_resumed_with_a_gap(
    streaming: AsgiDoor, server: MCPServer, walk: Walk
) -> None:
    server.events = InMemoryEvents(max_of_stream=3)
    client = await Client(streaming).begin()
    last = await break_off(client, walk)
    await walk.take(2)
    async with client.listening(last) as rest:
        assert await rest.message() == step(2)
        assert await rest.message() == step(3)
    await walk.take(2)

    assert (await client.get(last)).status == 400
    walk.stop()


# What is heard while listening


@pytest.mark.parametrize("revision", RESUMABLE)
async def test_who_listens_again_hears_what_he_missed_and_goes_on_listening(
    streaming: AsgiDoor, server: MCPServer, revision: str
) -> None:
    client = await Client(streaming, revision).begin()
    async with client.listening() as stream:
        server.notify_tools_changed()
        seen = await stream.event()
        seen = seen if seen.data else await stream.event()
        server.notify_prompts_changed()
        missed = await stream.event()
        server.notify_resources_changed()
        await stream.event()
        await stream.disconnect()

    async with client.listening(seen.id) as again:
        assert [(await again.event()).id, (await again.message())["method"]] == [
            missed.id,
            "notifications/resources/list_changed",
        ]
        server.notify_tools_changed()
        assert (await again.message())["method"] == "notifications/tools/list_changed"


# A log that fails, and processes that die


class Failing(InMemoryEvents):
    """A log that fails from an event on, until it is mended."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.after = after
        self.failed = asyncio.Event()

    async def append(self, session: str, stream: str, events: Sequence[Event]) -> None:
        self.after -= 1
        if self.after < 0:
            self.failed.set()
            raise OSError("secret")
        await super().append(session, stream, events)


@pytest.mark.parametrize("after", [0, 1, 2, 3])
async def test_a_log_that_fails_costs_the_client_that_is_there_nothing(
    streaming: AsgiDoor, server: MCPServer, walk: Walk, after: int
) -> None:
    server.events = Failing(after)
    client = await Client(streaming).begin()

    walk.step(2)
    walk.stop()
    async with client.calling("walk", id="w", token="t") as call:
        events = await call.events()

    assert [json.loads(event.data) for event in events if event.data] == [
        step(1),
        step(2),
        arrived(2),
    ]
    # What has no id is not promised to be there for who comes back.
    assert [event.id is not None for event in events] == [True] * after + [False] * (
        len(events) - after
    )
    assert b"secret" not in call.raw


async def test_an_answer_that_cannot_be_kept_is_tried_again_where_nobody_is_there(
    streaming: AsgiDoor, server: MCPServer, walk: Walk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_streams, "_PATIENCE", (0.001,) * 3)
    server.events = log = Failing(2)
    client = await Client(streaming).begin()
    last = await break_off(client, walk)
    walk.stop()
    await log.failed.wait()
    log.after = 10

    assert (await client.get(last)).messages == [arrived(1)]


async def test_a_log_that_fails_for_a_client_that_listens_takes_the_stream_from_nobody(
    streaming: AsgiDoor, server: MCPServer
) -> None:
    server.events = Failing(1)
    client = await Client(streaming).begin()

    async with client.listening() as stream:
        for change in ("tools", "prompts"):
            getattr(server, f"notify_{change}_changed")()
            event = await stream.event()
            event = event if event.data else await stream.event()
            assert json.loads(event.data)["method"] == f"notifications/{change}/list_changed"
            assert event.id is None


class Slow(InMemoryEvents):
    """A log that takes its time once, to keep an event."""

    def __init__(self) -> None:
        super().__init__()
        self.is_slow = False
        self.reached = asyncio.Event()
        self.gate = asyncio.Event()

    async def append(self, session: str, stream: str, events: Sequence[Event]) -> None:
        await super().append(session, stream, events)
        if self.is_slow:
            self.is_slow = False
            self.reached.set()
            await self.gate.wait()


async def test_an_event_is_kept_and_written_or_neither_when_who_says_it_is_cancelled(
    streaming: AsgiDoor, server: MCPServer
) -> None:
    server.events = log = Slow()
    leave, out = asyncio.Event(), asyncio.Event()

    @server.tool
    async def hurry(ctx: Context):  # type: ignore[no-untyped-def]
        await ctx.report_progress(1)
        log.is_slow = True
        saying = asyncio.ensure_future(ctx.report_progress(2))
        await log.reached.wait()
        saying.cancel()
        log.gate.set()
        await asyncio.wait([saying])
        await ctx.report_progress(3)
        out.set()
        await leave.wait()
        return "3 steps"

    client = await Client(streaming).begin()
    async with client.calling("hurry", id="w", token="t") as call:
        await call.event()
        first = await call.event()
        await out.wait()
        await call.disconnect()
    leave.set()

    assert (await client.get(first.id)).messages == [step(2), step(3), arrived(3)]


class Line(InMemoryBroker):
    """Carries messages between two servers of this process, as if each were in its own."""

    reaches_others = True

    def __init__(self) -> None:
        super().__init__()
        self.is_down = False
        self.sought = asyncio.Semaphore(0)

    def publish(self, message: Message) -> None:
        if isinstance(message, Sought):
            self.sought.release()
        if not self.is_down:
            super().publish(message)

    async def send(self, message: Message) -> None:
        if self.is_down:
            raise BrokerUnavailable("The line is down.")
        self.publish(message)


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Line:
    monkeypatch.setattr(listening, "SEEK_AFTER", 0.01)
    return Line()


def process(line: Line, like: MCPServer) -> MCPServer:
    """Another process that serves the same."""
    return MCPServer("test", sessions=like.sessions, events=like.events, broker=line)


async def test_a_stream_is_resumed_in_another_process(server: MCPServer, line: Line) -> None:
    one, two = process(line, server), process(line, server)
    walk = Walk(one)
    client = await Client(consumer_of(one)).begin()
    there = Client(consumer_of(two)).in_place_of(client)
    last = await break_off(client, walk)

    async with there.listening(last) as rest:
        walk.step()
        assert await rest.message() == step(2)
        walk.step()
        walk.stop()
        assert await rest.messages() == [step(3), arrived(3)]
    await nothing_is_left(one)
    await nothing_is_left(two)


async def test_resuming_in_another_process_closes_the_connection_that_seemed_alive(
    server: MCPServer, line: Line
) -> None:
    one, two = process(line, server), process(line, server)
    walk = Walk(one)
    client = await Client(consumer_of(one)).begin()
    there = Client(consumer_of(two)).in_place_of(client)

    walk.step()
    async with client.calling("walk", id="w", token="t") as call:
        primed = await call.event()
        async with there.listening(primed.id) as rest:
            assert await rest.message() == step(1)
            await call.rest()
            walk.step()
            walk.stop()
            assert await rest.messages() == [step(2), arrived(2)]
    await nothing_is_left(one)
    await nothing_is_left(two)


async def test_a_call_that_only_thinks_is_not_taken_for_dead(server: MCPServer, line: Line) -> None:
    one, two = process(line, server), process(line, server)
    walk = Walk(one)
    client = await Client(consumer_of(one)).begin()
    there = Client(consumer_of(two)).in_place_of(client)
    last = await break_off(client, walk)

    async with there.listening(last) as rest:
        for _ in range(2 * listening.SEEK_TIMES):
            await line.sought.acquire()
        walk.stop()
        assert await rest.messages() == [arrived(1)]
    await nothing_is_left(one)


@pytest.mark.parametrize("reaches", [True, False])
async def test_a_call_whose_process_has_died_is_answered_with_an_error(
    server: MCPServer, line: Line, reaches: bool
) -> None:
    dead, alive = process(line, server), process(line, server)
    line.reaches_others = reaches
    # What the process that died has left behind: the beginning of a stream, and one event.
    client = await Client(consumer_of(dead)).begin()
    session = next(iter(server.sessions._sessions))  # type: ignore[attr-defined]
    stream = "c0123456789abcdef"
    said = json.dumps(step(1)).encode()
    await server.events.append(session, stream, [Event(0, b'["w", 7]'), Event(1, said)])
    there = Client(consumer_of(alive)).in_place_of(client)

    for _ in range(2):
        reply = await asyncio.wait_for(there.get(f"{stream}-0"), PATIENCE)
        first, *errors = reply.messages
        assert first == step(1)
        assert [(each["id"], each["error"]["code"]) for each in errors] == [
            ("w", -32000),
            (7, -32000),
        ]
        assert "process" in errors[0]["error"]["message"]
    await nothing_is_left(alive)


async def test_a_process_that_was_taken_for_dead_has_no_second_answer(
    server: MCPServer, line: Line
) -> None:
    one, two = process(line, server), process(line, server)
    walk = Walk(one)
    client = await Client(consumer_of(one)).begin()
    there = Client(consumer_of(two)).in_place_of(client)
    last = await break_off(client, walk)
    line.is_down = True

    lost = await asyncio.wait_for(there.get(last), PATIENCE)
    walk.step()
    walk.stop()
    await nothing_is_left(one)
    again = await there.get(last)

    assert [each["error"]["code"] for each in lost.messages] == [-32000]
    assert again.messages == lost.messages


async def test_a_call_that_says_nothing_for_a_while_can_be_resumed(
    streaming: AsgiDoor, server: MCPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_streams, "FIRST_SILENCE", 0.01)
    gate = asyncio.Event()

    @server.tool
    async def think(ctx: Context):  # type: ignore[no-untyped-def]
        await gate.wait()
        return "thought"

    client = await Client(streaming, "2025-11-25").begin()
    async with client.calling("think", id="thinking") as call:
        first = await call.event()
        assert (first.data, first.retry) == (b"", 1000)
        await call.disconnect()
    gate.set()

    async with client.listening(first.id) as stream:
        answer = (await stream.messages())[-1]
    assert (answer["id"], answer["result"]["content"]) == ("thinking", texts("thought"))
