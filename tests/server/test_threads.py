"""The pools of threads: what waits, what ends, and when."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from django_mcp.server.threads import MAX_NESTING, Pools

PATIENCE = 10  # Seconds after which what never happens fails the test.


@pytest.fixture
def pools() -> Iterator[Pools]:
    pools = Pools(2)
    yield pools
    pools.close()


class Gate:
    """Calls that go on only once the gate is open."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.passed: list[str] = []

    def call(self, name: str) -> Callable[[], str]:
        def wait() -> str:
            assert self.open.wait(PATIENCE)
            self.passed.append(name)
            return name

        return wait


async def test_what_a_call_returns_and_raises_arrives(pools: Pools) -> None:
    assert await pools.submit(lambda: 5) == 5
    with pytest.raises(ZeroDivisionError):
        await pools.submit(lambda: 1 // 0)


async def test_a_thread_is_begun_only_where_none_is_free(pools: Pools) -> None:
    seen = set()
    for _ in range(5):
        seen.add(await pools.submit(threading.get_ident))
    assert len(seen) == 1


async def test_calls_beyond_the_threads_wait_their_turn(pools: Pools) -> None:
    gate = Gate()
    calls = [pools.submit(gate.call(str(number))) for number in range(5)]
    assert not any(call.done() for call in calls)
    gate.open.set()
    assert await asyncio.gather(*calls) == ["0", "1", "2", "3", "4"]


async def test_a_call_that_is_cancelled_while_it_waits_is_not_made(pools: Pools) -> None:
    gate = Gate()
    calls = [pools.submit(gate.call(str(number))) for number in range(3)]
    calls[2].cancel()
    gate.open.set()
    await asyncio.wait(calls)
    await pools.submit(int)
    assert sorted(gate.passed) == ["0", "1"]


async def test_a_call_that_is_cancelled_while_it_runs_runs_to_its_end(pools: Pools) -> None:
    gate, begun = Gate(), threading.Event()

    def run() -> None:
        begun.set()
        gate.call("run")()

    call = pools.submit(run)
    assert await asyncio.to_thread(begun.wait, PATIENCE)
    call.cancel()
    gate.open.set()
    await until(lambda: gate.passed == ["run"])
    assert call.cancelled()


async def test_closing_cancels_what_waits_and_lets_the_rest_end(pools: Pools) -> None:
    gate, begun = Gate(), threading.Barrier(3)

    def run() -> str:
        begun.wait(PATIENCE)
        return gate.call("run")()

    calls = [pools.submit(run) for _ in range(2)]
    waiting = pools.submit(gate.call("waiting"))
    await asyncio.to_thread(begun.wait, PATIENCE)
    pools.close()
    gate.open.set()
    assert await asyncio.gather(*calls) == ["run", "run"]
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert gate.passed == ["run", "run"]


async def test_threads_end_with_their_pools() -> None:
    pools = Pools(3)
    gate = Gate()
    calls = [pools.submit(gate.call(str(number))) for number in range(3)]
    gate.open.set()
    await asyncio.gather(*calls)
    threads = [thread for thread in threading.enumerate() if thread.name.startswith("django_mcp_0")]
    assert len(threads) >= 3
    del pools
    gc.collect()
    await until(lambda: sum(thread.is_alive() for thread in threads) <= len(threads) - 3)


def test_python_waits_at_its_end_for_what_still_runs() -> None:
    script = """
import asyncio, time
from django_mcp.server.threads import Pools

async def main():
    pools.submit(lambda: (time.sleep(0.3), print("done")))

pools = Pools(2)
asyncio.run(main())
"""
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True
    )
    assert (ended.stdout, ended.stderr) == ("done\n", "")


async def test_there_is_an_end_to_nesting(pools: Pools) -> None:
    loop = asyncio.get_running_loop()

    def nested(depth: int) -> int:
        async def deeper() -> int:
            return await pools.submit(lambda: nested(depth + 1))

        return asyncio.run_coroutine_threadsafe(deeper(), loop).result(PATIENCE)

    with pytest.raises(RuntimeError, match=str(MAX_NESTING)):
        await pools.submit(lambda: nested(0))


async def until(happened: Callable[[], bool]) -> None:
    """Wait until it is so."""
    end = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < end
        await asyncio.sleep(0.001)
