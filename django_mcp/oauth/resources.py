"""Which MCP servers of this project are protected by tokens, and the scopes each of them has.

Servers are found where they are mounted: next to Django (`django_mcp.routing`), and among its URLs.
Another process may serve one that this one does not see; the setting RESOURCES names its path.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from django.urls import (
    NoReverseMatch,
    Resolver404,
    URLResolver,
    get_resolver,
    get_script_prefix,
    resolve,
    reverse,
)

from ..default import default_server
from ..endpoints import served
from ..server.server import MCPServer
from ..transports.http.endpoint import Endpoint
from ..transports.http.entrance import Entrance
from . import conf
from .addresses import Site, canonical
from .authentication import Bearer


class Resource(NamedTuple):
    """An MCP endpoint: its canonical URL, and the server behind it."""

    url: str
    server: MCPServer

    @property
    def title(self) -> str:
        return self.server.title or self.server.name

    def scopes(self) -> dict[str, Any]:
        """Every scope that can be asked for here, with its words for people."""
        known = dict(conf.get().scopes)
        for component in components(self.server):
            for scope in component.scopes or ():
                known.setdefault(scope, scope)
        return known


def at(path: str) -> MCPServer | None:
    """The protected server at `path`, which is below what the application is served under."""
    for each in served():
        if each.fits(path) and is_protected(each.entrance):
            return each.entrance.server
    entrance = _entrance_of_view(path)
    if entrance is not None and is_protected(entrance):
        return entrance.server
    if path.rstrip("/") in {given.rstrip("/") for given in conf.get().resources}:
        return default_server()
    return None


def find(site: Site, url: str) -> Resource | None:
    """The endpoint that `url` names, as far as it is one of this host."""
    wanted = canonical(url)
    origin = canonical(site.origin)
    if wanted is None or origin is None or not wanted.startswith(f"{origin}/"):
        return None
    path = unquote(urlsplit(wanted).path)
    if not path.startswith(f"{site.prefix}/"):
        return None
    server = at(path.removeprefix(site.prefix))
    return None if server is None else Resource(wanted, server)


def only(site: Site, server: str | None = None) -> Resource | None:
    """The endpoint that whoever names none means, or of a server alone; None where nobody can tell.

    It is the one there is, and of several the one for streamable HTTP, where one of them is: over
    the other transports there is no authorization that clients know of without its name. One whose
    URL has parameters is not meant.
    """
    found = {path.rstrip("/"): is_http for path, is_http in _endpoints()}
    if server is not None:
        named = {path: at(path) for path in found}
        found = {path: found[path] for path, each in named.items() if each and each.name == server}
    meant = [path for path, is_http in found.items() if is_http] if len(found) > 1 else list(found)
    return find(site, site.origin + site.prefix + meant[0]) if len(meant) == 1 else None


def every(site: Site) -> list[Resource]:
    """Each endpoint whose URL has no parameters."""
    urls = sorted({site.origin + site.prefix + path.rstrip("/") for path in paths()})
    found = [find(site, url) for url in urls]
    return [each for each in found if each is not None]


def paths() -> Iterator[str]:
    """The paths of protected endpoints, below what the application is served under. Those whose
    routes have parameters stand there with them, since nobody can say how many they are."""
    return (path for path, _ in _endpoints())


def _endpoints() -> Iterator[tuple[str, bool]]:
    """The same, and whether it is one for streamable HTTP, as every view is."""
    for each in served():
        if is_protected(each.entrance):
            yield f"/{each.route}", isinstance(each.entrance, Endpoint)
    for view in _views(get_resolver()):
        try:
            yield _without_prefix(reverse(view)), True
        except NoReverseMatch:
            yield "/<…>", True
    yield from ((path, True) for path in conf.get().resources)


def is_protected(entrance: Entrance) -> bool:
    """True where the tokens of this app let in."""
    return isinstance(entrance.challenger, Bearer)


def _without_prefix(path: str) -> str:
    return path.removeprefix(get_script_prefix().removesuffix("/"))


def _entrance_of_view(path: str) -> Entrance | None:
    try:
        view = resolve(path).func
    except Resolver404:
        return None
    endpoint = getattr(view, "mcp_endpoint", None)
    return None if endpoint is None else endpoint()


def _views(resolver: URLResolver) -> Iterator[Any]:
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLResolver):
            yield from _views(pattern)
        else:
            endpoint = getattr(pattern.callback, "mcp_endpoint", None)
            if endpoint is not None and is_protected(endpoint()):
                yield pattern.callback


def components(server: MCPServer) -> Iterator[Any]:
    """Everything that may name scopes."""
    for kind in (server.tools, server.resources, server.resource_templates, server.prompts):
        yield from kind
