"""Connections that are kept: which of them a request gets, and what becomes of it afterwards.

httpcore's pool looks, twice for each request, through all of its connections, and for each of those
that is idle through all of them again: with some dozens of calls under way that takes longer than
the calls do. Here who sends a request takes the connection that was put back last, and who has the
answer puts it back. What is sent on a connection, and when it may be used again, is httpcore's.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterable
from functools import partial
from time import monotonic
from typing import Final

import httpcore

from .network import Connection, Network

_SCHEMES: Final = (b"http", b"https")


class Pool:
    """Connections for HTTP/1.1, a request at a time on each; as many as are asked for.

    `most_idle` are kept without a request on them, each for `longest_idle` seconds.
    """

    def __init__(
        self,
        context: ssl.SSLContext,
        *,
        most_idle: int,
        longest_idle: float,
        socket_options: Iterable[httpcore.SOCKET_OPTION] = (),
    ) -> None:
        context.set_alpn_protocols(["http/1.1"])
        self._context = context
        self._most_idle = most_idle
        self._longest_idle = longest_idle
        self._socket_options = list(socket_options)
        self._network = Network()
        #: Those that wait longest first.
        self._idle: dict[_Kept, None] = {}
        self._busy: set[_Kept] = set()
        self._is_closed = False

    async def send(self, request: httpcore.Request) -> tuple[httpcore.Response, Callable[[], None]]:
        """The response to `request`, and what is to be called once its stream was closed.

        Raises httpcore's exceptions.
        """
        if request.url.scheme not in _SCHEMES:
            raise httpcore.UnsupportedProtocol("A URL here has http:// or https://.")
        origin = request.url.origin
        kept = self._take(origin)
        if kept is None:
            kept = await self._connect(origin, request.extensions.get("timeout", {}).get("connect"))
        if self._is_closed:
            kept.stream.abort()
            raise httpcore.ConnectError("The client was closed.")
        self._busy.add(kept)
        try:
            response = await kept.http.handle_async_request(request)
        except BaseException:
            self._put_back(kept)
            raise
        return response, partial(self._put_back, kept)

    async def aclose(self) -> None:
        """End all connections."""
        self._is_closed = True
        for kept in (*self._idle, *self._busy):
            kept.stream.abort()
        self._idle.clear()
        self._busy.clear()
        # The sockets are closed in the loop's next turn.
        await asyncio.sleep(0)

    def _take(self, origin: httpcore.Origin) -> _Kept | None:
        """An idle connection to that origin, on which nothing has happened since."""
        for kept in [*reversed(self._idle)]:
            if kept.http.can_handle_request(origin):
                del self._idle[kept]
                if kept.until > monotonic() and not kept.http.has_expired():
                    return kept
                kept.stream.abort()
        return None

    async def _connect(self, origin: httpcore.Origin, seconds: float | None) -> _Kept:
        host = origin.host.decode("ascii")
        stream = await self._network.connect_tcp(
            host, origin.port, timeout=seconds, socket_options=self._socket_options
        )
        if origin.scheme == b"https":
            stream = await stream.start_tls(self._context, server_hostname=host, timeout=seconds)
        return _Kept(stream, httpcore.AsyncHTTP11Connection(origin=origin, stream=stream))

    def _put_back(self, kept: _Kept) -> None:
        """It is idle, or of no more use: where the request was given up, or the response."""
        if kept not in self._busy:
            return
        self._busy.discard(kept)
        if not kept.http.is_idle():
            kept.stream.abort()
            return
        now = monotonic()
        kept.until = now + self._longest_idle
        self._idle[kept] = None
        for longest in list(self._idle):
            if len(self._idle) <= self._most_idle and longest.until > now:
                break
            del self._idle[longest]
            longest.stream.abort()


class _Kept:
    """A connection, and when it has waited long enough."""

    __slots__ = ("http", "stream", "until")

    def __init__(self, stream: Connection, http: httpcore.AsyncHTTP11Connection) -> None:
        self.stream = stream
        self.http = http
        self.until = 0.0
