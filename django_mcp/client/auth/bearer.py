"""Requests with a token, and what becomes of a 401 and a 403: the part all grants have in common.

`BearerAuth` is an `httpx.Auth`. It puts the token on requests to its own server and on no others,
and asks for another one where the server wants it. How tokens are got is what its heirs know; that
they are got once, however many requests want them, is known here.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Generator, Mapping
from dataclasses import dataclass, field
from typing import NoReturn

import httpx

from .challenges import NO_CHALLENGE, Challenge, bearer_challenge
from .errors import InsufficientScope, TokenRejected
from .single_flight import SingleFlight
from .storage import TokenStorage
from .urls import check_url, origin
from .values import Tokens

VERSION_HEADER = "MCP-Protocol-Version"

#: New tokens for one request, after each of which the server asked for others.
MOST_ATTEMPTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Why tokens are wanted: what the server said, and what it was sent."""

    #: The tokens that were not good enough; None where there were none.
    sent: Tokens | None
    challenge: Challenge = NO_CHALLENGE
    #: The challenge as it was written.
    header: str = field(default="", repr=False)
    #: True where the token is good and its scopes are too few.
    step_up: bool = False
    #: How many tokens were got for this request so far.
    attempt: int = 0
    #: For the requests of discovery.
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Obtained:
    """New tokens. `granted` is True where they were got from scratch, so nothing more can be done
    for them, and False where they are old ones renewed."""

    tokens: Tokens
    granted: bool


