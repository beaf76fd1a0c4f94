"""The endpoints as Channels consumers, next to a Django project.

    from django_mcp.routing import get_asgi_application
    application = get_asgi_application()

serves the project, and the default server at DJANGO_MCP["PATH"]. More servers and other transports
are `mount()`s; a project with a ProtocolTypeRouter of its own puts `mcp_consumer()` in its
URLRouter.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.core.asgi import get_asgi_application as get_django_application
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.asgi import ASGIHandler
from django.urls.resolvers import RoutePattern

from . import conf
from .default import default_server
from .endpoints import Served, Transport, build_entrance, serve
from .server.server import MCPServer
from .transports.http.consumers import AsgiSocket, MCPConsumer, MCPWebSocketConsumer, Receive, Send
from .transports.http.entrance import Entrance
from .transports.http.types import Disconnected
from .transports.websocket import WebSocketEndpoint

logger = logging.getLogger("django_mcp")

Scope = dict[str, Any]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


def mcp_consumer(
    server: MCPServer | None = None,
    *,
    transport: Transport = "http",
    authenticate: str | Callable[..., Any] | None = None,
) -> Application:
    """A consumer that serves `server`, by default the default server, for a URLRouter.

    `transport` is "http", "sse" or "websocket"; the last belongs into a router for websockets. Call
    it once Django is set up: after `django.core.asgi.get_asgi_application()`.
    """
    entrance = build_entrance(transport, server or default_server(), authenticate)
    application: Application = _consumer_of(entrance).as_asgi(endpoint=entrance)
    return application


def _consumer_of(entrance: Entrance) -> type[Any]:
    return MCPWebSocketConsumer if isinstance(entrance, WebSocketEndpoint) else MCPConsumer


@dataclass(frozen=True, slots=True)
class Mount:
    """A server at a path; see `mount`."""

    route: str
    server: MCPServer | None
    authenticate: str | Callable[..., Any] | None
    transport: Transport = "http"


def mount(
    route: str,
    server: MCPServer | None = None,
    *,
    transport: Transport = "http",
    authenticate: str | Callable[..., Any] | None = None,
) -> Mount:
    """Serve `server` at `route`, written as in `path()`: "mcp", "orgs/<slug:org>/mcp".

    What stands in angle brackets reaches the functions as `Context.url_kwargs`. A trailing slash
    may be there or not. `transport` is "http" for streamable HTTP, "sse" for HTTP+SSE of
    2024-11-05, "websocket" for WebSocket. `authenticate` stands in for DJANGO_MCP["AUTHENTICATION"]
    at this mount.
    """
    return Mount(route.strip("/"), server, authenticate, transport)


def get_asgi_application(*mounts: Mount, django: Application | None = None) -> Application:
    """Django and the MCP endpoints as one ASGI application.

    Without mounts, the default server is served at DJANGO_MCP["PATH"]. `django` is the application
    that gets every other request, by default Django's own; a ProtocolTypeRouter where the project
    has websockets of its own.
    """
    inner: Any = django or get_django_application()
    # What is loaded by now stays for good. Without this, a full collection walks all of it in the
    # middle of somebody's call, which is what makes the slowest calls slow.
    gc.freeze()
    return MCPRouter(mounts or (mount(conf.get().path),), inner)


class Routes:
    """The consumers for one type of ASGI scope, by their paths."""

    def __init__(self) -> None:
        self._routes: set[str] = set()
        self._fixed: dict[str, Application] = {}
        self._patterns: list[tuple[RoutePattern, Application]] = []

    def add(self, route: str, consumer: Application) -> None:
        """Serve a route; raises ImproperlyConfigured where that is served already."""
        if route in self._routes:
            raise ImproperlyConfigured(
                f"Two MCP servers are mounted at {route!r}; give one another route."
            )
        self._routes.add(route)
        if "<" in route:
            self._patterns.append((RoutePattern(route, is_endpoint=True), consumer))
        else:
            self._fixed[f"/{route}"] = consumer
            self._fixed[f"/{route}/"] = consumer

    def find(self, scope: Scope) -> tuple[Application | None, Scope]:
        """What serves the path of `scope`, None for nothing; and the scope with what its route
        says."""
        path, prefix = scope["path"], scope.get("root_path", "")
        if prefix and path.startswith(f"{prefix}/"):
            path = path[len(prefix) :]  # Routes are below it (SCRIPT_NAME).
        fixed = self._fixed.get(path)
        if fixed is not None or not self._patterns:
            return fixed, scope
        rest = path.strip("/")
        for pattern, consumer in self._patterns:
            match = pattern.match(rest)
            if match is not None:
                return consumer, {**scope, "url_route": {"args": (), "kwargs": match[2]}}
        return None, scope


class MCPRouter:
    """Sends requests for the mounted paths to their servers, and everything else on.

    Also speaks the lifespan protocol, so that lifespans begin and end with the process.
    """

    def __init__(self, mounts: Sequence[Mount], inner: Application) -> None:
        #: What gets every other request.
        self.inner = inner
        self._inner_takes_sockets = not _is_django_alone(inner)
        self._servers: list[MCPServer] = []
        #: Each route with the server and the transport that answer there; for who wants to know.
        self.mounted: list[tuple[str, MCPServer, Transport]] = []
        self._served: list[Served] = []
        self._http = Routes()
        self._websocket = Routes()
        for mounted in mounts:
            server = mounted.server or default_server()
            if server not in self._servers:
                self._servers.append(server)
            routes = self._websocket if mounted.transport == "websocket" else self._http
            entrance = build_entrance(mounted.transport, server, mounted.authenticate)
            routes.add(mounted.route, _consumer_of(entrance)(entrance))
            self.mounted.append((mounted.route, server, mounted.transport))
            self._served.append(serve(mounted.route, entrance))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            consumer, scope = self._http.find(scope)
            if consumer is not None:
                await consumer(scope, receive, send)
                return
        elif scope["type"] == "websocket":
            consumer, scope = self._websocket.find(scope)
            if consumer is not None:
                await consumer(scope, receive, send)
                return
            if not self._inner_takes_sockets:
                await _refuse_socket(AsgiSocket(scope, receive, send))
                return
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        await self.inner(scope, receive, send)

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


def _is_django_alone(application: Any) -> bool:
    """True for Django's own handler, with static files around it or not: it speaks HTTP alone."""
    return isinstance(getattr(application, "application", application), ASGIHandler)


async def _refuse_socket(socket: AsgiSocket) -> None:
    """Nothing is here that speaks WebSocket. Django would raise an error instead."""
    with suppress(Disconnected):
        await socket.asked_for()
        await socket.refuse(404, [(b"content-type", b"text/plain")], b"Not Found")
