"""From a server to its endpoints: what the adapters are handed, for each transport."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, Literal

from django.core.exceptions import ImproperlyConfigured
from django.http.request import split_domain_port, validate_host
from django.urls.resolvers import RoutePattern
from django.utils import translation

from . import conf, pages
from .authentication import authenticator, challenger
from .backends.threads import DjangoWorkers
from .backends.throttles import Failures
from .protocol.types.base import build
from .server.server import MCPServer
from .transports.http.endpoint import Endpoint
from .transports.http.entrance import Entrance
from .transports.http.guard import Address, Guard
from .transports.http.http_sse import SseEndpoint
from .transports.http.types import Headers, HttpRequest
from .transports.http.words import ENGLISH, Language
from .transports.websocket import WebSocketEndpoint

Transport = Literal["http", "sse", "websocket"]

#: What serves a transport: streamable HTTP, HTTP+SSE of 2024-11-05, WebSocket.
TRANSPORTS: Final[Mapping[str, type[Entrance]]] = MappingProxyType(
    {"http": Endpoint, "sse": SseEndpoint, "websocket": WebSocketEndpoint}
)

#: What Django itself answers to where DEBUG is on and ALLOWED_HOSTS is empty.
LOCAL_HOSTS: Final = (".localhost", "127.0.0.1", "[::1]")
#: Addresses that are kept; hosts come from outside, so there must be an end to them.
MAX_REMEMBERED: Final = 256


def build_endpoint(
    server: MCPServer, authenticate: str | Callable[..., Any] | None = None
) -> Endpoint:
    """The endpoint of `server` as the project's settings have it.

    `authenticate` stands in for DJANGO_MCP["AUTHENTICATION"] at this one endpoint.
    """
    return Endpoint(**_options(server, authenticate))


def build_entrance(
    transport: Transport, server: MCPServer, authenticate: str | Callable[..., Any] | None = None
) -> Entrance:
    """The endpoint of `server` for a transport; raises ImproperlyConfigured for none there is."""
    found = TRANSPORTS.get(transport)
    if found is None:
        raise ImproperlyConfigured(
            f"There is no transport {transport!r}; there are {', '.join(map(repr, TRANSPORTS))}."
        )
    return found(**_options(server, authenticate))


@dataclass(frozen=True, eq=False)
class Served:
    """An endpoint and the route it is served at next to Django; known for as long as it is held."""

    route: str
    entrance: Entrance

    def fits(self, path: str) -> bool:
        """True where a request for `path` comes here; a slash at either end makes no difference."""
        path = path.strip("/")
        if "<" not in self.route:
            return path == self.route
        return RoutePattern(self.route, is_endpoint=True).match(path) is not None


_served: weakref.WeakSet[Served] = weakref.WeakSet()


def serve(route: str, entrance: Entrance) -> Served:
    """Have it known that `entrance` is at `route`, for as long as the result is held."""
    served = Served(route, entrance)
    _served.add(served)
    return served


def served() -> list[Served]:
    """What this process serves beside Django's own URLs, by route."""
    return sorted(_served, key=lambda each: each.route)


def _options(server: MCPServer, authenticate: str | Callable[..., Any] | None) -> dict[str, Any]:
    """What every endpoint is made of."""
    # Before there are requests, which would wait for it, and in several threads.
    build()
    options = conf.get()
    # Threads of its own: tools that hold all of theirs must not keep everybody out.
    workers = DjangoWorkers(options.max_threads)
    failed = options.throttles.get("authentication")
    guard = Guard(
        address_of=address_of,
        decisive=decisive,
        allowed_origins=frozenset(options.allowed_origins),
        max_body=options.max_body_bytes,
    )
    return {
        "server": server,
        "authenticate": authenticator(authenticate, workers),
        "challenger": challenger(authenticate),
        "guard": guard,
        "max_depth": options.max_json_depth,
        "keep_alive": options.keep_alive,
        "again_every": options.reauthenticate_every or 0,
        "language_of": language_of,
        "failures": None if failed is None else Failures(failed, options.trusted_proxies),
    }


def language_of(headers: Headers) -> Language:
    """What the page of an endpoint is written in. Endpoints stand beside Django's middleware, so
    what a browser says is heeded without it."""
    code = pages.language_for(headers.get("accept-language")) or translation.get_language()

    def translate(text: str) -> str:
        with translation.override(code):
            return translation.gettext(text)

    with translation.override(code):
        is_rtl = translation.get_language_bidi()
    return Language(code=code or ENGLISH.code, is_rtl=is_rtl, translate=translate)


def address_of(request: HttpRequest) -> Address:
    """Where a request was made to, as HttpRequest.get_host() and its `scheme` have it: with
    USE_X_FORWARDED_HOST and SECURE_PROXY_SSL_HEADER honoured."""
    hosts, headers, scheme, host = conf.hosts(), request.headers, request.scheme, None
    if hosts.use_x_forwarded_host:
        host = headers.get("x-forwarded-host")
    if host is None:
        host = headers.get("host", "")
    if hosts.secure_proxy_ssl_header:
        name, secure = hosts.secure_proxy_ssl_header
        forwarded = headers.get(name.removeprefix("HTTP_").replace("_", "-").lower())
        if forwarded is not None:
            scheme = "https" if forwarded.partition(",")[0].strip() == secure else "http"
    return _address(scheme, host, hosts)


# The settings are part of the question, so that a change of them changes the answer at once.
@lru_cache(MAX_REMEMBERED)
def _address(scheme: str, host: str, hosts: conf.Hosts) -> Address:
    # A wildcard for everything names nobody.
    named = tuple(pattern for pattern in hosts.allowed if pattern != "*")
    return Address(
        origin=f"{scheme}://{host}",
        is_ours=_matches(host, hosts.allowed, hosts.debug),
        is_named=_matches(host, named, hosts.debug and not hosts.allowed),
    )


def is_ours(host: str) -> bool:
    """True for a host, with a port or without, that this project answers to."""
    hosts = conf.hosts()
    return _matches(host, hosts.allowed, hosts.debug)


def decisive() -> set[str]:
    """The headers on which it depends who is let in, so that none of them may come twice."""
    names = {"host", "origin", "authorization"}
    if conf.hosts().use_x_forwarded_host:
        names.add("x-forwarded-host")
    return names


def _matches(host: str, patterns: tuple[str, ...], debug: bool) -> bool:
    domain, _ = split_domain_port(host)
    return bool(domain) and validate_host(domain, patterns or (LOCAL_HOSTS if debug else ()))
