"""Work that is done to its end, although whoever waits for it is cancelled meanwhile.

What ends a connection must not be left half done: a process would live on, a session stay open.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import anyio

T = TypeVar("T")


async def finish(work: Coroutine[Any, Any, T]) -> T:
    """Do the work, and return what it comes to; a cancellation is raised once it is done.

    The work has to be bounded in time by itself.
    """
    task = asyncio.get_running_loop().create_task(work)
    cancelled: asyncio.CancelledError | None = None
    # A cancelled scope of AnyIO cancels every wait inside it anew.
    with anyio.CancelScope(shield=True):
        while not task.done():
            try:
                await asyncio.wait({task})
            except asyncio.CancelledError as error:
                cancelled = error
    if cancelled is not None:
        if not task.cancelled():
            task.exception()
        raise cancelled
    return task.result()
