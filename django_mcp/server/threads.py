"""Where the functions of a server run: the interface, and a plain pool of threads.

Sync functions run side by side in a bounded pool, never on one shared thread; async functions run
on the loop that serves the call. What a function needs around it (database connections, a
transaction) is the business of an implementation: `backends.threads` for Django.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import contextvars
import functools
import queue
import threading
import weakref
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple, ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

#: Sync functions that run at the same time; more wait their turn.
MAX_THREADS: Final = 40


#: How deep functions may be nested that each wait for the next one in a thread.
MAX_NESTING: Final = 8

_nesting: contextvars.ContextVar[int] = contextvars.ContextVar("django_mcp_nesting", default=0)


def finished(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
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


class _Call(NamedTuple):
    """A call that waits for a thread, and the future that waits for the call."""

    future: asyncio.Future[Any]
    context: contextvars.Context
    function: Callable[[], Any]

    def run(self, made: Callable[[], None]) -> None:
        """Make the call here, unless nobody waits for it any more, and tell the loop.

        `made` is called in between: who hears of it finds the thread free.
        """
        result, error = None, None
        if not self.future.cancelled():
            try:
                result = self.context.run(self.function)
            except BaseException as raised:
                error = raised
        made()
        with contextlib.suppress(RuntimeError):  # The loop is closed, and who waited is gone.
            self.future.get_loop().call_soon_threadsafe(_settle, self.future, result, error)
        del error  # It refers to this frame.


def _settle(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.cancelled():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


class Pool:
    """Up to `size` threads that make calls for event loops, each begun when it is needed.

    Does what `loop.run_in_executor()` does with a ThreadPoolExecutor, at a quarter of the cost: the
    future that is awaited is the only one there is.
    """

    def __init__(self, size: int, name: str) -> None:
        self._size = size
        self._name = name
        self._threads: list[threading.Thread] = []
        self._shift = _Shift()
        # The threads know only their shift, so that a pool nobody has any more lets go of them.
        weakref.finalize(self, self._shift.end)

    def submit(self, context: contextvars.Context, function: Callable[[], T]) -> asyncio.Future[T]:
        """Call `function` in a thread, in `context`."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        shift = self._shift
        with shift.lock:
            if shift.ended:
                raise RuntimeError("the pool is closed")
            if shift.free <= 0 and len(self._threads) < self._size:
                self._begin()
            shift.free -= 1
            shift.calls.put(_Call(future, context, function))
        return future

    def close(self) -> None:
        """Let go of the threads and cancel what waits for one."""
        shift = self._shift
        with shift.lock:
            shift.ended = True
            with contextlib.suppress(queue.Empty):
                while (call := shift.calls.get_nowait()) is not None:
                    call.future.get_loop().call_soon_threadsafe(call.future.cancel)
            shift.end()

    def _begin(self) -> None:
        name = f"{self._name}_{len(self._threads)}"
        # A daemon, since Python waits for other threads before it would tell them to end.
        thread = threading.Thread(target=self._shift.work, name=name, daemon=True)
        thread.start()
        self._shift.free += 1
        self._threads.append(thread)
        _shifts[thread] = self._shift


class _Shift:
    """What the threads of a pool share: the calls to make, and how many threads wait for one.

    `free` is below zero where calls wait for threads.
    """

    def __init__(self) -> None:
        self.calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self.lock = threading.Lock()
        self.free = 0
        self.ended = False

    def work(self) -> None:
        """Make calls, one after the other, until the end."""
        while (call := self.calls.get()) is not None:
            call.run(self._made)
            del call  # A thread that waits holds on to nothing.
        self.end()

    def _made(self) -> None:
        with self.lock:
            self.free += 1

    def end(self) -> None:
        """Have every thread end that has nothing to do; each passes it on."""
        self.calls.put(None)


_shifts: weakref.WeakKeyDictionary[threading.Thread, _Shift] = weakref.WeakKeyDictionary()


@atexit.register
def _finish() -> None:
    """Wait for functions that still run, as a ThreadPoolExecutor does when Python ends."""
    shifts = list(_shifts.items())
    for _, shift in shifts:
        shift.end()
    for thread, _ in shifts:
        thread.join()


class Pools:
    """Bounded pools of threads, one for each depth of nesting.

    A function in a thread may wait for another one that needs a thread, as `Context.wait()` lets
    it. If both came out of one pool, as many of them as there are threads would wait for ever.
    """

    def __init__(self, max_threads: int) -> None:
        self._max_threads = max_threads
        self._pools: list[Pool] = []
        self._lock = threading.Lock()

    def submit(self, call: Callable[[], T]) -> asyncio.Future[T]:
        """Run `call` in a thread, in a copy of the current context."""
        depth, context = _nesting.get(), contextvars.copy_context()
        context.run(_nesting.set, depth + 1)
        pools = self._pools
        pool = pools[depth] if depth < len(pools) else self._open(depth)
        return pool.submit(context, call)

    def close(self) -> None:
        """Let go of the threads; running functions end by themselves."""
        with self._lock:
            pools, self._pools = self._pools, []
        for pool in pools:
            pool.close()

    def _open(self, depth: int) -> Pool:
        if depth >= MAX_NESTING:
            raise RuntimeError(f"more than {MAX_NESTING} functions wait for one another in threads")
        with self._lock:
            while depth >= len(self._pools):
                name = f"django_mcp_{len(self._pools)}"
                self._pools.append(Pool(self._max_threads, name))
            return self._pools[depth]


class Workers(Protocol):
    """Runs the functions of a server."""

    # Their own parameters have no names, so that those of a function may have any.

    async def run_sync(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what `function` returns, run in a thread with the caller's context variables."""

    async def run_async(
        self, function: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Return what the coroutine function returns, run on this loop."""

    def wait(self, function: Callable[[], Awaitable[T]], loop: asyncio.AbstractEventLoop) -> T:
        """Return what the coroutine function returns, run on `loop`, to a function in a thread."""

    def close(self) -> None:
        """Let go of the threads; running functions end by themselves."""


class ThreadWorkers:
    """A pool of threads, and nothing around the functions."""

    def __init__(self, max_threads: int = MAX_THREADS) -> None:
        self._pools = Pools(max_threads)

    async def run_sync(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._pools.submit(functools.partial(finished, function, *args, **kwargs))

    async def run_async(
        self, function: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        return await function(*args, **kwargs)

    def wait(self, function: Callable[[], Awaitable[T]], loop: asyncio.AbstractEventLoop) -> T:
        return wait_for(function, loop)

    def close(self) -> None:
        self._pools.close()


def wait_for(function: Callable[[], Awaitable[T]], loop: asyncio.AbstractEventLoop) -> T:
    """Return what the coroutine function returns, run on `loop`; this thread waits meanwhile."""

    async def run() -> T:
        return await function()

    return asyncio.run_coroutine_threadsafe(run(), loop).result()
