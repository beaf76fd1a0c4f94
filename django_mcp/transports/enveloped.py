"""One connection on which every request stands by itself, and says what it needs in its envelope.

Owns how the era without sessions is spoken on a connection that requests share: a notification
cancels, since there is no response to close, and of a request that was cancelled nothing more is
said. What waits on the connection and what runs for it is `wire`; over HTTP, where each request has
a connection of its own, it is `http.stateless`.

Source: 2026-07-28, basic/transports/stdio and basic/patterns/cancellation.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from ..protocol import jsonrpc
from ..protocol.envelope import open_envelope
from ..protocol.errors import InvalidRequest, ProtocolError
from ..protocol.jsonrpc import Message, Notification, Request, RequestId
from ..server.dispatch import answer
from ..server.exchange import Exchange
from ..server.peer import from_envelope
from .wire import Wire

CANCELLED: Final = "notifications/cancelled"


class Enveloped(Wire):
    """A connection without a session; see `Wire`."""

    _calls: dict[RequestId, _Call]

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Let calls run meanwhile. When it is left none does any more, or it was cancelled."""
        self._calls = {}
        try:
            yield
        finally:
            await self._end()

    async def _finish(self) -> None:
        # Nobody will cancel them any more; each ends with its answer
        # (2026-07-28, basic/patterns/subscriptions#graceful-closure).
        await self._incoming.settled()
        for subscription in list(self._server.subscriptions):
            if subscription.owner == self.owner:
                subscription.end()
        await super()._finish()

    async def _take(self, message: Message | list[Message | InvalidRequest]) -> None:
        if isinstance(message, list):
            raise InvalidRequest("There are no batches here: send each message by itself.")
        if isinstance(message, Request):
            await self._take_request(message)
        elif isinstance(message, Notification) and message.method == CANCELLED:
            id = message.params.get("requestId")
            call = self._calls.get(id) if jsonrpc.is_id(id) else None
            if call is not None:
                call.cancel()
        # Nothing else is said to a server: it asks no requests that a response could be for.

    async def _take_request(self, request: Request) -> None:
        id, calls = request.id, self._calls
        refusal = self._refusal_of(id, is_in_use=id in calls, count=len(calls))
        if refusal is not None:
            await self._say(refusal)
            return
        call = calls[id] = _Call(self)
        await self._begin(self._reply(request, call))

    async def _reply(self, request: Request, call: _Call) -> None:
        call.task = asyncio.current_task()
        try:
            body = await self._answer(request, call)
            if not call.is_cancelled:
                await self._say(body)
        finally:
            del self._calls[request.id]

    async def _answer(self, request: Request, call: _Call) -> bytes:
        try:
            revision = open_envelope(request, None, self._server.revisions)
            peer = from_envelope(revision, request.params["_meta"])
        except ProtocolError as error:
            return jsonrpc.error_bytes(request.id, error)
        return (await answer(Exchange(self._server, request, peer, self._caller, call))).body


class _Call:
    """A request that is being answered, and where what it says goes meanwhile."""

    __slots__ = ("_wire", "is_cancelled", "task")

    def __init__(self, wire: Enveloped) -> None:
        self._wire = wire
        self.task: asyncio.Task[Any] | None = None
        self.is_cancelled = False

    @property
    def connected(self) -> bool:
        return self._wire.connected and not self.is_cancelled

    async def send(self, method: str, params: dict[str, Any]) -> None:
        if not self.is_cancelled:
            await self._wire.send(method, params)

    async def close(self, retry: float) -> None:
        return None

    def cancel(self) -> None:
        """Nobody wants the answer any more."""
        self.is_cancelled = True
        if self.task is not None:
            self.task.cancel()
