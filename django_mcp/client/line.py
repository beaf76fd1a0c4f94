"""Requests in flight on one channel, each with its answer, its progress and its time.

Owns ids, which answer belongs to which request, how long a request may take, and in which order
what a server says by itself reaches the application. What a message means is not known here:
`stateful` and `stateless` send the requests, and are asked what to do with those of the server.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import count
from typing import Any, Final, Protocol

from ..protocol import jsonrpc
from ..protocol.errors import InternalError, ProtocolError, from_wire
from ..protocol.jsonrpc import (
    ErrorResponse,
    Message,
    Notification,
    Request,
    RequestId,
    Response,
)
from .callbacks import result_of
from .channels import Channel, Outgoing
from .errors import ClientError, ConnectionLost, RequestTimedOut, ServerError, SessionLost
from .finishing import finish
from .waiting import Backlog, Pending

logger = logging.getLogger("django_mcp.client")

#: Requests of the server that are answered at a time.
MOST_ANSWERED: Final = 64
#: Seconds that a request which was answered waits at most for what came before it to be told.
SETTLING: Final = 1.0
#: Seconds that a message about what is over may take to be sent.
LAST_WORDS: Final = 5.0

#: The task of a line that runs the application here, and in whatever the application starts.
_inside: ContextVar[asyncio.Task[Any] | None] = ContextVar("django_mcp_client_inside", default=None)

PROGRESS: Final = "notifications/progress"
CANCELLED: Final = "notifications/cancelled"

Progress = Callable[[dict[str, Any]], Awaitable[None] | None]
Tell = Callable[[str, dict[str, Any]], Awaitable[None] | None]


class Listener(Protocol):
    """Is told at once of what a server says by itself; must not block or raise."""

    def hear(self, method: str, params: dict[str, Any]) -> None:
        """A notification came that belongs to no request."""

    def miss(self) -> None:
        """Some may have been lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long a request may take, in seconds; None for as long as it likes.

    `timeout` begins anew with every step of progress, `total` does not.
    """

    timeout: float | None = 60.0
    total: float | None = None


class Line:
    """One channel, and everything that is under way on it. It is the inbox of its channel.

    `answer_request` gives the result of a request of the server's, or raises ProtocolError.
    `tell` is given every notification, one after the other. `tells_cancelled` says whether a
    request that nobody waits for is called off with a notification.
    """

    channel: Channel

    def __init__(self, tell: Tell) -> None:
        self.answer_request: Callable[[Request], Awaitable[Mapping[str, Any]]] | None = None
        self.tells_cancelled = True
        self.listeners: list[Listener] = []
        self.over = asyncio.Event()
        self._tell = tell
        self._ids = count(1)
        self._pending: dict[RequestId, Pending] = {}
        self._answering: dict[RequestId, asyncio.Task[None]] = {}
        # A request that was answered stands between what came before its answer and after.
        self._untold: Backlog[tuple[Tell, str, dict[str, Any]] | Pending] = Backlog()
        self._telling: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._idle = asyncio.Event()
        self._lost: ConnectionLost | None = None

    @property
    def lost(self) -> ConnectionLost | None:
        """Why nothing more can be sent; None while something can."""
        return self._lost

    @property
    def is_waiting(self) -> bool:
        """Whether there are requests that may still be answered."""
        return any(not pending.is_over for pending in self._pending.values())

    # What is sent

    async def request(
        self,
        method: str,
        params: Mapping[str, Any],
        *,
        timing: Timing,
        headers: Mapping[str, str] | None = None,
        on_progress: Progress | None = None,
        begun: Callable[[RequestId], None] | None = None,
        tell: Tell | None = None,
    ) -> dict[str, Any]:
        """Send a request, and return its result.

        `begun` is given its id before it is sent; `tell` is told, in place of the line's, of what
        comes on the request's own stream, where the channel has such. Raises ServerError,
        RequestTimedOut, ConnectionLost, or what the channel raises. Cancelled, it calls the request
        off.
        """
        if self._lost is not None:
            raise SessionLost(f"{method} was not sent: {self._lost}", was_refused=True)
        id = next(self._ids)
        if on_progress is not None:
            params = {**params, "_meta": {**params.get("_meta", {}), "progressToken": id}}
        outgoing = Outgoing(
            body=jsonrpc.request_bytes(id, method, params), id=id, headers=headers or {}
        )
        pending = self._pending[id] = Pending(tell)
        if begun is not None:
            begun(id)
        try:
            await self._carry(method, outgoing, pending, timing, on_progress)
        finally:
            del self._pending[id]
            if not self._pending:
                self._idle.set()
            if not pending.is_over:
                self._abandon(id, method)
        return _result(pending)

    async def _carry(
        self,
        method: str,
        outgoing: Outgoing,
        pending: Pending,
        timing: Timing,
        on_progress: Progress | None,
    ) -> None:
        end = None if timing.total is None else asyncio.get_running_loop().time() + timing.total
        limit = asyncio.timeout_at(_sooner(timing.timeout, end))
        try:
            async with limit:
                await self.channel.send(outgoing)
                while not pending.is_over or pending.steps:
                    await pending.news()
                    while pending.steps:
                        step = pending.steps.pop()
                        if on_progress is not None:
                            # What the application takes its time for is no silence.
                            limit.reschedule(end)
                            await result_of(on_progress(step))
                            if limit.expired():
                                raise TimeoutError  # It kept the cancellation to itself.
                        limit.reschedule(_sooner(timing.timeout, end))
                await self._settled(pending)
        except TimeoutError:
            if not limit.expired():
                raise
            if pending.is_over:
                return  # Late in telling, not in answering.
            if timing.total is not None and limit.when() == end:
                raise RequestTimedOut(method, timing.total, "it was not finished") from None
            raise RequestTimedOut(method, timing.timeout or 0) from None

    async def notify(self, method: str, params: Mapping[str, Any] | None = None) -> None:
        """Send a notification."""
        await self.channel.send(Outgoing(body=jsonrpc.notification_bytes(method, params)))

    def _abandon(self, id: RequestId, method: str) -> None:
        """Nobody waits any more: say so, without waiting for that either."""
        self.channel.leave(id)
        # initialize must not be cancelled (2025-11-25, basic/utilities/cancellation).
        if self.tells_cancelled and self._lost is None and method != "initialize":
            self._start(self._call_off(id))

    async def _call_off(self, id: RequestId) -> None:
        params = {"requestId": id, "reason": "The client does not wait for it any more."}
        with contextlib.suppress(ClientError, TimeoutError):
            async with asyncio.timeout(LAST_WORDS):
                await self.notify(CANCELLED, params)

    async def _settled(self, pending: Pending) -> None:
        """Return once what came before the answer was told, or is told in here."""
        if self._telling is None or self._telling is _inside.get():
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLING):
                await pending.told.wait()

    # An inbox

    def take(self, message: Message, within: RequestId | None = None, *, size: int = 0) -> None:
        match message:
            case Response(id=id) | ErrorResponse(id=id):
                # A server that could not read the id answers without it, on the request's stream.
                self._answered(within if id is None else id, message, within)
            case Notification(method=method, params=params):
                self._hear(method, params, size, within)
            case Request():
                self._asked(message)

    def _answered(
        self, id: RequestId | None, answer: Response | ErrorResponse, within: RequestId | None
    ) -> None:
        pending = None if id is None else self._pending.get(id)
        if id is None or pending is None or pending.is_over:
            logger.debug("An answer came to no request that waits: %r", id)
            return
        pending.settle(answer)
        if self._telling is None:
            pending.told.set()
        else:
            self._put(pending, 0)
        if within != id:
            # Nothing more comes where the answer did not.
            self.channel.leave(id)

    def fail(self, id: RequestId, error: Exception) -> None:
        pending = self._pending.get(id)
        if pending is not None:
            pending.fail(error)

    def retire(self, error: ConnectionLost) -> None:
        if self._lost is None:
            self._lost = error
            self.miss()
            self.over.set()

    def lose(self, error: ConnectionLost) -> None:
        self.retire(error)
        for pending in list(self._pending.values()):
            pending.fail(error.again())
        for task in list(self._answering.values()):
            task.cancel()

    def miss(self) -> None:
        for listener in list(self.listeners):
            listener.miss()

    def _hear(
        self, method: str, params: dict[str, Any], size: int, within: RequestId | None
    ) -> None:
        if method == PROGRESS:
            token = params.get("progressToken")
            pending = self._pending.get(token) if jsonrpc.is_id(token) else None
            if pending is not None:
                pending.step(params, size)
            return
        if method == CANCELLED:
            id = params.get("requestId")
            task = self._answering.get(id) if jsonrpc.is_id(id) else None
            if task is not None:
                task.cancel()
            return
        for listener in list(self.listeners):
            listener.hear(method, params)
        asked = None if within is None else self._pending.get(within)
        tell = (asked.tell if asked is not None else None) or self._tell
        self._put((tell, method, params), size)
        if self._telling is None:
            self._telling = self._start(self._tell_all())

    def _put(self, what: tuple[Tell, str, dict[str, Any]] | Pending, size: int) -> None:
        for given_up in self._untold.put(what, size):
            if isinstance(given_up, Pending):
                given_up.told.set()

    async def _tell_all(self) -> None:
        _inside.set(asyncio.current_task())
        try:
            while self._untold:
                match self._untold.pop():
                    case Pending() as pending:
                        pending.told.set()
                    case tell, method, params:
                        await self._tell_one(tell, method, params)
        finally:
            self._telling = None

    async def _tell_one(self, tell: Tell, method: str, params: dict[str, Any]) -> None:
        try:
            await result_of(tell(method, params))
        except Exception:
            logger.exception("What is told of %s failed", method)

    # What the server asks

    def _asked(self, request: Request) -> None:
        if self.answer_request is None:
            # There is nothing to be asked, and nothing to be answered (2026-07-28,
            # basic/transports/stdio#receiving-messages).
            logger.warning("The server sent a request, which this revision does not have.")
        elif request.id in self._answering:
            logger.warning("The server used the id %r for two requests at a time", request.id)
        elif len(self._answering) >= MOST_ANSWERED:
            busy = ProtocolError(f"{MOST_ANSWERED} requests are being answered.", code=-32000)
            self._start(self._respond(jsonrpc.error_bytes(request.id, busy)))
        else:
            task = self._start(self._answer(request, self.answer_request))
            self._answering[request.id] = task
            task.add_done_callback(lambda _: self._answering.pop(request.id, None))

    async def _answer(
        self, request: Request, answer: Callable[[Request], Awaitable[Mapping[str, Any]]]
    ) -> None:
        _inside.set(asyncio.current_task())
        try:
            body = jsonrpc.result_bytes(request.id, await answer(request))
        except ProtocolError as error:
            body = jsonrpc.error_bytes(request.id, error)
        except Exception:
            logger.exception("What answers %s failed", request.method)
            body = jsonrpc.error_bytes(request.id, InternalError())
        await self._respond(body)

    async def _respond(self, body: bytes) -> None:
        try:
            await self.channel.send(Outgoing(body=body))
        except ClientError as error:
            logger.warning("A request of the server could not be answered: %s", error)
        except Exception:
            logger.exception("A request of the server could not be answered")

    # The end

    async def close(self, *, politely: bool = True) -> None:
        """End the channel and everything under way on it, even where the caller is cancelled."""
        self.lose(ConnectionLost("The client was closed."))
        await finish(self._close(politely))

    async def close_when_idle(self) -> None:
        """End it once no request waits any more; at once where this is cancelled."""
        try:
            while self._pending:
                self._idle.clear()
                await self._idle.wait()
        finally:
            await self.close(politely=False)

    async def _close(self, politely: bool) -> None:
        if hasattr(self, "channel"):
            await self.channel.close(politely=politely)
        # What the application is told may be what it closes the client for.
        tasks = [task for task in self._tasks if task is not _inside.get()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=LAST_WORDS)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _sooner(seconds: float | None, end: float | None) -> float | None:
    """When so many seconds are over, or `end` where that is sooner; None for never."""
    if seconds is None:
        return end
    then = asyncio.get_running_loop().time() + seconds
    return then if end is None else min(then, end)


def _result(pending: Pending) -> dict[str, Any]:
    if isinstance(pending.answer, Response):
        return pending.answer.result
    if isinstance(pending.answer, ErrorResponse):
        raise ServerError(from_wire(pending.answer.error))
    raise pending.failure or ConnectionLost("The request was given up.")
