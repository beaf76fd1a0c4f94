"""What a browser has to be told before it lets the page of another origin read an answer.

Owns the headers of the Fetch standard's CORS protocol. Which origins those are, the guard knows; a
page of any other is refused there. Cookies are never looked at, so none are asked for.

Source: https://fetch.spec.whatwg.org/#http-cors-protocol
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from .guard import Guard
from .types import Channel, HttpRequest, ReplyHeaders

#: Seconds for which a browser need not ask again; none of them remembers it for longer.
MAX_AGE: Final = 7200
METHODS: Final = b"GET, POST, DELETE"
#: The headers of an answer that a page may read, beside those that any may.
READABLE: Final = b"Mcp-Session-Id, MCP-Protocol-Version, WWW-Authenticate, Retry-After"

_NAME: Final = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_NAMES: Final = re.compile(f"{_NAME}(?: *, *{_NAME})*")
_LONGEST: Final = 2000


def is_preflight(request: HttpRequest) -> bool:
    """True where a request with OPTIONS is what a browser asks before the request of a page."""
    return "access-control-request-method" in request.headers


def for_pages(request: HttpRequest, channel: Channel, guard: Guard) -> Channel:
    """`channel`, whose answers the page of another origin that sends this can read where it may."""
    origin = request.headers["origin"]
    if origin not in guard.allowed_origins:
        return channel
    return _Readable(channel, origin)


def allowed(request: HttpRequest) -> ReplyHeaders:
    """The answer to a preflight: what is asked for. Which headers a call has, its tool decides."""
    asked = request.headers.get("access-control-request-headers", "")
    headers = [
        (b"access-control-allow-methods", METHODS),
        (b"access-control-max-age", b"%d" % MAX_AGE),
    ]
    if len(asked) <= _LONGEST and _NAMES.fullmatch(asked):
        headers.append((b"access-control-allow-headers", asked.encode("ascii")))
    return headers


class _Readable:
    """A channel that says of its answer who may read it."""

    def __init__(self, channel: Channel, origin: str) -> None:
        self._channel = channel
        self._more: ReplyHeaders = [
            (b"access-control-allow-origin", origin.encode("latin-1")),
            (b"access-control-expose-headers", READABLE),
            (b"vary", b"Origin"),
        ]

    @property
    def connected(self) -> bool:
        return self._channel.connected

    async def read(self, limit: int) -> bytes:
        return await self._channel.read(limit)

    def on_disconnect(self, callback: Callable[[], None]) -> None:
        self._channel.on_disconnect(callback)

    def watch(self) -> None:
        self._channel.watch()

    async def reply(self, status: int, headers: ReplyHeaders, body: bytes) -> None:
        await self._channel.reply(status, [*headers, *self._more], body)

    async def start(self, status: int, headers: ReplyHeaders) -> None:
        await self._channel.start(status, [*headers, *self._more])

    async def write(self, data: bytes) -> None:
        await self._channel.write(data)

    async def end(self) -> None:
        await self._channel.end()
