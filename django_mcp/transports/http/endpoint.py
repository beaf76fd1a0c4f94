"""The MCP endpoint: one HTTP request, from its first header to the right era.

Reads as the list of what happens, in this order: the source is checked, a browser gets a page,
methods that are not served a 405, the caller is authenticated, media type and size are checked, the
body is read and parsed, and the message goes to the era that its version names.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from ...protocol import jsonrpc, revisions
from ...protocol.envelope import is_enveloped
from ...protocol.errors import InternalError, InvalidRequest, ProtocolError
from ...protocol.headers import MCP_PROTOCOL_VERSION
from ...protocol.jsonrpc import MAX_DEPTH, Request
from ...protocol.revisions import Era
from ...server.access import Principal
from ...server.exchange import Caller
from ...server.server import MCPServer
from . import landing, stateful, stateless
from .guard import Guard, Refusal, accepts
from .responses import KEEP_ALIVE, refuse
from .types import BodyTooLarge, Channel, Disconnected, Headers, HttpRequest, Refused, ReplyHeaders

logger = logging.getLogger("django_mcp")

#: Names of headers (RFC 9110, section 5.6.2), and what no value of one may contain (5.5).
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f]")

#: Says who sends a request, or raises Refused; None refuses with 401. May be async.
Authenticate = Callable[[HttpRequest], Awaitable[Principal | None] | Principal | None]


@dataclass(kw_only=True)
class Endpoint:
    """One server at one URL. Calling it with a request and a channel answers the request.

    `origin_of` gives scheme and authority as clients see them. `keep_alive` is in seconds,
    `max_depth` counts the levels of JSON a body may have.
    """

    server: MCPServer
    authenticate: Authenticate
    guard: Guard
    origin_of: Callable[[HttpRequest], str]
    max_depth: int = MAX_DEPTH
    keep_alive: float = KEEP_ALIVE

    async def __call__(self, request: HttpRequest, channel: Channel) -> None:
        """Answer `request` on `channel`. Raises nothing but a cancellation."""
        try:
            await self._serve(request, channel)
        except Disconnected:
            return
        except Refused as refused:
            await self._turn_away(channel, refused)
        except ProtocolError as error:
            id = error.id if isinstance(error, InvalidRequest) else None
            await refuse(channel, error, id, _allow(error))
        except Exception:
            logger.exception("Unexpected exception in the endpoint of %r", self.server.name)
            await refuse(channel, Unavailable())

    async def _serve(self, request: HttpRequest, channel: Channel) -> None:
        guard, headers = self.guard, request.headers
        guard.check_source(request)
        if request.method != "POST":
            await self._not_post(request, channel)
            return
        caller = await self._caller(request)
        guard.check_media(request)
        guard.check_size(request)
        try:
            body = await channel.read(guard.max_body)
        except BodyTooLarge:
            raise guard.too_large() from None
        message = jsonrpc.parse(body, max_depth=self.max_depth)
        serve = stateless.serve if _is_stateless(headers, message) else stateful.post
        await serve(self.server, headers, caller, message, channel, self.keep_alive)

    async def _caller(self, request: HttpRequest) -> Caller:
        """Who sends a request, and what came with it; raises Refused."""
        principal: Any = self.authenticate(request)
        if not isinstance(principal, Principal):
            principal = await _awaited(principal)
        return Caller(
            principal,
            request.headers,
            request.url_kwargs,
            self.origin_of(request),
            request.native,
            request.streams,
        )

    async def _not_post(self, request: HttpRequest, channel: Channel) -> None:
        method, accept = request.method, request.headers.get("accept", "")
        if self.server.sessions.keeps:
            if method == "DELETE":
                caller = await self._caller(request)
                await stateful.delete(self.server, request.headers, caller, channel)
                return
            if method == "GET" and request.streams and "text/event-stream" in accept.lower():
                caller = await self._caller(request)
                await stateful.get(self.server, request.headers, caller, channel, self.keep_alive)
                return
        if method == "GET" and accepts(accept, "text/html"):
            url = self.origin_of(request) + quote(request.path, safe="/", errors="replace")
            await channel.reply(200, landing.HEADERS, landing.page(self.server, url))
            return
        raise NotServed(
            f"{method} is not served here: POST a JSON-RPC message.", self._methods(request)
        )

    def _methods(self, request: HttpRequest) -> str:
        """The methods the endpoint has, as the header Allow lists them."""
        if not self.server.sessions.keeps:
            return "POST"
        return "GET, POST, DELETE" if request.streams else "POST, DELETE"

    async def _turn_away(self, channel: Channel, refused: Refused) -> None:
        if refused.status not in range(400, 600):
            logger.error(
                "The authentication of %r raised Refused(%r): give it a status that refuses, from "
                "400 to 599.",
                self.server.name,
                refused.status,
            )
            await refuse(channel, Unavailable())
            return
        error = Refusal(refused.message, status=refused.status)
        await refuse(channel, error, headers=_headers_of(refused))


async def _awaited(found: Any) -> Principal:
    """The principal an async authentication finds; raises Refused where there is none."""
    if isinstance(found, Awaitable):
        found = await found
    if not isinstance(found, Principal):
        raise Refused
    return found


class NotServed(Refusal):
    """A method the endpoint does not have (2026-07-28,
    basic/transports/streamable-http#earlier-streamable-http-revisions)."""

    status = 405

    def __init__(self, message: str, allowed: str) -> None:
        super().__init__(message)
        self.allowed = allowed


class Unavailable(InternalError):
    """Something failed before there was a message to answer. Not a 200, so that monitoring sees it;
    not a 500 either, since the next attempt may be luckier."""

    status = 503


def _allow(error: ProtocolError) -> ReplyHeaders:
    return [(b"allow", error.allowed.encode())] if isinstance(error, NotServed) else []


def _is_stateless(headers: Headers, message: object) -> bool:
    """True where a message is of the era without sessions.

    A request that carries its version says so itself. Of the others the header tells, and where
    that names no revision it is answered in the words of the newest.
    """
    if isinstance(message, Request) and is_enveloped(message):
        return True
    version = headers.get(MCP_PROTOCOL_VERSION)
    if version is None:
        return False
    revision = revisions.find(version)
    return revision is None or revision.era is Era.STATELESS


def _headers_of(refused: Refused) -> ReplyHeaders:
    """The headers of a refusal, without what would end a header, or be none."""
    headers = []
    for name, value in refused.headers.items():
        if _TOKEN.fullmatch(str(name)):
            clean = _CONTROLS.sub("", str(value)).strip()
            headers.append((name.lower().encode("ascii"), clean.encode("latin-1", "replace")))
        else:
            logger.error("Refused() was given a header of the name %r, which is left out.", name)
    if refused.status == 401 and all(name != b"www-authenticate" for name, _ in headers):
        headers.append((b"www-authenticate", b"Bearer"))
    return headers
