"""Operations that wait at the same moment are done together, each for itself."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any

import pytest

from django_mcp.backends.batches import MAX_BATCH, Batches, Operation, in_groups

pytestmark = pytest.mark.anyio

carried: ContextVar[str] = ContextVar("carried", default="nothing")

PATIENCE = 10  # Seconds after which an event that never comes fails the test.


class Read(Operation[str]):
    def __init__(self, name: str, *keys: str) -> None:
        self.name = name
        self.keys = keys or (name,)

    def __repr__(self) -> str:
        return f"{type(self).__name__.lower()} {self.name}"


class Write(Read):
    writes = True


class Desk:
    """Does batches in a thread, each when it is told to, and remembers them."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.begun = threading.Semaphore(0)
        self.go_on = threading.Semaphore(0)
        self.is_open = True
        self.fails: Exception | None = None
        self._threads = ThreadPoolExecutor(4)

    async def run(self, function: Any, operations: Sequence[Operation[Any]]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._threads, function, operations)

    def execute(self, operations: Sequence[Any]) -> None:
        self.batches.append([operation.name for operation in operations])
        self.begun.release()
        if not self.is_open:
            assert self.go_on.acquire(timeout=PATIENCE)
        if self.fails is not None:
            raise self.fails
        for operation in operations:
            if operation.name.startswith("bad"):
                operation.error = LookupError(operation.name)
            else:
                operation.result = operation.name.upper()

    async def has_begun(self) -> None:
        """Wait until a batch more has begun."""
        assert await asyncio.to_thread(self.begun.acquire, timeout=PATIENCE)

    def close(self) -> None:
        self._threads.shutdown()


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.close()


@pytest.fixture
def batches(desk: Desk) -> Batches:
    return Batches(desk.execute, desk.run)


async def test_what_waits_at_the_same_moment_is_one_batch(batches: Batches, desk: Desk) -> None:
    results = await asyncio.gather(*(batches.do(Read(name)) for name in "abc"))

    assert results == ["A", "B", "C"]
    assert desk.batches == [["a", "b", "c"]]


async def test_what_comes_while_a_batch_is_done_is_the_next_one(
    batches: Batches, desk: Desk
) -> None:
    desk.is_open = False
    first = asyncio.ensure_future(batches.do(Read("a")))
    await desk.has_begun()
    rest = [asyncio.ensure_future(batches.do(Read(name))) for name in "bc"]
    await asyncio.sleep(0)

    desk.go_on.release()
    assert await first == "A"
    await desk.has_begun()
    desk.go_on.release()

    assert await asyncio.gather(*rest) == ["B", "C"]
    assert desk.batches == [["a"], ["b", "c"]]


async def test_a_batch_has_an_end(batches: Batches, desk: Desk) -> None:
    await asyncio.gather(*(batches.do(Read(str(n))) for n in range(MAX_BATCH + 1)))

    assert [len(batch) for batch in desk.batches] == [MAX_BATCH, 1]


async def test_one_that_fails_fails_alone(batches: Batches, desk: Desk) -> None:
    outcomes = await asyncio.gather(
        *(batches.do(Read(name)) for name in ("a", "bad", "c")), return_exceptions=True
    )

    assert outcomes[0::2] == ["A", "C"]
    assert isinstance(outcomes[1], LookupError)


async def test_a_batch_that_cannot_be_done_fails_whole_and_the_next_one_does_not(
    batches: Batches, desk: Desk
) -> None:
    desk.fails = OSError("no threads")
    outcomes = await asyncio.gather(
        *(batches.do(Read(name)) for name in "ab"), return_exceptions=True
    )
    desk.fails = None

    assert [type(outcome) for outcome in outcomes] == [OSError, OSError]
    assert await batches.do(Read("c")) == "C"


async def test_who_is_cancelled_takes_back_what_has_not_begun(batches: Batches, desk: Desk) -> None:
    desk.is_open = False
    first = asyncio.ensure_future(batches.do(Read("a")))
    await desk.has_begun()
    second, third = (asyncio.ensure_future(batches.do(Read(name))) for name in "bc")
    await asyncio.sleep(0)

    first.cancel()
    second.cancel()
    desk.is_open = True
    desk.go_on.release()

    assert await third == "C"
    assert first.cancelled()
    assert second.cancelled()
    # The first was being done, and nobody waits for it any more.
    assert desk.batches == [["a"], ["c"]]


async def test_what_the_first_caller_carries_is_not_the_batchs(desk: Desk) -> None:
    seen = []
    run = desk.run

    async def look(function: Any, operations: Any) -> None:
        seen.append(carried.get())
        await run(function, operations)

    batches = Batches(desk.execute, look)
    token = carried.set("mine")
    try:
        await batches.do(Read("a"))
    finally:
        carried.reset(token)

    assert seen == ["nothing"]


def test_two_event_loops_wait_for_themselves_only(batches: Batches, desk: Desk) -> None:
    desk.is_open = False

    def ask(name: str) -> str | None:
        return asyncio.run(batches.do(Read(name)))

    with ThreadPoolExecutor(2) as threads:
        answers = [threads.submit(ask, name) for name in "ab"]
        # Both are being done before either is: neither waits for the other's loop.
        for _ in answers:
            assert desk.begun.acquire(timeout=PATIENCE)
        desk.go_on.release(2)

        assert [answer.result(PATIENCE) for answer in answers] == ["A", "B"]
    assert sorted(desk.batches) == [["a"], ["b"]]


# The order in a batch


def order(*operations: Operation[Any]) -> list[list[str]]:
    return [[str(operation) for operation in group] for group in in_groups(operations)]


def test_operations_of_one_kind_are_one_group() -> None:
    assert order(Read("a"), Write("b"), Read("c"), Write("d")) == [
        ["read a", "read c"],
        ["write b", "write d"],
    ]


def test_operations_with_a_key_in_common_keep_their_order() -> None:
    assert order(Write("a"), Read("a"), Read("b"), Write("b"), Write("a")) == [
        ["write a"],
        ["read a", "read b"],
        ["write b", "write a"],
    ]


def test_one_with_several_keys_follows_all_of_them() -> None:
    assert order(Read("a"), Write("b"), Read("both", "a", "b"), Write("a")) == [
        ["read a"],
        ["write b"],
        ["read both"],
        ["write a"],
    ]
