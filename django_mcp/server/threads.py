"""Where the functions of a server run: the interface, and a plain pool of threads.

Sync functions run side by side in a bounded pool, never on one shared thread; async functions run
on the loop that serves the call. What a function needs around it (database connections, a
transaction) is the business of an implementation: `backends.threads` for Django.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

#: Sync functions that run at the same time; more wait their turn.
MAX_THREADS: Final = 40


#: How deep functions may be nested that each wait for the next one in a thread.
MAX_NESTING: Final = 8

_nesting: contextvars.ContextVar[int] = contextvars.ContextVar("django_mcp_nesting", default=0)


def finished(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `function` returns; what no future can hold, or would end the process, becomes a
    RuntimeError.

    Whoever waits for a thread that ended with StopIteration, as of a `next()` that finds nothing,
    would wait for ever; and a function that calls sys.exit(), as command lines do, must not end the
    server.
    """
    try:
        return function(*args, **kwargs)
    except (StopIteration, SystemExit, KeyboardInterrupt, GeneratorExit) as error:
        raise RuntimeError(f"the function raised {type(error).__name__}") from error


class Pools:
    """Bounded pools of threads, one for each depth of nesting.

    A function in a thread may wait for another one that needs a thread, as `Context.wait()` lets
    it. If both came out of one pool, as many of them as there are threads would wait for ever.
    """

    def __init__(self, max_threads: int) -> None:
        self._max_threads = max_threads
        self._pools: list[ThreadPoolExecutor] = []
        self._lock = threading.Lock()

    def submit(self, call: Callable[[], T]) -> asyncio.Future[T]:
        """Run `call` in a thread, in a copy of the current context."""
        depth, context = _nesting.get(), contextvars.copy_context()
        context.run(_nesting.set, depth + 1)
        pools = self._pools
        pool = pools[depth] if depth < len(pools) else self._open(depth)
        return asyncio.get_running_loop().run_in_executor(pool, context.run, call)

    def close(self) -> None:
        """Let go of the threads; running functions end by themselves."""
        with self._lock:
            pools, self._pools = self._pools, []
        for pool in pools:
            pool.shutdown(wait=False, cancel_futures=True)

    def _open(self, depth: int) -> ThreadPoolExecutor:
        if depth >= MAX_NESTING:
            raise RuntimeError(f"more than {MAX_NESTING} functions wait for one another in threads")
        with self._lock:
            while depth >= len(self._pools):
                name = f"django_mcp_{len(self._pools)}"
                self._pools.append(ThreadPoolExecutor(self._max_threads, thread_name_prefix=name))
            return self._pools[depth]


class Workers(Protocol):
    """Runs the functions of a server."""

    async def run_sync(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what `function` returns, run in a thread with the caller's context variables."""

    async def run_async(
        self, function: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Return what the coroutine function returns, run on this loop."""

    def close(self) -> None:
        """Let go of the threads; running functions end by themselves."""


class ThreadWorkers:
    """A pool of threads, and nothing around the functions."""

    def __init__(self, max_threads: int = MAX_THREADS) -> None:
        self._pools = Pools(max_threads)

    async def run_sync(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._pools.submit(functools.partial(finished, function, *args, **kwargs))

    async def run_async(
        self, function: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        return await function(*args, **kwargs)

    def close(self) -> None:
        self._pools.close()
