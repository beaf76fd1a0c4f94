"""What a server sets up once per process and hands to its functions.

A lifespan is an async context manager taking the server; what it yields is
`Context.lifespan_state`. It is entered by the first request or by the ASGI server's lifespan
protocol, whichever comes first, and left when the ASGI server says so or the process ends; under
WSGI, where every request has an event loop of its own, with the request. One task enters and leaves
it, because cancel scopes inside must not change hands.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

Lifespan = Callable[[Any], AbstractAsyncContextManager[Any]]


class LifespanRunner:
    """Holds one lifespan open, on the event loop that first asked for its state."""

    def __init__(self, lifespan: Lifespan, server: object) -> None:
        self._lifespan = lifespan
        self._server = server
        self._task: asyncio.Task[None] | None = None
        self._ready: asyncio.Future[Any] | None = None
        self._stop: asyncio.Event | None = None

    async def state(self) -> Any:
        """The state, entering the lifespan first where that has not happened on this loop.

        An exception of the start-up reaches every caller that waits for it; the next tries again.
        """
        loop = asyncio.get_running_loop()
        ready = self._ready
        if ready is None or ready.get_loop() is not loop or _failed(ready):
            # Under WSGI each request has a loop, and other threads come by here with theirs.
            ready, stop = loop.create_future(), asyncio.Event()
            task = loop.create_task(self._hold_open(ready, stop))
            self._ready, self._stop, self._task = ready, stop, task
            at_exit = functools.partial(self._close_at_exit, loop)
            atexit.register(at_exit)
            task.add_done_callback(lambda _: atexit.unregister(at_exit))
        return await asyncio.shield(ready)

    async def close(self) -> None:
        """Leave the lifespan, if it was entered on this loop."""
        task, self._task = self._task, None
        if task is None or task.get_loop() is not asyncio.get_running_loop():
            return
        if self._stop is not None:
            self._stop.set()
        self._ready = None
        await task

    async def _hold_open(self, ready: asyncio.Future[Any], stop: asyncio.Event) -> None:
        try:
            async with self._lifespan(self._server) as state:
                ready.set_result(state)
                await stop.wait()
        except Exception as error:
            if ready.done():
                raise
            ready.set_exception(error)
            ready.exception()  # Each caller gets it; none of them need be left.

    def _close_at_exit(self, loop: asyncio.AbstractEventLoop) -> None:
        # daphne has no lifespan protocol: its loop is stopped but not closed when the process ends.
        if self._task is not None and not loop.is_closed() and not loop.is_running():
            loop.run_until_complete(self.close())


def _failed(ready: asyncio.Future[Any]) -> bool:
    return ready.done() and (ready.cancelled() or ready.exception() is not None)
