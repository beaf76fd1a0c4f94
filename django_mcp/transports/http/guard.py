"""What is refused before a message is read: hosts, origins, methods and media types not ours.

The checks stand in the order they are made. Who is calling is asked after the first three and
before the rest, so that a stranger learns nothing; see `endpoint`. What the message itself must say
is `protocol.envelope`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from ...protocol.errors import InvalidRequest, ProtocolError
from .types import HttpRequest

#: 4 MiB, as the official SDK.
MAX_BODY: Final = 4 * 1024 * 1024
#: Values of a header of which it is remembered what they mean.
MAX_REMEMBERED: Final = 64

_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}


class Refusal(ProtocolError):
    """A request that is turned away before it is read; `status` says why in HTTP's words."""

    code = InvalidRequest.code


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a request was made to, and what this server thinks of that.

    `origin` is scheme and authority as the client sees them ("https://example.com"). `is_ours` is
    True where the server answers to the host; `is_named`, where it knows the host by name besides,
    so that a page of the same origin may call it.
    """

    origin: str
    is_ours: bool
    is_named: bool


@dataclass(kw_only=True)
class Guard:
    """Decides which requests get as far as being read.

    `address_of` tells where a request was made to, which behind a proxy other headers may say.
    `allowed_origins` are the other origins whose pages may call ("https://app.example.com").
    `decisive` names the headers on which it depends who is let in.
    """

    address_of: Callable[[HttpRequest], Address]
    decisive: Callable[[], Collection[str]]
    allowed_origins: Collection[str] = ()
    max_body: int = MAX_BODY

    def check_source(self, request: HttpRequest) -> Address:
        """Refuse a Host that is not ours with 421, and an Origin that is not allowed with 403;
        return where the request was made to.

        A page that resolves its own name to this machine fails here (DNS rebinding; 2026-07-28,
        basic/transports/streamable-http#security--endpoint).
        """
        if request.headers.repeated:
            self._refuse_repeated(request)
        address = self.address_of(request)
        if not address.is_ours:
            raise Refusal("This server does not answer to that host name.", status=421)
        origin = request.headers.get("origin")
        if origin is not None and not self._allows_origin(origin, address):
            raise Refusal("Pages of this origin may not call this server.", status=403)
        return address

    def check_media(self, request: HttpRequest) -> None:
        """Refuse a body that is no JSON with 415, and a client that cannot read both forms of an
        answer with 406; `application/json` alone will do where nothing can be streamed."""
        _check_is_json(request.headers.get("content-type", ""))
        if not _accepts_answers(request.headers.get("accept", ""), request.streams):
            raise Refusal(
                "Accept must name both application/json and text/event-stream.", status=406
            )

    def check_content_type(self, request: HttpRequest) -> None:
        """Refuse a body that is no JSON with 415."""
        _check_is_json(request.headers.get("content-type", ""))

    def check_size(self, request: HttpRequest) -> None:
        """Refuse with 413 a body that says it is too large; one that does not is cut off later."""
        length = request.headers.get("content-length", "")
        if len(length) < 20 and length.isdecimal() and int(length) > self.max_body:
            raise self.too_large()

    def too_large(self) -> Refusal:
        """The refusal of a body above the limit."""
        return Refusal(f"The body is larger than {self.max_body} bytes.", status=413)

    def _refuse_repeated(self, request: HttpRequest) -> None:
        # Whoever stands before this server may have looked at the other one.
        repeated = request.headers.repeated.intersection(self.decisive())
        if repeated:
            names = ", ".join(sorted(repeated))
            raise Refusal(f"{names} was sent more than once.", status=400)

    def _allows_origin(self, origin: str, address: Address) -> bool:
        if origin in self.allowed_origins:
            return True
        # The Host header proves nothing by itself: whoever rebinds a name controls both. Only a
        # host this server was told to answer to by name vouches for its own pages.
        return address.is_named and _same_origin(origin, address.origin)


def _same_origin(origin: str, own: str) -> bool:
    """True where both have the same scheme, host and port (RFC 6454, section 5)."""
    return origin.startswith(("http://", "https://")) and _normal(origin) == _normal(own)


def _normal(origin: str) -> str:
    scheme, _, authority = origin.lower().partition("://")
    return f"{scheme}://{authority.removesuffix(_DEFAULT_PORTS.get(scheme, ''))}"


# Clients send the same few over and over, and anybody may send others: so there is an end to them.


@lru_cache(MAX_REMEMBERED)
def _check_is_json(content_type: str) -> None:
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise Refusal("Content-Type must be application/json.", status=415)


@lru_cache(MAX_REMEMBERED)
def _accepts_answers(accept: str, streams: bool) -> bool:
    """True for who can read every form of an answer."""
    return accepts(accept, "application/json") and (
        not streams or accepts(accept, "text/event-stream")
    )


def accepts(accept: str, media_type: str) -> bool:
    """True where the Accept header admits `media_type` (RFC 9110, section 12.5.1)."""
    if media_type in accept and "q=" not in accept:
        return True
    kind = media_type.partition("/")[0]
    for item in accept.lower().split(","):
        range_, *parameters = (part.strip() for part in item.split(";"))
        if range_ in (media_type, f"{kind}/*", "*/*"):
            quality = next((p[2:] for p in parameters if p.startswith("q=")), "1")
            return quality.strip("0.") != ""
    return False
