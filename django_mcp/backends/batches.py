"""Many small operations at the price of one: what waits at the same moment is done together.

A trip to a thread and back, a statement and a commit cost more than what most operations do with
them. Here the operations of an event loop are collected while the batch before them is done, so
that under load each costs a fraction of the trip; without load a batch is one operation, which
waits for nothing. Owns the collecting, and the order in a batch. How a batch is done is `database`.

Where sync code waits for the loop, as in a TestCase, every caller's operation is done by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextvars import Context
from typing import Any, ClassVar, Final, Generic, Protocol, TypeAlias, TypeVar, cast
from weakref import WeakKeyDictionary

from .threads import called_from_sync

T = TypeVar("T")

#: Operations that are done together at most; the others are in the next batch.
MAX_BATCH: Final = 256


class Operation(Generic[T]):
    """Something to be done, and once it is: the result, or what was raised.

    `keys` are what it is about: operations with one in common are done in the order they were
    handed in. `writes` is True where it changes anything.
    """

    writes: ClassVar[bool] = False
    keys: Collection[str] = ()
    result: T | None = None
    error: Exception | None = None

    def failed(self, error: Exception) -> None:
        """Take note that it failed with `error`, for want of a database or otherwise."""
        self.error = error


#: Does a batch in a thread, and leaves the result or the error in each of its operations.
Execute: TypeAlias = Callable[[Sequence[Operation[Any]]], None]


class Run(Protocol):
    """Runs a function in a thread, as `Workers.run_sync` does."""

    def __call__(
        self, function: Execute, operations: Sequence[Operation[Any]], /
    ) -> Awaitable[None]: ...


class Batches:
    """Collects operations and has them done, one batch at a time in each event loop."""

    def __init__(self, execute: Execute, run: Run) -> None:
        self._execute = execute
        self._run = run
        self._queues: WeakKeyDictionary[asyncio.AbstractEventLoop, _Queue] = WeakKeyDictionary()

    async def do(self, operation: Operation[T]) -> T | None:
        """What `operation` comes to; raises what it does.

        A caller that is cancelled takes its operation back, unless it is being done already.
        """
        loop = asyncio.get_running_loop()
        if called_from_sync(loop):
            # The work belongs to the thread that waits for this caller, which no other one knows.
            await self._run(self._execute, [operation])
            if operation.error is not None:
                raise operation.error
            return operation.result
        queue = self._queues.get(loop)
        if queue is None:
            queue = self._queues[loop] = _Queue()
        future: asyncio.Future[Any] = loop.create_future()
        queue.waiting.append((operation, future))
        if queue.task is None:
            # A context of its own: what the first caller's has in it is nothing to the others.
            queue.task = loop.create_task(self._work(queue), context=Context())
        return cast("T | None", await future)

    async def _work(self, queue: _Queue) -> None:
        try:
            while queue.waiting:
                waiting, queue.waiting = queue.waiting[:MAX_BATCH], queue.waiting[MAX_BATCH:]
                batch = [(operation, future) for operation, future in waiting if not future.done()]
                if batch:
                    await self._do(batch)
                if queue.waiting:
                    # Who has an answer now may have another operation at once: it goes along.
                    await asyncio.sleep(0)
        finally:
            queue.task = None
            for _, future in queue.waiting:
                future.cancel()
            queue.waiting = []

    async def _do(self, batch: _Batch) -> None:
        try:
            await self._run(self._execute, [operation for operation, _ in batch])
        except Exception as error:
            for operation, _ in batch:
                operation.error = error
        except asyncio.CancelledError:
            for _, future in batch:
                future.cancel()
            raise
        for operation, future in batch:
            if future.done():
                continue
            if operation.error is None:
                future.set_result(operation.result)
            else:
                future.set_exception(operation.error)


_Batch: TypeAlias = list[tuple[Operation[Any], asyncio.Future[Any]]]


class _Queue:
    """What waits in one event loop, and the task that has it done."""

    __slots__ = ("task", "waiting")

    def __init__(self) -> None:
        self.waiting: _Batch = []
        self.task: asyncio.Task[None] | None = None


def in_groups(operations: Sequence[Operation[Any]]) -> list[list[Operation[Any]]]:
    """The operations in groups of one type, to be done one group after the other.

    Each goes into the first group of its type that comes after all it has to follow.
    """
    groups: list[list[Operation[Any]]] = []
    last: dict[str, int] = {}
    for operation in operations:
        at = max((last.get(key, 0) for key in operation.keys), default=0)
        while at < len(groups) and type(groups[at][0]) is not type(operation):
            at += 1
        if at == len(groups):
            groups.append([])
        groups[at].append(operation)
        for key in operation.keys:
            last[key] = at
    return groups
