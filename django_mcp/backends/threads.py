"""Threads that hold Django's database connections, and give them back.

Sync functions run side by side in a bounded pool. Async functions run on the loop, but Django's
async ORM sends every query to a thread, by default one for the whole process; here each running
call borrows a thread of its own, a lane, so that one call's queries do not wait for another's.
Either way `close_old_connections()` runs around the call, which is what makes CONN_MAX_AGE and
CONN_HEALTH_CHECKS mean what they mean in a view, and ATOMIC_REQUESTS is honoured.

Where the event loop was started by `async_to_sync` (a WSGI request, a TestCase), sync work belongs
to the thread that started it: that thread's connections are the request's, or hold the test's
transaction.
"""

from __future__ import annotations

import asyncio
import copy
import functools
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import ExitStack
from functools import cached_property
from typing import Any, ParamSpec, TypeVar

from asgiref.sync import AsyncToSync, SyncToAsync, async_to_sync, sync_to_async
from django.db import connections, transaction

from ..server.threads import MAX_THREADS, Pools, finished, wait_for
from .connections import close_old_connections, close_stale_connections
from .lanes import Lane, Lanes

P = ParamSpec("P")
T = TypeVar("T")

_current = SyncToAsync.thread_sensitive_context


class DjangoWorkers:
    """Runs a server's functions with their database connections in order.

    `atomic=False` is for functions with transactions of their own: no ATOMIC_REQUESTS around them.
    """

    def __init__(self, max_threads: int = MAX_THREADS, *, atomic: bool = True) -> None:
        self._atomic = atomic
        self._pools = Pools(max_threads)
        self._lanes = Lanes(max_threads)

    async def run_sync(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        run = _in_transaction if self._atomic else finished
        call: Callable[[], T] = functools.partial(run, function, *args, **kwargs)
        if called_from_sync(asyncio.get_running_loop()):
            return await sync_to_async(call)()
        return await self._pools.submit(functools.partial(_with_connections, call))

    async def run_async(
        self, function: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        outer = _current.get(None)
        if outer is not None and isinstance(outer, Lane) and not outer.ended:
            # A part of a call that runs already: its thread, and its transaction. To hold one
            # thread while waiting for a second is how all of them come to wait for ever.
            return await function(*args, **kwargs)
        # asgiref passes the lane over where sync code waits for this loop, as described above.
        lane = Lane(self._lanes)
        token = _current.set(lane)
        try:
            if self._atomic and _atomic_aliases():
                return await _async_in_transaction(function, *args, **kwargs)
            return await function(*args, **kwargs)
        finally:
            _current.reset(token)
            self._lanes.leave(lane)

    def wait(self, function: Callable[[], Awaitable[T]], loop: asyncio.AbstractEventLoop) -> T:
        if called_from_sync(loop):
            # This thread is where sync work of that loop belongs: it does it while it waits.
            return async_to_sync(function)()
        return wait_for(function, loop)

    @cached_property
    def without_transactions(self) -> DjangoWorkers:
        """The same threads, for functions that begin the transactions they need."""
        if not self._atomic:
            return self
        other = copy.copy(self)
        other._atomic = False
        return other

    def close(self) -> None:
        """Let go of the threads; running functions end by themselves."""
        self._pools.close()
        self._lanes.close()


def called_from_sync(loop: asyncio.AbstractEventLoop) -> bool:
    """True where the event loop was started by `async_to_sync`."""
    # asgiref keeps, for the loops it starts, the executor that runs on the thread that waits.
    return loop in AsyncToSync.loop_thread_executors


def _with_connections(call: Callable[[], T]) -> T:
    close_stale_connections()
    try:
        return call()
    finally:
        close_old_connections()


def _atomic_aliases() -> list[str]:
    aliases = []
    for alias, settings in connections.settings.items():
        if settings["ATOMIC_REQUESTS"]:
            aliases.append(alias)
    return aliases


def _in_transaction(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    aliases = _atomic_aliases()
    if not aliases:
        return finished(function, *args, **kwargs)
    with ExitStack() as stack:
        for alias in aliases:
            stack.enter_context(transaction.atomic(using=alias))
        return finished(function, *args, **kwargs)


async def _async_in_transaction(
    function: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs
) -> T:
    aliases = _atomic_aliases()
    if not aliases:
        return await function(*args, **kwargs)
    # Entered and left on the thread that the function's own queries run on, and to the end each
    # time: a transaction that was begun while its call was cancelled has to be left as well.
    stack = ExitStack()
    error: BaseException | None = None
    try:
        await _to_its_end(sync_to_async(_enter)(stack, aliases))
        return await function(*args, **kwargs)
    except BaseException as raised:
        error = raised
        raise
    finally:
        await _to_its_end(sync_to_async(_leave)(stack, error))


async def _to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Wait for `work`, which runs in a thread; a cancellation is raised once it is done."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
    task.result()


def _enter(stack: ExitStack, aliases: list[str]) -> None:
    for alias in aliases:
        stack.enter_context(transaction.atomic(using=alias))


def _leave(stack: ExitStack, error: Any) -> None:
    stack.__exit__(None if error is None else type(error), error, None)
