"""What waits on one channel: requests for their answers, and what came for somebody to be told.

Owns the values and their bounds. Who waits, how long, and what is done about it is `line`'s.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Final, Generic, TypeVar

from ..protocol.jsonrpc import ErrorResponse, Response

T = TypeVar("T")

#: Messages that wait to be told, and bytes of them; of more than that the oldest are given up.
MOST_WAITING: Final = 10_000
MOST_BYTES: Final = 32 * 1024 * 1024


class Backlog(Generic[T]):
    """What came and was not told yet, the oldest first, no more of it than is bearable."""

    def __init__(self) -> None:
        self._items: deque[tuple[T, int]] = deque()
        self._size = 0

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: T, size: int) -> list[T]:
        """Add an item; returns those that were given up for it."""
        self._items.append((item, size))
        self._size += size
        given_up = []
        while len(self._items) > MOST_WAITING or (self._size > MOST_BYTES and len(self._items) > 1):
            given_up.append(self.pop())
        return given_up

    def pop(self) -> T:
        """Take the oldest."""
        item, size = self._items.popleft()
        self._size -= size
        return item


class Pending:
    """A request that waits."""

    __slots__ = ("_woken", "answer", "failure", "steps", "tell", "told")

    def __init__(self, tell: Any = None) -> None:
        #: Is given what the server says on the request's own stream, if somebody else is not.
        self.tell = tell
        self.answer: Response | ErrorResponse | None = None
        self.failure: Exception | None = None
        self.steps: Backlog[dict[str, Any]] = Backlog()
        #: Set once everything was told that came before the answer.
        self.told = asyncio.Event()
        self._woken = asyncio.Event()

    @property
    def is_over(self) -> bool:
        return self.answer is not None or self.failure is not None

    def settle(self, answer: Response | ErrorResponse) -> None:
        if not self.is_over:
            self.answer = answer
            self._woken.set()

    def fail(self, error: Exception) -> None:
        if not self.is_over:
            self.failure = error
            self._woken.set()

    def step(self, params: dict[str, Any], size: int) -> None:
        if not self.is_over:
            self.steps.put(params, size)
            self._woken.set()

    async def news(self) -> None:
        """Return once there is a step of progress, or the end."""
        if not self.steps and not self.is_over:
            self._woken.clear()
            await self._woken.wait()
