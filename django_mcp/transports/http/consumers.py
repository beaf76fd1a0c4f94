"""The adapters for Channels: a scope in, frames out. They contain no rule of the protocol.

A consumer answers in its own `__call__`. Channels' own dispatch would await
`aclose_old_connections()` on the one thread-sensitive thread for every message and hold back
`http.disconnect` while a response is written; a call must neither wait for other calls' queries nor
outlive its client. None opens a channel layer: no connection needs one of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from channels.consumer import AsyncConsumer

from ..websocket import WebSocketEndpoint
from .entrance import HttpEntrance
from .types import BodyTooLarge, Disconnected, HttpRequest, ReplyHeaders, read_headers

NO_KWARGS: Mapping[str, Any] = MappingProxyType({})

#: The scheme of a request, by that of its scope, or the type of one that says none: that of a
#: WebSocket is the scheme of the request that opens it.
_SCHEMES: Final[Mapping[str, str]] = {"ws": "http", "wss": "https", "websocket": "http"}

#: What makes a private code of one that a server does not let an application use.
PRIVATE_USE: Final = 3000

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class MCPConsumer(AsyncConsumer):  # type: ignore[misc]
    """Serves one endpoint over HTTP; `django_mcp.routing.mcp_consumer()` makes one for a server."""

    def __init__(self, endpoint: HttpEntrance) -> None:
        self._endpoint = endpoint

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        channel = AsgiChannel(receive, send)
        try:
            await self._endpoint(request_from(scope), channel)
        finally:
            if channel.told is not None:
                channel.close()


class MCPWebSocketConsumer(AsyncConsumer):  # type: ignore[misc]
    """Serves one endpoint over WebSocket, as MCPConsumer does over HTTP."""

    def __init__(self, endpoint: WebSocketEndpoint) -> None:
        self._endpoint = endpoint

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        await self._endpoint(request_from(scope), AsgiSocket(scope, receive, send))


def request_from(scope: dict[str, Any]) -> HttpRequest:
    """The request of an ASGI scope, routed by Channels or by nobody.

    A WebSocket is asked for with a GET.
    """
    path, prefix = scope["path"], scope.get("root_path")
    if prefix and not path.startswith(f"{prefix}/"):
        path = prefix + path  # Servers may leave out the prefix the application is served under.
    client, query = scope.get("client"), scope.get("query_string")
    scheme = scope.get("scheme") or scope["type"]
    return HttpRequest(
        scope.get("method", "GET"),
        _SCHEMES.get(scheme, scheme),
        path,
        read_headers(scope["headers"]),
        scope["url_route"]["kwargs"] if "url_route" in scope else NO_KWARGS,
        client[0] if client else None,
        scope,
        True,
        query.decode("latin-1") if query else "",
    )


class AsgiChannel:
    """Reads from and answers on the two callables of an ASGI application."""

    __slots__ = ("_receive", "_send", "_watcher", "connected", "told")

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self.connected = True
        #: What is called when the client goes away, where anything is.
        self.told: Callable[[], None] | None = None
        self._watcher: asyncio.Task[None] | None = None

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
        self.told = callback

    def watch(self) -> None:
        self._watcher = asyncio.get_running_loop().create_task(self._wait_for_disconnect())

    async def reply(self, status: int, headers: ReplyHeaders, body: bytes) -> None:
        if self.told is not None:
            self.close()
        headers = [*headers, (b"content-length", b"%d" % len(body))]
        if self.connected:
            try:
                await self._send(
                    {"type": "http.response.start", "status": status, "headers": headers}
                )
                await self._send({"type": "http.response.body", "body": body})
            except OSError:
                # What a server may raise once the client has gone (ASGI 2.4).
                self.connected = False

    async def start(self, status: int, headers: ReplyHeaders) -> None:
        await self._emit({"type": "http.response.start", "status": status, "headers": headers})

    async def write(self, data: bytes) -> None:
        await self._emit({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self) -> None:
        self.close()
        await self._emit({"type": "http.response.body", "body": b"", "more_body": False})

    async def _emit(self, message: dict[str, Any]) -> None:
        if self.connected:
            try:
                await self._send(message)
            except OSError:
                self.connected = False

    def close(self) -> None:
        """Stop watching the client."""
        self.told = None
        if self._watcher is not None:
            self._watcher.cancel()
            self._watcher = None

    async def _wait_for_disconnect(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.connected = False
        if self.told is not None:
            self.told()


class AsgiSocket:
    """A WebSocket on the two callables of an ASGI application."""

    def __init__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        self.offered: list[str] = list(scope.get("subprotocols") or ())
        self._can_respond = "websocket.http.response" in (scope.get("extensions") or {})
        self._receive = receive
        self._send = send

    async def asked_for(self) -> None:
        if (await self._receive())["type"] != "websocket.connect":
            raise Disconnected

    async def accept(self, subprotocol: str) -> None:
        await self._emit({"type": "websocket.accept", "subprotocol": subprotocol})

    async def refuse(self, status: int, headers: ReplyHeaders, body: bytes) -> None:
        if not self._can_respond:
            await self._emit({"type": "websocket.close"})  # Servers make a 403 of it.
            return
        length = (b"content-length", b"%d" % len(body))
        start = {"status": status, "headers": [*headers, length]}
        await self._emit({"type": "websocket.http.response.start", **start})
        await self._emit({"type": "websocket.http.response.body", "body": body})

    async def receive(self) -> str | bytes:
        message = await self._receive()
        if message["type"] != "websocket.receive":
            raise Disconnected
        text: str | None = message.get("text")
        return message.get("bytes") or b"" if text is None else text

    async def send(self, text: str) -> None:
        await self._emit({"type": "websocket.send", "text": text})

    async def close(self, code: int, reason: str = "") -> None:
        message = {"type": "websocket.close", "code": code, "reason": reason}
        try:
            await self._emit(message)
        except Disconnected:
            raise
        except Exception:
            # Of the codes below 3000, daphne lets an application use but one, and raises no more
            # special exception. Those from 4000 on are for private use (RFC 6455, section 7.4.2).
            await self._emit({**message, "code": code + PRIVATE_USE})

    async def _emit(self, message: dict[str, Any]) -> None:
        try:
            await self._send(message)
        except (OSError, RuntimeError) as error:
            # The second is what uvicorn raises where it has closed the socket itself, and has not
            # been asked for the news of that yet.
            raise Disconnected from error
