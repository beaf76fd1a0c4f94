"""One piece of work at a time, whoever waits for it.

A refresh token may be good for one use, and a user has one browser. So what many requests need at
once is done once, in a task of its own: it does not end with the request that happened to be first,
and who is cancelled takes nobody along. No lock is held, so nothing can wait for itself.

Tasks belong to asyncio, as Django does. Another event loop, in another thread, does its own work.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Runs work unless there is some already."""

    def __init__(self) -> None:
        self._flights: dict[asyncio.AbstractEventLoop, asyncio.Task[T]] = {}

    async def run(self, work: Callable[[], Awaitable[T]]) -> tuple[T, bool]:
        """What the work came to, and whether it was `work` and not what was under way already.

        Raises what the work raised, to everybody who waits.
        """
        loop = asyncio.get_running_loop()
        flight = self._flights.get(loop)
        own = flight is None
        if flight is None:
            flight = self._flights[loop] = loop.create_task(_call(work))
            flight.add_done_callback(self._landed)
        return await asyncio.shield(flight), own

    def _landed(self, flight: asyncio.Task[T]) -> None:
        self._flights.pop(flight.get_loop(), None)
        if not flight.cancelled():
            # Looked at, so that asyncio does not complain where nobody waits any longer.
            flight.exception()


async def _call(work: Callable[[], Awaitable[T]]) -> T:
    return await work()
