"""The broker in memory: who hears a message, and what it costs to be many."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from django_mcp.server.broker import Change, InMemoryBroker, Message

pytestmark = pytest.mark.anyio


async def test_a_loop_is_woken_once_however_many_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    broker, heard = InMemoryBroker(), asyncio.Queue[int]()
    for number in range(3):
        broker.subscribe(lambda _, number=number: heard.put_nowait(number))  # type: ignore[misc]
    loop, woken = asyncio.get_running_loop(), []
    wake = loop.call_soon_threadsafe

    def count(callback: Any, *args: Any, **more: Any) -> Any:
        woken.append(callback)
        return wake(callback, *args, **more)

    monkeypatch.setattr(loop, "call_soon_threadsafe", count)
    broker.publish(Change("tools"))

    assert [await heard.get() for _ in range(3)] == [0, 1, 2]
    assert len(woken) == 1


async def test_a_listener_that_fails_keeps_nothing_from_the_others() -> None:
    broker, heard, failures = InMemoryBroker(), asyncio.Queue[Message](), []
    asyncio.get_running_loop().set_exception_handler(
        lambda loop, context: failures.append(context["exception"])
    )

    def fail(message: Message) -> None:
        raise ValueError("broken")

    for listener in (fail, heard.put_nowait):
        broker.subscribe(listener)
    broker.publish(Change("tools"))

    assert await heard.get() == Change("tools")
    assert [type(error) for error in failures] == [ValueError]


async def test_who_has_stopped_listening_hears_no_more() -> None:
    broker, heard = InMemoryBroker(), asyncio.Queue[Message]()
    stop = broker.subscribe(heard.put_nowait)
    broker.subscribe(heard.put_nowait)
    stop()
    stop()
    broker.publish(Change("tools"))

    assert await heard.get() == Change("tools")
    assert heard.empty()
