"""Where the functions of a server run: the interface, and a plain pool of threads.

Sync functions run side by side in a bounded pool, never on one shared thread; async functions run
on the loop that serves the call. What a function needs around it (database connections, a
transaction) is the business of an implementation: `backends.threads` for Django.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

#: Sync functions that run at the same time; more wait their turn.
MAX_THREADS: Final = 40


def finished(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `function` returns. A StopIteration, as of a `next()` that finds nothing, becomes a
    RuntimeError: no future can hold one, so whoever waits for the thread would wait for ever."""
    try:
        return function(*args, **kwargs)
    except StopIteration as error:
        raise RuntimeError("the function raised StopIteration") from error


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
        self._pool = ThreadPoolExecutor(max_threads, thread_name_prefix="django_mcp")

    async def run_sync(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        call = functools.partial(finished, function, *args, **kwargs)
        loop, context = asyncio.get_running_loop(), contextvars.copy_context()
        return await loop.run_in_executor(self._pool, context.run, call)

    async def run_async(
        self, function: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        return await function(*args, **kwargs)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
