"""The thread that stands ready: what it does, what becomes of errors, and how it stands still."""

from __future__ import annotations

import asyncio
import threading

import pytest

from django_mcp.backends.standing_thread import StandingThread, stand_still

PATIENCE = 10


@pytest.fixture
def thread() -> StandingThread:
    return StandingThread("test_standing_thread")


def test_it_runs_functions_in_their_order_and_in_one_thread(thread: StandingThread) -> None:
    ran: list[tuple[int, int]] = []
    futures = [
        thread.submit(lambda number: ran.append((number, threading.get_ident())), number)
        for number in range(10)
    ]

    for future in futures:
        future.result(PATIENCE)

    assert [number for number, _ in ran] == list(range(10))
    assert len({ident for _, ident in ran}) == 1
    thread.shutdown()


def test_an_error_is_told_to_whoever_waits_and_the_next_function_runs(
    thread: StandingThread,
) -> None:
    with pytest.raises(ZeroDivisionError):
        thread.submit(lambda: 1 / 0).result(PATIENCE)

    assert thread.submit(lambda: "next").result(PATIENCE) == "next"
    thread.shutdown()


async def test_an_event_loop_takes_it_as_its_own(thread: StandingThread) -> None:
    loop = asyncio.get_running_loop()
    assert await loop.run_in_executor(thread, threading.current_thread) is not None
    thread.shutdown()


def test_what_is_cancelled_before_its_turn_does_not_run(thread: StandingThread) -> None:
    go_on, ran = threading.Event(), threading.Event()
    thread.submit(go_on.wait, PATIENCE)
    cancelled = thread.submit(ran.set)
    assert cancelled.cancel()
    go_on.set()

    thread.submit(bool).result(PATIENCE)

    assert not ran.is_set()
    thread.shutdown()


def test_it_stands_still_until_it_may_go_on(thread: StandingThread) -> None:
    go_on = stand_still(thread.submit)
    later = thread.submit(bool)

    with pytest.raises(TimeoutError):
        later.result(0.05)
    go_on()

    assert later.result(PATIENCE) is False
    thread.shutdown()


def test_a_thread_that_is_busy_is_not_waited_for_for_long(
    thread: StandingThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("django_mcp.backends.standing_thread.STILL", 0.05)
    busy = threading.Event()
    thread.submit(busy.wait, PATIENCE)

    stand_still(thread.submit)()

    busy.set()
    thread.submit(bool).result(PATIENCE)
    thread.shutdown()


def test_its_thread_ends_with_it(thread: StandingThread) -> None:
    [running] = [each for each in threading.enumerate() if each.name == "test_standing_thread"]

    thread.shutdown()

    running.join(PATIENCE)
    assert not running.is_alive()
