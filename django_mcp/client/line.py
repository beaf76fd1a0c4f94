"""Requests in flight on one channel, each with its answer, its progress and its time.

Owns ids, which answer belongs to which request, how long a request may take, and in which order
what a server says by itself reaches the application. What a message means is not known here:
`stateful` and `stateless` send the requests, and are asked what to do with those of the server.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping
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
from .errors import ClientError, ConnectionLost, RequestTimedOut, ServerError

logger = logging.getLogger("django_mcp.client")

#: Notifications that wait to be told to the application, and steps of progress of one request; of
#: more than that the oldest are given up.
MOST_WAITING: Final = 10_000
#: Requests of the server that are answered at a time.
MOST_ANSWERED: Final = 64
#: Seconds that a request which was answered waits for what came before the answer to be told.
SETTLING: Final = 1.0
#: Seconds that a message about what is over may take to be sent.
LAST_WORDS: Final = 5.0

PROGRESS: Final = "notifications/progress"
CANCELLED: Final = "notifications/cancelled"

Progress = Callable[[dict[str, Any]], Awaitable[None] | None]


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


class _Pending:
    """A request that waits."""

    __slots__ = ("_woken", "answer", "failure", "steps")

    def __init__(self) -> None:
        self.answer: Response | ErrorResponse | None = None
        self.failure: Exception | None = None
        self.steps: deque[dict[str, Any]] = deque(maxlen=MOST_WAITING)
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

    def step(self, params: dict[str, Any]) -> None:
        if not self.is_over:
            self.steps.append(params)
            self._woken.set()

    async def news(self) -> None:
        """Return once there is a step of progress, or the end."""
        if not self.steps and not self.is_over:
            self._woken.clear()
            await self._woken.wait()


class Line:
    """One channel, and everything that is under way on it. It is the inbox of its channel.

    `answer_request` gives the result of a request of the server's, or raises ProtocolError.
    `tell` is given every notification, one after the other. `tells_cancelled` says whether a
    request that nobody waits for is called off with a notification.
    """

    channel: Channel

    def __init__(self, tell: Callable[[str, dict[str, Any]], Awaitable[None] | None]) -> None:
        self.answer_request: Callable[[Request], Awaitable[Mapping[str, Any]]] | None = None
        self.tells_cancelled = True
        self.listeners: list[Listener] = []
        self.over = asyncio.Event()
        self._tell = tell
        self._ids = count(1)
        self._pending: dict[RequestId, _Pending] = {}
        self._answering: dict[RequestId, asyncio.Task[None]] = {}
        self._told: deque[tuple[str, dict[str, Any]]] = deque(maxlen=MOST_WAITING)
        self._telling: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._lost: Exception | None = None

    @property
    def lost(self) -> Exception | None:
        """Why nothing more will come; None while the channel is open."""
        return self._lost

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
    ) -> dict[str, Any]:
        """Send a request, and return its result.

        `begun` is given its id before it is sent. Raises ServerError, RequestTimedOut,
        ConnectionLost, or what the channel raises. Cancelled, it calls the request off.
        """
        if self._lost is not None:
            raise ConnectionLost(f"{method} was not sent: {self._lost}") from self._lost
        id = next(self._ids)
        if on_progress is not None:
            params = {**params, "_meta": {**params.get("_meta", {}), "progressToken": id}}
        outgoing = Outgoing(
            body=jsonrpc.request_bytes(id, method, params), id=id, headers=headers or {}
        )
        pending = self._pending[id] = _Pending()
        if begun is not None:
            begun(id)
        try:
            await self._carry(method, outgoing, pending, timing, on_progress)
        finally:
            del self._pending[id]
            if not pending.is_over:
                self._abandon(id, method)
        await self._settled()
        return _result(pending)

    async def _carry(
        self,
        method: str,
        outgoing: Outgoing,
        pending: _Pending,
        timing: Timing,
        on_progress: Progress | None,
    ) -> None:
        total, quiet = asyncio.timeout(timing.total), asyncio.timeout(timing.timeout)
        loop = asyncio.get_running_loop()
        try:
            async with total, quiet:
                await self.channel.send(outgoing)
                while not pending.is_over or pending.steps:
                    await pending.news()
                    while pending.steps:
                        step = pending.steps.popleft()
                        if timing.timeout is not None:
                            quiet.reschedule(loop.time() + timing.timeout)
                        if on_progress is not None:
                            await result_of(on_progress(step))
        except TimeoutError:
            if total.expired() and timing.total is not None:
                raise RequestTimedOut(method, timing.total, "it was not finished") from None
            if quiet.expired() and timing.timeout is not None:
                raise RequestTimedOut(method, timing.timeout) from None
            raise

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

    async def _settled(self) -> None:
        """Return once what came so far was told. Who is being told right now may ask as well."""
        telling = self._telling
        if telling is not None and telling is not asyncio.current_task():
            await asyncio.wait({telling}, timeout=SETTLING)

    # An inbox

    def take(self, message: Message, within: RequestId | None = None) -> None:
        match message:
            case Response(id=id) | ErrorResponse(id=id):
                # A server that could not read the id answers without it, on the request's stream.
                pending = self._pending.get(within if id is None and within is not None else id)  # type: ignore[arg-type]
                if pending is None:
                    logger.debug("An answer came to no request that waits: %r", id)
                else:
                    pending.settle(message)
            case Notification(method=method, params=params):
                self._hear(method, params)
            case Request():
                self._asked(message)

    def fail(self, id: RequestId, error: Exception) -> None:
        pending = self._pending.get(id)
        if pending is not None:
            pending.fail(error)

    def lose(self, error: Exception) -> None:
        if self._lost is None:
            self._lost = error
            for pending in list(self._pending.values()):
                pending.fail(error)
            for task in list(self._answering.values()):
                task.cancel()
            self.miss()
            self.over.set()

    def miss(self) -> None:
        for listener in list(self.listeners):
            listener.miss()

    def _hear(self, method: str, params: dict[str, Any]) -> None:
        if method == PROGRESS:
            token = params.get("progressToken")
            pending = self._pending.get(token) if jsonrpc.is_id(token) else None
            if pending is not None:
                pending.step(params)
            return
        if method == CANCELLED:
            id = params.get("requestId")
            task = self._answering.get(id) if jsonrpc.is_id(id) else None
            if task is not None:
                task.cancel()
            return
        for listener in list(self.listeners):
            listener.hear(method, params)
        self._told.append((method, params))
        if self._telling is None:
            self._telling = self._start(self._tell_all())

    async def _tell_all(self) -> None:
        try:
            while self._told:
                method, params = self._told.popleft()
                try:
                    await result_of(self._tell(method, params))
                except Exception:
                    logger.exception("What is told of %s failed", method)
        finally:
            self._telling = None

    # What the server asks

    def _asked(self, request: Request) -> None:
        if request.id in self._answering:
            logger.warning("The server used the id %r for two requests at a time", request.id)
        elif len(self._answering) >= MOST_ANSWERED:
            busy = ProtocolError(f"{MOST_ANSWERED} requests are being answered.", code=-32000)
            self._start(self._respond(jsonrpc.error_bytes(request.id, busy)))
        else:
            task = self._start(self._answer(request))
            self._answering[request.id] = task
            task.add_done_callback(lambda _: self._answering.pop(request.id, None))

    async def _answer(self, request: Request) -> None:
        try:
            if self.answer_request is None:
                raise ProtocolError(f"Method not found: {request.method}", code=-32601)
            body = jsonrpc.result_bytes(request.id, await self.answer_request(request))
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

    # The end

    async def close(self, *, politely: bool = True) -> None:
        """End the channel and everything under way on it."""
        self.lose(ConnectionLost("The client was closed."))
        if hasattr(self, "channel"):
            await self.channel.close(politely=politely)
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=LAST_WORDS)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _result(pending: _Pending) -> dict[str, Any]:
    if isinstance(pending.answer, Response):
        return pending.answer.result
    if isinstance(pending.answer, ErrorResponse):
        raise ServerError(from_wire(pending.answer.error))
    raise pending.failure or ConnectionLost("The request was given up.")
