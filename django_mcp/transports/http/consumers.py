"""The adapter for Channels: a scope in, frames out. It contains no rule of the protocol.

The consumer answers in its own `__call__`. Channels' own dispatch would await
`aclose_old_connections()` on the one thread-sensitive thread for every message and hold back
`http.disconnect` while a response is written; a call must neither wait for other calls' queries nor
outlive its client. It opens no channel layer: no request needs one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from channels.consumer import AsyncConsumer

from .endpoint import Endpoint
from .types import BodyTooLarge, Disconnected, Headers, HttpRequest, ReplyHeaders

#: Seconds a call may wait before its client is watched. Most have answered by then, and a task that
#: watches costs as much as a small call does.
GRACE: Final = 0.05

NO_KWARGS: Mapping[str, Any] = MappingProxyType({})

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class MCPConsumer(AsyncConsumer):  # type: ignore[misc]
    """Serves one endpoint over HTTP; `django_mcp.routing.mcp_consumer()` makes one for a server."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        channel = AsgiChannel(receive, send)
        try:
            await self._endpoint(request_from(scope), channel)
        finally:
            channel.close()


def request_from(scope: dict[str, Any]) -> HttpRequest:
    """The request of an ASGI HTTP scope, routed by Channels or by nobody."""
    client = scope.get("client")
    return HttpRequest(
        scope["method"],
        scope.get("scheme", "http"),
        scope["path"],
        Headers(scope["headers"]),
        scope["url_route"]["kwargs"] if "url_route" in scope else NO_KWARGS,
        client[0] if client else None,
        scope,
    )


class AsgiChannel:
    """Reads from and answers on the two callables of an ASGI application."""

    __slots__ = ("_receive", "_send", "_watcher", "connected")

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self.connected = True
        self._watcher: asyncio.TimerHandle | asyncio.Task[None] | None = None

    async def read(self, limit: int) -> bytes:
        message = await self._receive()
        body: bytes = message.get("body", b"")
        if not message.get("more_body") and message["type"] == "http.request":
            if len(body) > limit:
                raise BodyTooLarge
            return body
        parts, size = [body], len(body)
        while message.get("more_body") or message["type"] != "http.request":
            if message["type"] == "http.disconnect":
                self.connected = False
                raise Disconnected
            if size > limit:
                raise BodyTooLarge
            message = await self._receive()
            parts.append(message.get("body", b""))
            size += len(parts[-1])
        if size > limit:
            raise BodyTooLarge
        return b"".join(parts)

    def on_disconnect(self, callback: Callable[[], None]) -> None:
        self._watcher = asyncio.get_running_loop().call_later(GRACE, self._watch, callback)

    async def reply(self, status: int, headers: ReplyHeaders, body: bytes) -> None:
        self.close()
        length = (b"content-length", b"%d" % len(body))
        headers = [*headers, length]
        await self._emit(
            {"type": "http.response.start", "status": status, "headers": headers},
            {"type": "http.response.body", "body": body},
        )

    async def start(self, status: int, headers: ReplyHeaders) -> None:
        await self._emit({"type": "http.response.start", "status": status, "headers": headers})

    async def write(self, data: bytes) -> None:
        await self._emit({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self) -> None:
        self.close()
        await self._emit({"type": "http.response.body", "body": b"", "more_body": False})

    async def _emit(self, *messages: dict[str, Any]) -> None:
        if self.connected:
            try:
                for message in messages:
                    await self._send(message)
            except OSError:
                # What a server may raise once the client has gone (ASGI 2.4).
                self.connected = False

    def close(self) -> None:
        """Stop watching the client."""
        if self._watcher is not None:
            self._watcher.cancel()
            self._watcher = None

    def _watch(self, callback: Callable[[], None]) -> None:
        watching = self._wait_for_disconnect(callback)
        self._watcher = asyncio.get_running_loop().create_task(watching)

    async def _wait_for_disconnect(self, callback: Callable[[], None]) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.connected = False
        callback()
