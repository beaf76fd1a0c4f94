"""The endpoint as a Channels consumer, next to a Django project.

    from django_mcp.routing import get_asgi_application
    application = get_asgi_application()

serves the project, and the default server at DJANGO_MCP["PATH"]. More servers are `mount()`s; a
project with a ProtocolTypeRouter of its own puts `mcp_consumer()` in its URLRouter.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.core.asgi import get_asgi_application as get_django_application
from django.urls.resolvers import RoutePattern

from . import conf
from .default import default_server
from .endpoints import build_endpoint
from .server.server import MCPServer
from .transports.http.consumers import MCPConsumer, Receive, Send
from .transports.http.endpoint import Endpoint

logger = logging.getLogger("django_mcp")

Scope = dict[str, Any]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


def mcp_consumer(
    server: MCPServer | None = None, *, authenticate: str | Callable[..., Any] | None = None
) -> Application:
    """An ASGI application that serves `server`, by default the default server, as a consumer."""

    @cache
    def endpoint() -> Endpoint:
        return build_endpoint(server or default_server(), authenticate)

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await MCPConsumer(endpoint())(scope, receive, send)

    return application


@dataclass(frozen=True, slots=True)
class Mount:
    """A server at a path; see `mount`."""

    route: str
    server: MCPServer
    application: Application


def mount(
    route: str,
    server: MCPServer | None = None,
    *,
    authenticate: str | Callable[..., Any] | None = None,
) -> Mount:
    """Serve `server` at `route`, written as in `path()`: "mcp", "orgs/<slug:org>/mcp".

    What stands in angle brackets reaches the functions as `Context.url_kwargs`. A trailing slash
    may be there or not.
    """
    server = server or default_server()
    return Mount(route.strip("/"), server, mcp_consumer(server, authenticate=authenticate))


def get_asgi_application(*mounts: Mount, django: Application | None = None) -> Application:
    """Django and the MCP endpoints as one ASGI application.

    Without mounts, the default server is served at DJANGO_MCP["PATH"]. `django` is the application
    that gets every other request, by default Django's own; a ProtocolTypeRouter for websockets.
    """
    inner: Any = django or get_django_application()
    return MCPRouter(mounts or (mount(conf.get().path),), inner)


class MCPRouter:
    """Sends requests for the mounted paths to their servers, and everything else on.

    Also speaks the lifespan protocol, so that lifespans begin and end with the process.
    """

    def __init__(self, mounts: Sequence[Mount], inner: Application) -> None:
        self._inner = inner
        self._servers = list(dict.fromkeys(mount.server for mount in mounts))
        self._fixed: dict[str, Application] = {}
        self._patterns: list[tuple[RoutePattern, Application]] = []
        for mounted in mounts:
            if "<" in mounted.route:
                pattern = RoutePattern(mounted.route, is_endpoint=True)
                self._patterns.append((pattern, mounted.application))
            else:
                self._fixed[f"/{mounted.route}"] = mounted.application
                self._fixed[f"/{mounted.route}/"] = mounted.application
        self.mounts = tuple(mounts)

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

    def _match(self, path: str, scope: Scope) -> tuple[Application | None, Scope]:
        rest = path.strip("/")
        for pattern, application in self._patterns:
            match = pattern.match(rest)
            if match is not None:
                return application, {**scope, "url_route": {"args": (), "kwargs": match[2]}}
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
