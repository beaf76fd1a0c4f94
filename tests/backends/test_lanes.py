"""The threads of async calls: each call has its own, whatever becomes of it, and gives it back."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import SyncToAsync, sync_to_async
from django.db import connections

from django_mcp.backends.threads import DjangoWorkers

pytestmark = pytest.mark.anyio

PATIENCE = 10


@pytest.fixture
def workers() -> Iterator[DjangoWorkers]:
    """One thread for all of them."""
    workers = DjangoWorkers(1)
    yield workers
    workers.close()


async def query() -> None:
    """What a query of the async ORM is: sync code on the thread that is the call's."""
    await sync_to_async(int)()


class Holding:
    """A call that holds its thread until it is told to go on."""

    def __init__(self, workers: DjangoWorkers) -> None:
        self._begun, self._go_on = threading.Event(), threading.Event()
        self._call = asyncio.ensure_future(workers.run_async(self._hold))

    async def begun(self) -> None:
        assert await asyncio.to_thread(self._begun.wait, PATIENCE)

    async def end(self) -> None:
        self._go_on.set()
        await self._call

    async def _hold(self) -> None:
        await sync_to_async(self._wait)()

    def _wait(self) -> None:
        self._begun.set()
        self._go_on.wait(PATIENCE)


class Leaving:
    """A call that ends, and the task it leaves behind, which goes on when it is told to."""

    def __init__(self, work: Any) -> None:
        self.go_on, self.asked = asyncio.Event(), asyncio.Event()
        self.left: asyncio.Task[None] | None = None
        self._work = work

    async def __call__(self) -> None:
        self.left = asyncio.create_task(self._later())

    async def _later(self) -> None:
        await self.go_on.wait()
        self.asked.set()
        await self._work()

    async def done(self) -> None:
        assert self.left is not None
        await asyncio.wait_for(self.left, PATIENCE)


async def test_what_a_call_left_behind_gives_its_thread_back(workers: DjangoWorkers) -> None:
    leave = Leaving(query)
    await workers.run_async(leave)
    leave.go_on.set()
    await leave.done()

    await asyncio.wait_for(workers.run_async(query), PATIENCE)


async def test_what_a_call_left_behind_and_had_to_wait_gives_its_thread_back(
    workers: DjangoWorkers,
) -> None:
    leave, holding = Leaving(query), Holding(workers)
    await workers.run_async(leave)
    await holding.begun()
    leave.go_on.set()
    await leave.asked.wait()
    await holding.end()
    await leave.done()

    await asyncio.wait_for(workers.run_async(query), PATIENCE)


async def test_what_a_call_left_waiting_for_a_thread_gets_one(workers: DjangoWorkers) -> None:
    left: list[asyncio.Task[None]] = []

    async def leave() -> None:
        left.append(asyncio.create_task(query()))
        await asyncio.sleep(0)  # It has asked by now.

    holding = Holding(workers)
    await holding.begun()
    await workers.run_async(leave)
    await holding.end()

    await asyncio.wait_for(left[0], PATIENCE)
    await asyncio.wait_for(workers.run_async(query), PATIENCE)


async def test_what_a_call_left_behind_makes_calls_of_its_own(workers: DjangoWorkers) -> None:
    seen: list[bool] = []

    async def look() -> None:
        lane: Any = SyncToAsync.thread_sensitive_context.get()
        seen.append(lane.ended)

    async def call_again() -> None:
        await look()
        await workers.run_async(look)
        await look()

    leave = Leaving(call_again)
    await workers.run_async(leave)
    leave.go_on.set()
    await leave.done()

    assert seen == [True, False, True]


async def test_who_waits_for_a_thread_is_not_taken_for_another_who_does(
    workers: DjangoWorkers,
) -> None:
    order: list[str] = []

    async def call(name: str) -> None:
        await sync_to_async(order.append)(name)

    holding = Holding(workers)
    await holding.begun()
    waiting = [asyncio.ensure_future(workers.run_async(call, name)) for name in "abc"]
    await asyncio.sleep(0)  # Each has asked by now.
    waiting[1].cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting[1]
    await holding.end()
    await asyncio.wait_for(asyncio.gather(waiting[0], waiting[2]), PATIENCE)

    assert order == ["a", "c"]


@pytest.mark.parametrize("is_atomic", [True, False])
async def test_a_parameter_may_have_any_name(
    is_atomic: bool, monkeypatch: pytest.MonkeyPatch, transactional_db: Any
) -> None:
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", is_atomic)

    def add(self: int, function: int, call: int, args: int, kwargs: int) -> list[int]:
        return [self, function, call, args, kwargs]

    async def aadd(self: int, function: int, call: int, args: int, kwargs: int) -> list[int]:
        return [self, function, call, args, kwargs]

    given = {"self": 1, "function": 2, "call": 3, "args": 4, "kwargs": 5}
    workers = DjangoWorkers(1)
    try:
        assert await workers.run_sync(add, **given) == [1, 2, 3, 4, 5]
        assert await workers.run_async(aadd, **given) == [1, 2, 3, 4, 5]
    finally:
        workers.close()
