"""Which path leads to which server: what the ASGI application and the URLconf say of it.

Looks through what Django and Channels make routes of, and through wrappers that keep what they wrap
as `application` or `inner`. What an application of the project's own does with a path cannot be
seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.urls import URLResolver, get_resolver
from django.utils.module_loading import import_string

from ..endpoints import TRANSPORTS
from ..routing import MCPRouter
from ..server.server import MCPServer
from ..transports.http.entrance import Entrance


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A path at which a server answers, with the name of its transport in `mount()`.

    `by` is the setting that leads there: "ASGI_APPLICATION" or "ROOT_URLCONF".
    """

    path: str
    server: MCPServer
    transport: str
    by: str


def routes() -> list[Route]:
    """Every route that can be seen, in the order in which they are tried."""
    return [*_asgi_routes(), *_url_routes()]


def _asgi_routes() -> list[Route]:
    dotted = getattr(settings, "ASGI_APPLICATION", None)
    if not dotted:
        return []
    try:
        application = import_string(dotted)
    except ImportError:
        return []  # Servers say so better, and `check` does.
    return list(_in_application(application, "/", set()))


def _in_application(application: Any, prefix: str, seen: set[int]) -> Iterator[Route]:
    if id(application) in seen:
        return
    seen.add(id(application))
    if isinstance(application, MCPRouter):
        for route, server, transport in application.mounted:
            path = prefix + route
            yield Route(path=path, server=server, transport=transport, by="ASGI_APPLICATION")
    # A consumer of `mcp_consumer()`: Channels keeps what it is made with.
    made_with = getattr(application, "consumer_initkwargs", None)
    if isinstance(made_with, dict) and isinstance(made_with.get("endpoint"), Entrance):
        yield _route_of(made_with["endpoint"], prefix, "ASGI_APPLICATION")
    mapping = getattr(application, "application_mapping", None)
    for inner in mapping.values() if isinstance(mapping, dict) else ():
        yield from _in_application(inner, prefix, seen)
    patterns = getattr(application, "routes", None)
    for pattern in patterns if isinstance(patterns, list | tuple) else ():
        path = prefix + _text(getattr(pattern, "pattern", ""))
        yield from _in_application(getattr(pattern, "callback", None), path, seen)
    for name in ("application", "inner"):
        yield from _in_application(getattr(application, name, None), prefix, seen)


def _url_routes() -> list[Route]:
    return list(_in_resolver(get_resolver(), "")) if getattr(settings, "ROOT_URLCONF", "") else []


def _in_resolver(resolver: URLResolver, prefix: str) -> Iterator[Route]:
    prefix += _text(resolver.pattern)
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLResolver):
            yield from _in_resolver(pattern, prefix)
        elif hasattr(pattern.callback, "mcp_endpoint"):
            path = prefix + _text(pattern.pattern)
            yield _route_of(pattern.callback.mcp_endpoint(), path, "ROOT_URLCONF")


def _route_of(entrance: Entrance, path: str, by: str) -> Route:
    transport = next(
        (name for name, kind in TRANSPORTS.items() if isinstance(entrance, kind)), "http"
    )
    return Route(path=path, server=entrance.server, transport=transport, by=by)


def _text(pattern: Any) -> str:
    """A route as people write it: a regular expression without its anchors."""
    text = str(pattern)
    return text.removeprefix("^").removesuffix("$").removesuffix("\\Z").removesuffix("/?")
