"""Servers on Django's ground: the class with everything plugged in, and the default server.

`MCPServer` here is the server's with Django's threads, channel layer, keys, permissions and static
files.
`default_server()` is built once from DJANGO_MCP, and the decorators of `django_mcp` are bound to
it, as `admin.site` is to `@admin.register`.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar

from django.dispatch import Signal

from . import conf
from .backends import throttles
from .backends.channel_layer import ChannelLayerBroker
from .backends.icons import resolve_icon
from .backends.journal import CallJournal, journal
from .backends.signing import DjangoSealer
from .backends.stores import Stores, stores
from .backends.switches import is_used, switches
from .backends.threads import DjangoWorkers
from .exposure.announcing import announcer_of
from .exposure.registration import DjangoRegistration
from .permissions import has_permission, with_fresh_user
from .protocol import types
from .server.access import Principal
from .server.calls import CallObserver
from .server.events import EventLog
from .server.exchange import Exchange
from .server.gates import DoorKeeper, Gate
from .server.server import CacheHint
from .server.server import MCPServer as PlainServer
from .server.sessions import Session, SessionStore
from .signals import (
    call_finished,
    roots_changed,
    send_call_finished,
    session_closed,
    session_opened,
)

if TYPE_CHECKING:
    from .client.connecting import Transport

F = TypeVar("F", bound=Callable[..., Any])

_servers: weakref.WeakSet[MCPServer] = weakref.WeakSet()


def servers() -> list[MCPServer]:
    """Every server of this process, by name: what checks and commands look through."""
    return sorted(_servers, key=lambda server: server.name)


def every_server() -> list[MCPServer]:
    """The servers of this project by name, the default server among them."""
    return sorted({*_servers, default_server()}, key=lambda server: server.name)


def server_named(name: str | None) -> MCPServer:
    """The server of that name, by default the default one; raises LookupError for none."""
    if name is None:
        return default_server()
    known = {server.name: server for server in every_server()}
    if name not in known:
        raise LookupError(
            f"There is no MCP server {name!r}; there is {', '.join(map(repr, sorted(known)))}."
        )
    return known[name]


class MCPServer(DjangoRegistration, PlainServer):
    """A Model Context Protocol server of a Django project.

    Takes what the server of `django_mcp.server` takes, and runs its functions in threads with
    Django's database connections, tells its other processes through the channel layer, keeps
    sessions where DJANGO_MCP["SESSIONS"] says, seals with SECRET_KEY, understands permission names
    ("library.change_book") and icons from static files ("static:library/book.svg").

    Replicas of one project must give a server the same name.
    """

    def __init__(self, name: str, **options: Any) -> None:
        settings = conf.get()
        options.setdefault("page_size", settings.page_size)
        options.setdefault("workers", DjangoWorkers(settings.max_threads))
        options.setdefault("broker", ChannelLayerBroker(name, settings.channel_layer))
        options.setdefault("sealer", DjangoSealer(settings.request_state_lifetime))
        options.setdefault("question_timeout", settings.request_state_lifetime)
        options.setdefault("resolve_rule", has_permission)
        options.setdefault("resolve_icon", resolve_icon)
        super().__init__(name, **options)
        _servers.add(self)

    # Found when they are first needed: servers are made while apps are still being loaded.

    @cached_property
    def _stores(self) -> Stores:
        return stores()

    @cached_property
    def sessions(self) -> SessionStore:
        return self._stores[0]

    @cached_property
    def events(self) -> EventLog:
        return self._stores[1]

    def client_transport(self) -> Transport:
        """The way of a `Client` in this process to this server."""
        from .memory import MemoryTransport

        return MemoryTransport(self)

    async def shutdown(self) -> None:
        announcer_of(self).flush()
        await super().shutdown()
        if self.journal is not None:
            await self.workers.run_sync(self.journal.flush)

    def call_observers(self) -> Sequence[CallObserver]:
        """The receivers of `call_finished`, where there are any."""
        return (send_call_finished,) if call_finished.receivers else ()

    # What the settings say of each call. They do not change but in tests: see `forget`.

    @cached_property
    def gate(self) -> Gate | None:
        """Whether the server is closed, then the throttles; None where there is neither."""
        settings = conf.get()
        return self._pass if settings.throttles or is_used(settings) else None

    async def _pass(self, exchange: Exchange) -> None:
        if is_used(conf.get()):
            await switches().check(self.name)
        if conf.get().throttles:
            await throttles.check(exchange)

    @cached_property
    def door(self) -> DoorKeeper | None:
        """Whether the server is closed; None where it cannot be."""
        return partial(switches().check, self.name) if is_used(conf.get()) else None

    @cached_property
    def journal(self) -> CallJournal | None:
        """The table of calls, where DJANGO_MCP["AUDIT"] has one kept."""
        return journal() if conf.get().audit else None

    async def renewed(self, principal: Principal) -> Principal:
        return await self.workers.run_sync(with_fresh_user, principal)

    async def session_opened(self, session: Session) -> None:
        await self._send(session_opened, session)

    async def session_closed(self, session: Session) -> None:
        await self._send(session_closed, session)

    async def roots_changed(self, session: Session) -> None:
        await self._send(roots_changed, session)

    async def _send(self, signal: Signal, session: Session) -> None:
        """Hand `session` to the receivers; Django logs what they raise."""
        if signal.receivers:
            send = partial(signal.asend_robust, sender=self.name, session=session)
            await self.workers.run_async(send)


def forget(*, setting: str, **kwargs: Any) -> None:
    """Receiver of `setting_changed`, after that of `conf`: find out anew what follows from it."""
    if setting == "DJANGO_MCP":
        for server in _servers:
            for fact in ("gate", "door", "journal"):
                vars(server).pop(fact, None)


@cache
def default_server() -> MCPServer:
    """The server DJANGO_MCP describes."""
    settings = conf.get()
    return MCPServer(
        settings.name,
        title=settings.title,
        version=settings.version,
        description=settings.description,
        instructions=settings.instructions,
        website_url=settings.website_url,
        icons=[_icon(icon) for icon in settings.icons],
        cache={method: CacheHint(**hint) for method, hint in settings.cache.items()},
        middleware=[conf.load(middleware) for middleware in settings.middleware],
        lifespan=None if settings.lifespan is None else conf.load(settings.lifespan),
    )


def _icon(icon: str | Mapping[str, Any]) -> types.Icon:
    return types.Icon(src=icon) if isinstance(icon, str) else types.Icon(**icon)
