"""Changes as they happen: what a server tells of its lists and its resources, in either era.

Owns what waits to be looked at (a change that is told twice before anybody looks is one change)
and when it is asked for anew. How it is asked for is the conversation's.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal

from ..protocol import types as t
from .connecting import Connection
from .errors import ClientError, ConnectionFailed, ConnectionLost

#: Seconds before a stream that ended is asked for anew, and the longest that becomes.
FIRST_PAUSE: Final = 0.2
LONGEST_PAUSE: Final = 30.0
#: Different changes that may wait to be looked at; of more it is only said that some were missed.
MOST_WAITING: Final = 10_000

Kind = Literal["tools", "prompts", "resources", "resource", "missed"]

_LISTS: Final[dict[str, Kind]] = {
    "notifications/tools/list_changed": "tools",
    "notifications/prompts/list_changed": "prompts",
    "notifications/resources/list_changed": "resources",
}
_UPDATED: Final = "notifications/resources/updated"


@dataclass(frozen=True, slots=True)
class Change:
    """One change: a list (`tools`, `prompts`, `resources`), the `resource` at `uri`, or `missed`.

    `missed` says that the connection was away, and anything may have changed meanwhile.
    """

    kind: Kind
    uri: str | None = None


class Changes:
    """The changes of one `Client.listen`; iterate over it for as long as they are of interest.

    `honored` is what the server agreed to tell of, which may be less than what was asked for. It
    raises ServerError where the server refuses to go on; a connection that is lost is opened again,
    and reported as a `missed` change.
    """

    def __init__(self, connection: Connection, wanted: t.SubscriptionFilter) -> None:
        self.honored = t.SubscriptionFilter()
        self._connection = connection
        self._wanted = wanted
        self._waiting: dict[Change, None] = {}
        self._woken = asyncio.Event()
        self._ready = asyncio.Event()
        self._failure: ClientError | None = None
        self._task: asyncio.Task[None] | None = None
        self._failures = 0

    def __aiter__(self) -> AsyncIterator[Change]:
        return self

    async def __anext__(self) -> Change:
        while not self._waiting:
            if self._failure is not None:
                raise self._failure
            if self._task is None:
                raise StopAsyncIteration
            self._woken.clear()
            await self._woken.wait()
        change = next(iter(self._waiting))
        del self._waiting[change]
        return change

    async def open(self) -> None:
        """Return once the server has agreed; raises what it says instead."""
        self._task = asyncio.get_running_loop().create_task(self._keep())
        try:
            await self._ready.wait()
        except BaseException:
            await self.close()
            raise
        if self._failure is not None:
            raise self._failure

    async def close(self) -> None:
        """Stop listening."""
        task, self._task = self._task, None
        self._woken.set()
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait({task})

    async def _keep(self) -> None:
        """Listen, again and again, until it is closed or refused."""
        while True:
            try:
                speech = await self._connection.current()
                await speech.listen(self._wanted, self._agreed, self._heard, self._missed)
            except (ConnectionFailed, ConnectionLost) as error:
                # What never worked is the caller's to know; what did is tried again.
                if not self._ready.is_set():
                    return self._end(error)
                self._failures += 1
            except ClientError as error:
                return self._end(error)
            self._missed()
            await asyncio.sleep(pause(self._failures))

    def _end(self, error: ClientError) -> None:
        self._failure = error
        self._ready.set()
        self._woken.set()

    def _agreed(self, granted: t.SubscriptionFilter) -> None:
        self.honored = granted
        self._failures = 0
        self._ready.set()

    def _heard(self, method: str, params: dict[str, Any]) -> None:
        kind = _LISTS.get(method)
        if kind is not None:
            self._put(Change(kind))
        elif method == _UPDATED and isinstance(params.get("uri"), str):
            self._put(Change("resource", params["uri"]))

    def _missed(self) -> None:
        if self._ready.is_set():
            self._put(Change("missed"))

    def _put(self, change: Change) -> None:
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.clear()
            change = Change("missed")
        self._waiting[change] = None
        self._woken.set()


def pause(failures: int) -> float:
    """Seconds to wait, longer each time and never the same for many clients."""
    longest = min(FIRST_PAUSE * 2 ** min(failures, 16), LONGEST_PAUSE)
    return random.uniform(longest / 2, longest)  # noqa: S311, no secret


def wanted_of(
    *, tools: bool, prompts: bool, resources: bool, uris: Iterable[str]
) -> t.SubscriptionFilter:
    """What is to be told of, as it is asked for."""
    return t.SubscriptionFilter(
        tools_list_changed=tools or None,
        prompts_list_changed=prompts or None,
        resources_list_changed=resources or None,
        resource_subscriptions=list(uris) or None,
    )
