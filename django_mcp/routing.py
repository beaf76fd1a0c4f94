"""The endpoint as a Channels consumer, next to a Django project.

    from django_mcp.routing import get_asgi_application
    application = get_asgi_application()

serves the project, and the default server at DJANGO_MCP["PATH"]. More servers are `mount()`s; a
project with a ProtocolTypeRouter of its own puts `mcp_consumer()` in its URLRouter.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.asgi import get_asgi_application as get_django_application
from django.core.exceptions import ImproperlyConfigured
from django.urls.resolvers import RoutePattern

from . import conf
from .default import default_server
from .endpoints import build_endpoint
from .server.server import MCPServer
from .transports.http.consumers import MCPConsumer, Receive, Send

logger = logging.getLogger("django_mcp")

Scope = dict[str, Any]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


def mcp_consumer(
    server: MCPServer | None = None, *, authenticate: str | Callable[..., Any] | None = None
) -> Application:
    """A consumer that serves `server`, by default the default server, for a URLRouter.

    Call it once Django is set up: after `django.core.asgi.get_asgi_application()`.
    """
    endpoint = build_endpoint(server or default_server(), authenticate)
    application: Application = MCPConsumer.as_asgi(endpoint=endpoint)
    return application


@dataclass(frozen=True, slots=True)
class Mount:
    """A server at a path; see `mount`."""

    route: str
    server: MCPServer | None
    authenticate: str | Callable[..., Any] | None


def mount(
    route: str,
    server: MCPServer | None = None,
    *,
    authenticate: str | Callable[..., Any] | None = None,
) -> Mount:
    """Serve `server` at `route`, written as in `path()`: "mcp", "orgs/<slug:org>/mcp".

    What stands in angle brackets reaches the functions as `Context.url_kwargs`. A trailing slash
    may be there or not. `authenticate` stands in for DJANGO_MCP["AUTHENTICATION"] at this mount.
    """
    return Mount(route.strip("/"), server, authenticate)


def get_asgi_application(*mounts: Mount, django: Application | None = None) -> Application:
    """Django and the MCP endpoints as one ASGI application.

    Without mounts, the default server is served at DJANGO_MCP["PATH"]. `django` is the application
    that gets every other request, by default Django's own; a ProtocolTypeRouter for websockets.
    """
    inner: Any = django or get_django_application()
    # What is loaded by now stays for good. Without this, a full collection walks all of it in the
    # middle of somebody's call, which is what makes the slowest calls slow.
    gc.freeze()
    return MCPRouter(mounts or (mount(conf.get().path),), inner)


class MCPRouter:
    """Sends requests for the mounted paths to their servers, and everything else on.

    Also speaks the lifespan protocol, so that lifespans begin and end with the process.
    """

    def __init__(self, mounts: Sequence[Mount], inner: Application) -> None:
        self._inner = inner
        self._servers: list[MCPServer] = []
        self._fixed: dict[str, MCPConsumer] = {}
        self._patterns: list[tuple[RoutePattern, MCPConsumer]] = []
        seen: set[str] = set()
        for mounted in mounts:
            server = mounted.server or default_server()
            if server not in self._servers:
                self._servers.append(server)
            if mounted.route in seen:
                raise ImproperlyConfigured(
                    f"Two MCP servers are mounted at {mounted.route!r}; give one another route."
                )
            seen.add(mounted.route)
            consumer = MCPConsumer(build_endpoint(server, mounted.authenticate))
            if "<" in mounted.route:
                pattern = RoutePattern(mounted.route, is_endpoint=True)
                self._patterns.append((pattern, consumer))
            else:
                self._fixed[f"/{mounted.route}"] = consumer
                self._fixed[f"/{mounted.route}/"] = consumer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path = path_of(scope)
            found = self._fixed.get(path)
            if found is None and self._patterns:
                found, scope = self._match(path, scope)
            if found is not None:
                await found(scope, receive, send)
                return
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        await self._inner(scope, receive, send)

    def _match(self, path: str, scope: Scope) -> tuple[MCPConsumer | None, Scope]:
        rest = path.strip("/")
        for pattern, consumer in self._patterns:
            match = pattern.match(rest)
            if match is not None:
                return consumer, {**scope, "url_route": {"args": (), "kwargs": match[2]}}
        return None, scope

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            step = message["type"]
            try:
                for server in self._servers:
                    await (server.startup() if step.endswith("startup") else server.shutdown())
            except Exception as error:
                logger.exception("A server's lifespan failed at %s", step)
                await send({"type": f"{step}.failed", "message": type(error).__name__})
                return
            await send({"type": f"{step}.complete"})
            if step == "lifespan.shutdown":
                return


def path_of(scope: Scope) -> str:
    """The path below the prefix the application is served under (SCRIPT_NAME)."""
    path: str = scope["path"]
    prefix: str = scope.get("root_path", "")
    return path[len(prefix) :] if prefix and path.startswith(prefix) else path
