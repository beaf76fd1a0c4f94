"""A server on a port of this machine, for the tests that need a real connection.

Owns the daphne in this process and what it serves at the moment. Twisted's reactor runs once in a
process, so there is one such server, in a thread of its own, until the process ends; what a test
mounts there is gone with the test.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from functools import cache
from itertools import count
from typing import Any, Final, cast

from django.core.asgi import get_asgi_application as get_django_application

from ..authentication import principal_of
from ..default import MCPServer, default_server
from ..routing import Application, MCPRouter, Mount, mount
from ..server.access import LOCAL, Principal

#: Seconds that the server has to start.
PATIENCE: Final = 30.0


class LiveServer:
    """The project on a port: Django's pages, and the MCP servers that are mounted with `url`."""

    def __init__(self) -> None:
        self._mounts: list[Mount] = []
        self._routes = count(1)
        self._django: Application = cast(Application, get_django_application())
        self._daphne = _daphne()

    def __enter__(self) -> LiveServer:
        self._daphne.application = self._django
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._daphne.application = None
        servers = {id(mounted.server): mounted.server for mounted in self._mounts}
        for server in servers.values():
            if server is not None:
                self._daphne.run(server.shutdown)
                # Threads that keep connections would keep the test database from being dropped.
                close = getattr(server.workers, "close", None)
                if close is not None:
                    close()

    @property
    def base_url(self) -> str:
        """Where the project is, without a slash at the end."""
        return f"http://127.0.0.1:{self._daphne.port}"

    def url(
        self,
        server: MCPServer | None = None,
        *,
        user: Any = None,
        transport: str = "http",
        authenticate: str | Callable[..., Any] | None = None,
    ) -> str:
        """Mount `server` (by default the default server), and return where it is.

        `user` is who everybody is there, with fresh permissions at every request; `authenticate`
        decides instead, as DJANGO_MCP["AUTHENTICATION"] does. With neither, everybody is a local
        caller without a user. `transport` is "http", "sse" or "websocket".
        """
        route = f"mcp-{next(self._routes)}"
        self._mounts.append(
            mount(
                route,
                server or default_server(),
                transport=transport,  # type: ignore[arg-type]
                authenticate=authenticate or _as(user),
            )
        )
        self._daphne.application = MCPRouter(self._mounts, self._django)
        scheme = "ws" if transport == "websocket" else "http"
        return f"{scheme}://127.0.0.1:{self._daphne.port}/{route}"


def _as(user: Any) -> Callable[[Any], Principal]:
    if user is None:
        return lambda request: LOCAL

    def authenticate(request: Any) -> Principal:
        return principal_of(type(user)._default_manager.get(pk=user.pk))

    return authenticate


class _Daphne:
    """daphne in a thread, serving whatever `application` is."""

    def __init__(self) -> None:
        self.application: Application | None = None
        self.port = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._started = threading.Event()
        self._failure: BaseException | None = None
        threading.Thread(target=self._run, name="django_mcp_live", daemon=True).start()
        if not self._started.wait(PATIENCE):
            raise RuntimeError(f"daphne did not start within {PATIENCE:g} s.")
        if self._failure is not None:
            raise RuntimeError("daphne did not start.") from self._failure

    def run(self, function: Callable[[], Any]) -> None:
        """Run an async function on the loop of the server, and return when it is done."""
        if self._loop is None:
            return
        asyncio.run_coroutine_threadsafe(function(), self._loop).result(PATIENCE)

    def _run(self) -> None:
        try:
            from daphne.server import Server  # type: ignore[import-untyped]
            from twisted.internet import reactor

            server = Server(
                self._serve,
                endpoints=["tcp:port=0:interface=127.0.0.1"],
                signal_handlers=False,
                verbosity=0,
            )

            timer = cast(Any, reactor)

            def look() -> None:
                if not server.listening_addresses:
                    timer.callLater(0.01, look)
                    return
                self._loop = asyncio.get_running_loop()
                self.port = server.listening_addresses[0][1]
                self._started.set()

            timer.callLater(0, look)
            server.run()
        except BaseException as error:
            self._failure = error
            self._started.set()

    async def _serve(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if self.application is None:
            raise RuntimeError("The test whose server this was has ended.")
        await self.application(scope, receive, send)


@cache
def _daphne() -> _Daphne:
    return _Daphne()
