"""From a server to its endpoint: what both adapters are handed, and which servers have one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http.request import split_domain_port, validate_host

from . import conf
from .authentication import authenticator
from .backends.threads import DjangoWorkers
from .server.server import MCPServer
from .transports.http.endpoint import Endpoint
from .transports.http.guard import Guard
from .transports.http.types import HttpRequest

#: What Django itself answers to where DEBUG is on and ALLOWED_HOSTS is empty.
LOCAL_HOSTS = [".localhost", "127.0.0.1", "[::1]"]


def build_endpoint(
    server: MCPServer, authenticate: str | Callable[..., Any] | None = None
) -> Endpoint:
    """The endpoint of `server` as the project's settings have it.

    `authenticate` stands in for DJANGO_MCP["AUTHENTICATION"] at this one endpoint.
    """
    options = conf.get()
    # Threads of its own: tools that hold all of theirs must not keep everybody out.
    workers = DjangoWorkers(options.max_threads)
    return Endpoint(
        server=server,
        authenticate=authenticator(authenticate, workers),
        origin_of=origin_of,
        guard=Guard(
            host_of=host_of,
            allows_host=allows_host,
            trusts_host=trusts_host,
            allowed_origins=frozenset(options.allowed_origins),
            max_body=options.max_body_bytes,
        ),
        max_depth=options.max_json_depth,
        keep_alive=options.keep_alive,
    )


def host_of(request: HttpRequest) -> str:
    """The host a request was made to, as HttpRequest.get_host() has it but unjudged."""
    if settings.USE_X_FORWARDED_HOST:
        forwarded = request.headers.get("x-forwarded-host")
        if forwarded is not None:
            return forwarded
    return request.headers.get("host", "")


def origin_of(request: HttpRequest) -> str:
    """Scheme and authority as the client sees them, with SECURE_PROXY_SSL_HEADER honoured."""
    scheme = request.scheme
    trusted = settings.SECURE_PROXY_SSL_HEADER
    if trusted:
        name = trusted[0].removeprefix("HTTP_").replace("_", "-").lower()
        value = request.headers.get(name)
        if value is not None:
            scheme = "https" if value.partition(",")[0].strip() == trusted[1] else "http"
    return f"{scheme}://{host_of(request)}"


def allows_host(host: str) -> bool:
    """True where ALLOWED_HOSTS admits the Host header `host`."""
    return _matches(host, _allowed_hosts())


def trusts_host(host: str) -> bool:
    """True where ALLOWED_HOSTS admits it by name: a wildcard for everything trusts nobody."""
    return _matches(host, [pattern for pattern in _allowed_hosts() if pattern != "*"])


def _allowed_hosts() -> list[str]:
    allowed = list(settings.ALLOWED_HOSTS)
    return LOCAL_HOSTS if settings.DEBUG and not allowed else allowed


def _matches(host: str, patterns: list[str]) -> bool:
    domain, _ = split_domain_port(host)
    return bool(domain) and validate_host(domain, patterns)
