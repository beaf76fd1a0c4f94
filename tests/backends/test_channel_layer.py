"""Messages between processes, on a channel layer that does what the test says."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from channels.layers import InMemoryChannelLayer
from django.apps import apps

from django_mcp import MCPServer
from django_mcp.backends import carrier, hearing, outbox
from django_mcp.backends.channel_layer import ChannelLayerBroker, carrier_of, encode
from django_mcp.server.broker import (
    Answered,
    BrokerUnavailable,
    Change,
    Ended,
    Grew,
    Incoming,
    Message,
)
from tests.backends.layers import PATIENCE, Board, Ear, Processes, threads

LAST = Change("resource", "x://last")


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hearing, "FIRST_DELAY", 0.001)


@pytest.fixture
def board() -> Board:
    return Board()


@pytest.fixture
def processes(board: Board) -> Iterator[Processes]:
    made = Processes(board.make_layer)
    yield made
    board.away = False
    board.goes_on.set()
    made.close()


# What goes where


async def test_other_processes_hear_what_one_publishes_in_order(processes: Processes) -> None:
    one, other = processes.broker(), processes.broker()
    ear = Ear(other)
    await other.settle()

    for message in (Change("tools"), Ended("s"), Grew("s", "t"), LAST):
        one.publish(message)

    assert await ear.until(LAST) == [Change("tools"), Ended("s"), Grew("s", "t"), LAST]


async def test_the_own_process_hears_at_once_and_once(processes: Processes) -> None:
    one, other = processes.broker(), processes.broker()
    ear = Ear(one)
    await one.settle()

    one.publish(Change("tools"))
    assert await ear.next() == Change("tools")
    await one.settle()
    other.publish(LAST)

    assert await ear.next() == LAST


async def test_servers_of_one_process_share_a_channel_and_hear_their_own(
    processes: Processes, board: Board
) -> None:
    one = processes.broker("one")
    two = ChannelLayerBroker("two", carrier=processes.carriers[0])
    ears = Ear(one), Ear(two)
    await one.settle()
    elsewhere = processes.broker("two")

    elsewhere.publish(LAST)
    await elsewhere.settle()
    processes.broker("one").publish(Change("prompts"))

    assert await ears[1].next() == LAST
    assert await ears[0].next() == Change("prompts")
    assert len(board.channels) == 1


@pytest.mark.parametrize("name", ["library", "Bücherei / Zweig 2", "x" * 500])
async def test_a_server_may_be_called_anything(
    processes: Processes, board: Board, name: str
) -> None:
    ear = Ear(processes.broker(name))
    await processes.carriers[0].settle()

    processes.broker(name).publish(LAST)

    assert await ear.next() == LAST
    assert InMemoryChannelLayer().require_valid_group_name(next(iter(board.members)))


async def test_projects_with_keys_of_their_own_do_not_hear_each_other(
    processes: Processes, board: Board, settings: Any
) -> None:
    for key in ("one", "two"):
        settings.SECRET_KEY = key
        Ear(processes.broker())
        await processes.carriers[-1].settle()

    assert len(board.members) == 2


async def test_messages_arrive_as_they_were(processes: Processes) -> None:
    ear = Ear(processes.broker())
    await processes.carriers[0].settle()
    body = "half a pair: \ud800, none: \U0001f600, " + "x" * 4_000_000
    messages: list[Message] = [
        Answered("s", 7, {"a": ["\udfff", None, 1.5]}),
        Answered("s", "7", error={"code": -1, "message": "no"}),
        Incoming("s", body),
        Incoming("s", body),
    ]
    sender = processes.broker()

    for message in messages:
        await sender.send(message)

    assert [await ear.next() for _ in messages] == messages


async def test_what_is_no_message_of_ours_is_ignored(processes: Processes, board: Board) -> None:
    ear = Ear(processes.broker())
    await processes.carriers[0].settle()
    group = next(iter(board.members))
    ours = {"type": hearing.TYPE, "process": "p", "group": group}
    texts = ["[1]", "{", '"x"', "{}", '{"name":"later"}', '{"name":"change","more":1}', 5]

    board.deliver({"type": "websocket.send", "text": "x"})
    board.deliver({**ours, "number": "1", "texts": [encode(LAST)]})
    board.deliver({**ours, "number": 2, "texts": encode(LAST)})
    board.deliver({**ours, "number": 3, "texts": [encode(LAST)], "group": "another"})
    board.deliver({**ours, "number": 4, "texts": [*texts, encode(Change("tools"))]})

    assert await ear.next() == Change("tools")


async def test_a_listener_that_fails_ends_nothing(processes: Processes) -> None:
    broker, failures = processes.broker(), []

    def fail(message: Message) -> None:
        raise ZeroDivisionError

    asyncio.get_running_loop().set_exception_handler(
        lambda loop, context: failures.append(context["exception"])
    )
    broker.subscribe(fail)
    ear = Ear(broker)
    await broker.settle()
    other = processes.broker()

    await other.send(Change("tools"))
    await other.send(LAST)

    assert await ear.until(LAST) == [Change("tools"), LAST]
    assert [type(error) for error in failures] == [ZeroDivisionError] * 2


# Where nothing is shared


class Untouchable(InMemoryChannelLayer):
    """A layer of this process that nobody may use."""

    def __init__(self) -> None:
        raise NotImplementedError


@pytest.mark.parametrize(
    "layers", [{}, {"default": {"BACKEND": "tests.backends.test_channel_layer.Untouchable"}}]
)
async def test_without_a_shared_layer_there_is_this_process_and_no_layer(
    settings: Any, layers: Any
) -> None:
    settings.CHANNEL_LAYERS = layers
    broker = MCPServer("alone").broker
    ear = Ear(broker)

    broker.publish(Change("tools"))
    await broker.send(LAST)
    await broker.settle()

    assert await ear.until(LAST) == [Change("tools"), LAST]
    assert not broker.reaches_others
    assert threads() == []


async def test_a_backend_that_cannot_be_imported_is_no_secret(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.CHANNEL_LAYERS = {"odd": {"BACKEND": "nowhere.Layer"}}
    settings.DJANGO_MCP = {"CHANNEL_LAYER": "odd"}
    broker = MCPServer("odd").broker

    with pytest.raises(BrokerUnavailable):
        await broker.send(LAST)

    assert "Cannot import BACKEND 'nowhere.Layer'" in caplog.text
    carrier_of("odd").close()


def test_what_is_registered_while_the_project_loads_is_told_to_nobody(
    processes: Processes, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apps, "ready", False)
    server = MCPServer("test", broker=processes.broker())

    server.add_tool(lambda: None, "nothing", description="Nothing.")

    assert (board.made, threads()) == (0, [])


# Where it is published


async def test_a_thread_without_a_loop_publishes(processes: Processes) -> None:
    ear = Ear(processes.broker())
    await processes.carriers[0].settle()
    broker = processes.broker()
    wanted = [Change("resource", f"x://{number}") for number in range(100)]

    thread = threading.Thread(target=lambda: [broker.publish(m) for m in [*wanted, LAST]])
    thread.start()

    assert await ear.until(LAST) == [*wanted, LAST]
    thread.join()


async def test_a_loop_that_ends_at_once_loses_nothing(processes: Processes) -> None:
    ear = Ear(processes.broker())
    await processes.carriers[0].settle()
    broker = processes.broker()

    async def publish() -> None:
        broker.publish(LAST)

    thread = threading.Thread(target=lambda: asyncio.run(publish()))
    thread.start()

    assert await ear.next() == LAST
    thread.join()


async def test_listeners_in_several_event_loops_hear(processes: Processes) -> None:
    broker, heard = processes.broker(), []
    ear = Ear(broker)
    ready: asyncio.Queue[None] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    async def listen() -> None:
        another = Ear(broker)
        loop.call_soon_threadsafe(ready.put_nowait, None)
        heard.append(await another.next())
        another.stop()

    thread = threading.Thread(target=lambda: asyncio.run(listen()))
    thread.start()
    await ready.get()
    await broker.settle()
    processes.broker().publish(LAST)

    assert await ear.next() == LAST
    thread.join()
    assert heard == [LAST]


# Bursts


@pytest.mark.parametrize("distinct", [False, True])
async def test_a_burst_is_few_messages_and_its_end_arrives(
    processes: Processes, board: Board, distinct: bool
) -> None:
    ear = Ear(processes.broker())
    await processes.carriers[0].settle()
    broker = processes.broker()
    burst = [Change("resource", f"x://{number if distinct else 0}") for number in range(10_000)]

    for message in [*burst, LAST]:
        broker.publish(message)
    heard = await ear.until(LAST)

    assert list(dict.fromkeys(heard)) == list(dict.fromkeys([*burst, LAST]))
    assert len(board.sent) < 1000


async def test_what_is_equal_and_waits_is_sent_once(processes: Processes, board: Board) -> None:
    ear = Ear(processes.broker())
    await processes.carriers[0].settle()
    broker = processes.broker()
    board.goes_on.clear()
    begun = board.begun
    broker.publish(Change("prompts"))
    await board.until(lambda: board.begun > begun)

    # Few enough to be done long before a message that is not taken counts as lost.
    for _ in range(500):
        broker.publish(Change("tools"))
        broker.publish(Change("resources"))
    board.goes_on.set()
    broker.publish(LAST)

    heard = await ear.until(LAST)
    assert heard == [Change("prompts"), Change("tools"), Change("resources"), LAST]
    assert len(board.sent) <= 3


async def test_what_waits_is_bounded_and_the_newest_stays(
    processes: Processes,
    board: Board,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(outbox, "MAX_WAITING", 30_000)
    ear = Ear(processes.broker())
    await processes.carriers[0].settle()
    broker = processes.broker()
    board.goes_on.clear()

    for number in range(1000):
        broker.publish(Change("resource", f"x://{number}"))
    with pytest.raises(BrokerUnavailable):
        await broker.send(Incoming("s", "x" * 30_000))
    waiting = len(processes.carriers[1].outbox)
    board.goes_on.set()
    broker.publish(LAST)

    heard = await ear.until(LAST)
    assert waiting < 150
    assert heard[-2] == Change("resource", "x://999")
    assert "too many wait" in caplog.text


async def test_messages_somebody_waits_for_are_never_dropped_for_others(
    processes: Processes, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "MAX_WAITING", 30_000)
    ear = Ear(processes.broker())
    await processes.carriers[0].settle()
    broker = processes.broker()
    board.goes_on.clear()
    begun = board.begun
    broker.publish(Change("tools"))
    await board.until(lambda: board.begun > begun)

    sending = asyncio.create_task(broker.send(Ended("s")))
    await asyncio.sleep(0)
    for number in range(1000):
        broker.publish(Change("resource", f"x://{number}"))
    board.goes_on.set()
    await sending

    assert (await ear.until(Ended("s")))[-1] == Ended("s")


# A layer that fails


@pytest.mark.parametrize("trouble", ["away", "full"])
async def test_what_cannot_be_sent_is_unavailable_at_once_and_says_no_more(
    processes: Processes, board: Board, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    monkeypatch.setattr(carrier, "SEND_TIMEOUT", 10 * PATIENCE)
    broker = processes.broker()
    setattr(board, trouble, True)

    async with asyncio.timeout(PATIENCE):
        with pytest.raises(BrokerUnavailable) as raised:
            await broker.send(Ended("s"))

    assert raised.value.status == 503
    assert "send the request again" in str(raised.value)
    assert "secret" not in str(raised.value)
    setattr(board, trouble, False)
    await broker.send(Ended("s"))


async def test_a_layer_that_does_not_answer_is_unavailable_too(
    processes: Processes, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carrier, "SEND_TIMEOUT", 0.02)
    broker = processes.broker()
    board.goes_on.clear()

    with pytest.raises(BrokerUnavailable):
        await broker.send(Ended("s"))
    board.goes_on.set()


async def test_changes_are_told_once_the_layer_is_back_and_what_is_over_is_not(
    processes: Processes, board: Board, caplog: pytest.LogCaptureFixture
) -> None:
    ear = Ear(processes.broker())
    await processes.carriers[0].settle()
    broker = processes.broker()
    board.refuses = True

    broker.publish(Grew("s", "t"))
    broker.publish(Change("tools"))
    begun = board.begun
    await board.until(lambda: board.begun > begun + 3)
    board.refuses = False
    broker.publish(LAST)

    assert await ear.until(LAST) == [Change("tools"), LAST]
    assert caplog.text.count("cannot be reached") == 1


async def test_a_connection_that_breaks_costs_nothing(
    processes: Processes, board: Board, caplog: pytest.LogCaptureFixture
) -> None:
    ear = Ear(processes.broker())
    await processes.carriers[0].settle()
    joined = len(board.joined)

    board.break_connections()
    await board.until(lambda: len(board.joined) > joined)
    processes.broker().publish(LAST)

    assert await ear.next() == LAST
    assert len(board.channels) == 1
    assert caplog.text == ""


async def test_a_layer_that_forgets_everything_is_joined_anew(
    processes: Processes, board: Board
) -> None:
    ear = Ear(processes.broker())
    await processes.carriers[0].settle()
    joined = len(board.joined)

    board.forget()
    await board.until(lambda: len(board.joined) > joined)
    processes.broker().publish(LAST)

    assert await ear.next() == LAST


async def test_a_layer_that_stays_away_is_taken_up_on_a_channel_of_its_own(
    processes: Processes, board: Board, caplog: pytest.LogCaptureFixture
) -> None:
    ear = Ear(processes.broker())
    await processes.carriers[0].settle()
    board.away = True
    attempts = board.attempts
    board.break_connections()
    await board.until(lambda: board.attempts > attempts + 4)
    board.away = False
    await board.until(lambda: len(board.channels) == 2)
    await processes.carriers[0].settle()

    processes.broker().publish(LAST)

    assert await ear.next() == LAST
    # The channel that was given up would be sent to until its membership expires.
    await board.until(lambda: list(board.members.values()) == [{"specific.1"}])
    assert caplog.text.count("cannot be heard") == 1


async def test_what_a_layer_delivers_twice_is_heard_once(
    processes: Processes, board: Board
) -> None:
    ear = Ear(processes.broker())
    await processes.carriers[0].settle()
    broker = processes.broker()
    await broker.send(Change("tools"))
    joined = len(board.joined)
    board.break_connections()
    await board.until(lambda: len(board.joined) > joined)

    board.deliver(board.sent[0])
    await broker.send(LAST)

    assert await ear.until(LAST) == [Change("tools"), LAST]


async def test_a_membership_is_renewed_before_it_expires(
    processes: Processes, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hearing, "REJOIN", 0.005)
    ear = Ear(processes.broker())

    await board.until(lambda: len(board.joined) > 3)
    processes.broker().publish(LAST)

    assert await ear.next() == LAST
    assert set(board.joined) == {"specific.0"}


# The end


async def test_nothing_remains_when_the_last_listener_has_left(
    processes: Processes, board: Board
) -> None:
    broker = processes.broker()
    ears = Ear(broker), Ear(broker)
    await broker.settle()
    before = asyncio.all_tasks()

    ears[0].stop()
    await broker.settle()
    assert len(board.members) == 1
    ears[1].stop()
    await broker.settle()

    assert board.members == {}
    assert board.closed == board.made
    assert threads() == []
    assert asyncio.all_tasks() == before


async def test_a_broker_can_be_listened_to_again(processes: Processes) -> None:
    broker = processes.broker()
    Ear(broker).stop()
    await broker.settle()

    ear = Ear(broker)
    await broker.settle()
    processes.broker().publish(LAST)

    assert await ear.next() == LAST


async def test_a_server_that_shuts_down_leaves(processes: Processes, board: Board) -> None:
    server = MCPServer("test", broker=processes.broker())
    with server.hub.question("session", 1):
        await server.broker.settle()
        assert len(board.members) == 1

    await server.shutdown()

    assert (board.members, threads()) == ({}, [])


async def test_listeners_whose_loop_was_closed_are_forgotten(
    processes: Processes, board: Board
) -> None:
    broker = processes.broker()

    async def listen() -> None:
        broker.subscribe(lambda message: None)

    thread = threading.Thread(target=lambda: asyncio.run(listen()))
    thread.start()
    thread.join()
    await broker.settle()
    assert len(board.members) == 1

    processes.broker().publish(LAST)

    await board.until(lambda: not board.members)


async def test_a_layer_that_is_away_does_not_keep_a_server_from_ending(
    processes: Processes, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carrier, "LAST_WORDS", 0.02)
    server = MCPServer("test", broker=processes.broker())
    board.away = True
    server.notify_tools_changed()

    await server.shutdown()

    assert threads() == ["django_mcp_layer"]
    board.away = False
    monkeypatch.setattr(carrier, "LAST_WORDS", PATIENCE)
    await server.broker.settle()
    assert board.sent
