"""Who is let in, and how those are told who are not: the same at every way in over HTTP.

Owns what a request passes on its way to an endpoint, and what its answer is where it gets no
further: an error of the protocol with its status, a refusal of the authentication, and whatever
fails unforeseen. Which methods there are, and what a message does, is each endpoint's: `endpoint`,
`http_sse`, and `transports.websocket`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol

from ...protocol.errors import InternalError, InvalidRequest, ProtocolError
from ...protocol.jsonrpc import MAX_DEPTH, RequestId
from ...server.access import Principal
from ...server.exchange import Caller
from ...server.gates import Later
from ...server.server import MCPServer
from ..staying import EVERY, Stay, Stays
from . import cors
from .guard import Address, Guard, Refusal
from .responses import KEEP_ALIVE, again_after, refuse
from .types import BodyTooLarge, Channel, Disconnected, Headers, HttpRequest, Refused, ReplyHeaders
from .words import ENGLISH, Language

logger = logging.getLogger("django_mcp")

#: Names of headers (RFC 9110, section 5.6.2), and what no value of one may contain (5.5).
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f]")

#: Says who sends a request, or raises Refused; None refuses with 401. May be async.
Authenticate = Callable[[HttpRequest], Awaitable[Principal | None] | Principal | None]


class Failures(Protocol):
    """Remembers where authentication failed, and how often."""

    async def check(self, request: HttpRequest) -> None:
        """Raise Later where it failed too often lately."""

    async def note(self, request: HttpRequest) -> None:
        """It failed once more."""


class Challenger(Protocol):
    """An authentication that grants scopes, and can tell how more of them are got."""

    def challenge(
        self, request: HttpRequest, principal: Principal, scopes: Sequence[str]
    ) -> Mapping[str, str]:
        """The headers that tell `principal`, who was let in, to ask for `scopes`."""


def _english(headers: Headers) -> Language:
    return ENGLISH


@dataclass(kw_only=True)
class Entrance:
    """One server at one URL, and who may reach it there.

    `keep_alive` is in seconds, `max_depth` counts the levels of JSON a body may have. `challenger`
    is there where `authenticate` grants scopes. Who stays is asked again after `again_every`
    seconds; 0 asks nobody twice. `language_of` says from the headers of a request which language a
    page for people is in.
    """

    server: MCPServer
    authenticate: Authenticate
    guard: Guard
    challenger: Challenger | None = None
    max_depth: int = MAX_DEPTH
    keep_alive: float = KEEP_ALIVE
    failures: Failures | None = None
    again_every: float = EVERY
    language_of: Callable[[Headers], Language] = _english

    def __post_init__(self) -> None:
        self._stays = Stays(self.again_every)

    def caller_of(self, request: HttpRequest, address: Address) -> Awaitable[Caller]:
        """Return, awaited, who sends a request that was made to `address`, and what came with it;
        raises Refused, and Later where nobody is let in now or this one has failed too often."""
        if self.server.door is None and self.failures is None:
            return self._ask(request, address)
        return self._ask_at_the_door(request, address)

    async def _ask_at_the_door(self, request: HttpRequest, address: Address) -> Caller:
        if self.server.door is not None:
            await self.server.door()
        if self.failures is not None:
            await self.failures.check(request)
        try:
            return await self._ask(request, address)
        except Refused as refused:
            if self.failures is not None and refused.status == 401 and refused.attempted:
                await self.failures.note(request)
            raise

    def stay_of(self, request: HttpRequest, address: Address, caller: Caller) -> Stay:
        """The stay of `caller`, who was let in with `request`: they are asked again with the same.

        They are in already: a server that was closed meanwhile, and an address from which others
        fail to authenticate, are for those who come.
        """
        if not caller.streams:
            return Stay(caller)  # Nothing is held open, and who waits may hold the only thread.
        return self._stays.stay(caller, partial(self._ask, request, address))

    async def _ask(self, request: HttpRequest, address: Address) -> Caller:
        principal: Any = self.authenticate(request)
        if not isinstance(principal, Principal):
            principal = await _awaited(principal)
        headers, challenge = request.headers, None
        if self.challenger is not None:
            # A function has no use for the token, and must not pass it on (2026-07-28,
            # basic/authorization#access-token-privilege-restriction).
            headers = headers.without("authorization")
            challenge = partial(self._challenge, request, principal)
        return Caller(
            principal,
            headers,
            request.url_kwargs,
            address.origin,
            request.native,
            request.streams,
            challenge,
        )

    def _challenge(
        self, request: HttpRequest, principal: Principal, scopes: Sequence[str]
    ) -> ReplyHeaders:
        if self.challenger is None:
            return []
        return _headers(self.challenger.challenge(request, principal, scopes))

    def refusal_of(self, error: Exception) -> tuple[ProtocolError, ReplyHeaders]:
        """What a request is answered with that ended in `error`: the error, and more headers."""
        if isinstance(error, Refused):
            return self._turned_away(error)
        if isinstance(error, ProtocolError):
            return error, _more_of(error)
        if isinstance(error, BodyTooLarge):
            return self.guard.too_large(), []
        logger.error("Unexpected exception in the endpoint of %r", self.server.name, exc_info=error)
        return Unavailable(), []

    def _turned_away(self, refused: Refused) -> tuple[ProtocolError, ReplyHeaders]:
        if refused.status not in range(400, 600):
            logger.error(
                "The authentication of %r raised Refused(%r): give it a status that refuses, from "
                "400 to 599.",
                self.server.name,
                refused.status,
            )
            return Unavailable(), []
        return Refusal(refused.message, status=refused.status), _headers_of(refused)


@dataclass(kw_only=True)
class HttpEntrance(Entrance):
    """An endpoint for HTTP requests: called with one and a channel, it answers there."""

    async def __call__(self, request: HttpRequest, channel: Channel) -> None:
        """Answer `request` on `channel`. Raises nothing but a cancellation."""
        if "origin" in request.headers:
            channel = cors.for_pages(request, channel, self.guard)
        try:
            if request.method == "OPTIONS" and cors.is_preflight(request):
                # It is asked without the credentials that the request itself will have.
                self.guard.check_source(request)
                await channel.reply(204, cors.allowed(request), b"")
            else:
                await self.serve(request, channel)
        except Disconnected:
            return
        except Exception as error:
            refusal, headers = self.refusal_of(error)
            await refuse(channel, refusal, _id_of(error), headers)

    async def serve(self, request: HttpRequest, channel: Channel) -> None:
        """Answer `request`, or raise what `refusal_of` makes an answer of."""
        raise NotImplementedError

    def read(self, request: HttpRequest, channel: Channel) -> Awaitable[bytes]:
        """Return, awaited, the body; raises BodyTooLarge, and Disconnected."""
        self.guard.check_size(request)
        return channel.read(self.guard.max_body)


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


def _id_of(error: Exception) -> RequestId | None:
    return error.id if isinstance(error, InvalidRequest) else None


def _more_of(error: ProtocolError) -> ReplyHeaders:
    if isinstance(error, NotServed):
        return [(b"allow", error.allowed.encode())]
    return again_after(error.retry_after) if isinstance(error, Later) else []


def _headers_of(refused: Refused) -> ReplyHeaders:
    """The headers of a refusal, without what would end a header, or be none."""
    headers = _headers(refused.headers)
    if refused.status == 401 and all(name != b"www-authenticate" for name, _ in headers):
        headers.append((b"www-authenticate", b"Bearer"))
    return headers


def _headers(given: Mapping[str, str]) -> ReplyHeaders:
    headers = []
    for name, value in given.items():
        if _TOKEN.fullmatch(str(name)):
            clean = _CONTROLS.sub("", str(value)).strip()
            headers.append((name.lower().encode("ascii"), clean.encode("latin-1", "replace")))
        else:
            logger.error("Refused() was given a header of the name %r, which is left out.", name)
    return headers