class BearerAuth(httpx.Auth):
    """The token for `server_url` on every request to it. For `httpx.AsyncClient` only.

    One object serves one user and one server, on any number of requests and clients. Requests to
    another origin pass untouched, and so does what they answer.
    """

    def __init__(self, server_url: str, storage: TokenStorage) -> None:
        check_url(server_url, "The server's URL")
        self.server_url = server_url
        self.storage = storage
        self._tokens: Tokens | None = None
        self._loaded = False
        #: The last tokens that were got from scratch.
        self._granted: Tokens | None = None
        self._flight: SingleFlight[Tokens] = SingleFlight()
        #: Scopes that did not help, although they were granted when the server asked for them.
        self._useless: set[frozenset[str]] = set()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.server_url}>"

    async def forget(self) -> None:
        """Drop the tokens, also from the storage. The next request begins anew."""
        await self.storage.set_tokens(self.server_url, None)
        self._tokens, self._loaded = None, True
        self._useless.clear()

    async def obtain(self, need: Need) -> Obtained:
        """Get new tokens and store them. Runs once for all requests that wait. For heirs."""
        raise NotImplementedError

    def can_renew(self, tokens: Tokens) -> bool:
        """Whether tokens that ran out can be renewed before the server says so. For heirs."""
        raise NotImplementedError

    def sync_auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        raise RuntimeError(f"{type(self).__name__} works with httpx.AsyncClient, not httpx.Client.")

    async def async_auth_flow(
        self, request: httpx.Request
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        if origin(str(request.url)) != origin(self.server_url):
            yield request
            return
        await request.aread()
        tokens = await self._usable(request)
        for attempt in range(MOST_ATTEMPTS + 1):
            if tokens is not None:
                request.headers["Authorization"] = f"Bearer {tokens.access_token}"
            response = yield request
            need = self._need(response, tokens, attempt)
            if need is None:
                return
            if attempt == MOST_ATTEMPTS or self._in_vain(need):
                self._give_up(need)
            await _discard(response)
            tokens = await self._obtained(need)

    async def _usable(self, request: httpx.Request) -> Tokens | None:
        """The tokens to begin with: as they are stored, or renewed if they ran out."""
        await self._load()
        tokens = self._tokens
        if tokens is None or not tokens.expired(time.time()) or not self.can_renew(tokens):
            # Without knowing whom to ask, a token that ran out is sent: the server's answer says.
            return tokens
        return await self._obtained(Need(sent=tokens, headers=_version(request)))

    async def _load(self) -> None:
        if self._loaded:
            return
        self._adopt(await self.storage.get_tokens(self.server_url))

    def _adopt(self, stored: Tokens | None) -> None:
        if not self._loaded:
            # No other request has come further meanwhile.
            self._tokens, self._loaded = stored, True

    def _need(self, response: httpx.Response, sent: Tokens | None, attempt: int) -> Need | None:
        """What the answer asks for; None where it is the answer."""
        if response.status_code not in (401, 403):
            return None
        if origin(str(response.url)) != origin(self.server_url):
            # A redirect led away. Nobody else may start an authorization.
            return None
        headers = response.headers.get_list("www-authenticate")
        challenge = bearer_challenge(headers)
        step_up = response.status_code == 403
        if step_up and challenge.error != "insufficient_scope":
            return None
        return Need(
            sent=sent,
            challenge=challenge,
            header=", ".join(headers),
            step_up=step_up,
            attempt=attempt,
            headers=_version(response.request),
        )

    async def _obtained(self, need: Need) -> Tokens:
        """Tokens that answer `need`, got now, or meanwhile by another request."""
        if need.step_up and frozenset(need.challenge.scopes) in self._useless:
            self._give_up(need)
        while True:
            tokens = self._tokens
            if tokens is not None and tokens is not need.sent and _serves(tokens, need):
                return tokens
            tokens, own = await self._flight.run(lambda: self._obtain(need))
            if own:
                return tokens

    async def _obtain(self, need: Need) -> Tokens:
        tokens = await self._stored_by_another(need)
        if tokens is None:
            obtained = await self.obtain(need)
            tokens = obtained.tokens
            self._granted = tokens if obtained.granted else None
        self._tokens, self._loaded = tokens, True
        if not need.step_up:
            self._useless.clear()
        return tokens

    async def _stored_by_another(self, need: Need) -> Tokens | None:
        """What another process has put into the storage since this one looked."""
        stored = await self.storage.get_tokens(self.server_url)
        if stored is None or stored.expired(time.time()) or not _serves(stored, need):
            return None
        known = self._tokens.access_token if self._tokens is not None else None
        return stored if stored.access_token != known else None

    def _in_vain(self, need: Need) -> bool:
        """Whether the server asks for what it was given because of this very request."""
        if need.attempt == 0 or need.sent is None:
            return False
        if need.step_up:
            return set(need.challenge.scopes) <= set(need.sent.requested_scopes)
        return need.sent == self._granted

    def _give_up(self, need: Need) -> NoReturn:
        if not need.step_up:
            raise TokenRejected(
                f"{self.server_url!r} answers 401 to a token it has just asked for. Its operator"
                " has to see to it that it accepts what its authorization server issues for"
                f" {need.sent.resource if need.sent is not None else self.server_url!r}."
            )
        scopes = need.challenge.scopes
        self._useless.add(frozenset(scopes))
        raise InsufficientScope(
            f"{self.server_url!r} asks for the scopes {' '.join(scopes)[:200]!r}, and still does"
            " after the client was authorized for them. The user has to be given the permission"
            " at the server; after that, sign in again.",
            scopes=scopes,
        )


def _serves(tokens: Tokens, need: Need) -> bool:
    """Whether these tokens, which came after those that were sent, may be good enough."""
    return not need.step_up or set(need.challenge.scopes) <= set(tokens.requested_scopes)


def _version(request: httpx.Request) -> dict[str, str]:
    """What the requests of discovery say of the protocol (2025-03-26, authorization)."""
    version = request.headers.get(VERSION_HEADER)
    return {VERSION_HEADER: version} if version else {}


async def _discard(response: httpx.Response) -> None:
    """Leave the rest of an answer that nobody will see, however long it is.

    httpx reads an answer to its end before it sends the next request.
    """
    if not response.is_stream_consumed:
        if isinstance(response.stream, httpx.AsyncByteStream):
            await response.stream.aclose()
        response.stream = httpx.ByteStream(b"")
