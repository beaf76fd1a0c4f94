"""MCPServer: what a server is, what it offers, and whom it tells of changes.

The server answers exchanges and knows no transport. The decorators are `registration`, where
components live is `registry`, how an exchange is answered `dispatch`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal
from weakref import WeakKeyDictionary

from ..protocol import codec, types
from ..protocol.envelope import SERVER_INFO
from ..protocol.methods import METHODS
from ..protocol.revisions import REVISIONS, Revision
from .access import AccessRule, Principal
from .back_channel import elicitation_mark
from .broker import Broker, Change, Elicited, InMemoryBroker
from .calls import CallObserver, Journal
from .completions import ArgumentCompletion, ServerCompletion
from .components import Prompt, Resource, ResourceTemplate, Tool
from .dispatch import Handler, Middleware, Reply, answer
from .errors import RegistrationError
from .events import EventLog, InMemoryEvents
from .exchange import Exchange
from .frames import Frames
from .gates import DoorKeeper, Gate
from .handlers import HANDLERS
from .handlers.resources import contents
from .hub import Hub
from .lifespan import Lifespan, LifespanRunner
from .listings import Listings
from .registration import Registration
from .registry import Collection, IconResolver, resolve, same_origin
from .request_state import LIFETIME, EphemeralSealer, Sealer
from .sessions import InMemorySessions, Session, SessionStore
from .subscriptions import Subscription
from .threads import ThreadWorkers, Workers
from .waiting import Waiting

Scope = Literal["public", "private"]

MAX_STAMPS: Final = 32
#: Seconds that the streams of a server that ends have for their last message.
LAST_WORDS: Final = 1.0

_CACHEABLE: Final = tuple(row.name for row in METHODS if row.cacheable)


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheHint:
    """How long a client may keep a result, in milliseconds, and who may share it.

    With `scope=None` a result is "public" where every caller gets the same, else "private". Where
    a permission makes a difference between callers, "public" is not heeded.
    """

    ttl_ms: int = 0
    scope: Scope | None = None

    def __post_init__(self) -> None:
        if self.ttl_ms < 0:
            raise RegistrationError(f"ttl_ms is 0 milliseconds or more, not {self.ttl_ms}.")


@dataclass(frozen=True, slots=True)
class _Hint:
    ttl_ms: int
    scope: Scope


class MCPServer(Registration):
    """A Model Context Protocol server: a name, and the tools, resources and prompts behind it.

    `name` identifies the server to its clients and binds what it seals, so replicas must share it.
    `version`, `title`, `description`, `instructions`, `website_url` and `icons` are shown by hosts;
    `instructions` are for the model. `page_size` is how many components a list shows at a time.
    `cache` maps the methods of lists, resources/read and server/discover to a `CacheHint`.
    `middleware` wraps every request; `lifespan` is set up once per process.
    `question_timeout` is how many seconds a call waits for its client's answer on a connection.
    `workers`, `broker`, `sessions`, `events`, `sealer`, `resolve_rule` and `resolve_icon` are how a
    framework plugs in its threads, its processes, its database, its keys, its permissions and its
    static files.
    """

    def __init__(
        self,
        name: str,
        *,
        title: str | None = None,
        version: str = "",
        description: str | None = None,
        instructions: str | None = None,
        website_url: str | None = None,
        icons: Sequence[types.Icon] = (),
        page_size: int = 500,
        cache: Mapping[str, CacheHint] | None = None,
        middleware: Sequence[Middleware] = (),
        lifespan: Lifespan | None = None,
        workers: Workers | None = None,
        broker: Broker | None = None,
        sessions: SessionStore | None = None,
        events: EventLog | None = None,
        question_timeout: float = LIFETIME,
        sealer: Sealer | None = None,
        resolve_rule: Callable[[str], AccessRule] | None = None,
        resolve_icon: IconResolver = same_origin,
    ) -> None:
        if not name:
            raise RegistrationError("A server needs a name: clients know it by that.")
        if page_size < 1:
            raise RegistrationError(f"page_size is at least 1, not {page_size}.")
        for method in cache or ():
            if method not in _CACHEABLE:
                raise RegistrationError(
                    f"Results of {method!r} are not kept: cache takes {', '.join(_CACHEABLE)}."
                )
        self.name = name
        self.title = title
        self.version = version
        self.description = description
        self.instructions = instructions
        self.website_url = website_url
        self.icons = list(icons)
        self.page_size = page_size
        self.middleware: tuple[Middleware, ...] = tuple(middleware)
        self.lifespan = None if lifespan is None else LifespanRunner(lifespan, self)
        self.workers: Workers = workers or ThreadWorkers()
        self.broker: Broker = broker or InMemoryBroker()
        if sessions is not None:
            self.sessions = sessions
        if events is not None:
            self.events = events
        self.question_timeout = question_timeout
        self.sealer: Sealer = sealer or EphemeralSealer()
        self.handlers: Mapping[str, Handler] = HANDLERS
        self.revisions: tuple[Revision, ...] = tuple(reversed(REVISIONS))
        self._hub: Hub | None = None
        self._hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()
        self.subscriptions: set[Subscription] = set()
        self.listening: set[asyncio.Task[Any]] = set()
        self.tools: Collection[Tool] = Collection("tools", self.notify_tools_changed)
        self.resources: Collection[Resource] = Collection(
            "resources", self.notify_resources_changed
        )
        self.resource_templates: Collection[ResourceTemplate] = Collection(
            "resourceTemplates", self.notify_resources_changed
        )
        self.resource_listings = Listings(self.notify_resources_changed)
        self.prompts: Collection[Prompt] = Collection("prompts", self.notify_prompts_changed)
        self.waiting = Waiting()
        self.completions: dict[tuple[str, str], ArgumentCompletion] = {}
        self.any_completion: ServerCompletion | None = None
        self.frames = Frames(self.stamp)
        self._cache = dict(cache or {})
        self.resolve_rule = resolve_rule
        self._stamps: dict[tuple[Revision, str | None], dict[str, Any]] = {}
        self._resolve_icon = resolve_icon
        for collection in (self.tools, self.resources, self.resource_templates, self.prompts):
            collection.resolve_icon = resolve_icon

    def __repr__(self) -> str:
        return f"<MCPServer {self.name!r}>"

    # A subclass may put others in their place, which are not there before the first session is.

    @cached_property
    def sessions(self) -> SessionStore:
        """Who keeps the sessions."""
        return InMemorySessions()

    @cached_property
    def events(self) -> EventLog:
        """Who keeps the events of streams."""
        return InMemoryEvents()

    # Answering

    async def answer(self, exchange: Exchange) -> Reply:
        """Answer one request; raises nothing but a cancellation."""
        return await answer(exchange)

    async def read_resource(self, uri: str, exchange: Exchange) -> list[Any]:
        """The contents under `uri` for the caller of `exchange`; raises NotFound."""
        return list((await contents(exchange, uri)).contents)

    @property
    def hub(self) -> Hub:
        """What runs and waits on the running event loop on behalf of sessions."""
        loop, hub = asyncio.get_running_loop(), self._hub
        if hub is None or hub.loop is not loop:
            # Most processes have one loop; under WSGI each request has its own.
            hub = self._hub = self._hubs.get(loop)
        if hub is None:
            hub = self._hub = self._hubs[loop] = Hub(self.broker, lambda: self.sessions)
        return hub

    async def startup(self) -> None:
        """Enter the lifespan now and not with the first request."""
        if self.lifespan is not None:
            await self.lifespan.state()

    async def shutdown(self) -> None:
        """End open subscriptions with a last message and calls of sessions with an error, and leave
        the lifespan."""
        for subscription in list(self.subscriptions):
            subscription.end()
        if self.listening:
            # A web server ends its loop as soon as this returns, and what is not written by then
            # never will be.
            await asyncio.wait(self.listening, timeout=LAST_WORDS)
        hub = self._hubs.get(asyncio.get_running_loop())
        if hub is not None:
            await hub.close(LAST_WORDS)
        if self.lifespan is not None:
            await self.lifespan.close()
        await self.broker.settle()

    # Telling that something changed; callable from any thread

    def notify_tools_changed(self) -> None:
        """Tell every client that listens that the list of tools changed."""
        self.broker.publish(Change("tools"))

    def notify_prompts_changed(self) -> None:
        """Tell every client that listens that the list of prompts changed."""
        self.broker.publish(Change("prompts"))

    def notify_resources_changed(self) -> None:
        """Tell every client that listens that the list of resources changed."""
        self.broker.publish(Change("resources"))

    def notify_resource_updated(self, uri: str) -> None:
        """Tell every client that follows `uri` that it has new content."""
        self.broker.publish(Change("resource", uri))

    def notify_resources_under(self, prefix: str) -> None:
        """Tell every client that follows a URI that begins with `prefix` that it has new content:
        where so many have that naming them all would be too much."""
        self.broker.publish(Change("under", prefix))

    def notify_elicitation_complete(self, url: str) -> None:
        """Tell the clients whose user was sent to `url` that what was to be done there is done."""
        self.broker.publish(Elicited(elicitation_mark(url)))

    # What happens to sessions; for a subclass to tell others, and awaited before anything goes on

    async def session_opened(self, session: Session) -> None:
        """A client has initialized."""

    async def session_closed(self, session: Session) -> None:
        """A session was ended by its client, or by this server."""

    async def roots_changed(self, session: Session) -> None:
        """A client says that its roots changed."""

    # What handlers ask of the server

    async def renewed(self, principal: Principal) -> Principal:
        """`principal` as it is now: what a subclass remembers of its rights may be out of date.

        Asked where a request goes on for so long that they may have changed.
        """
        return principal

    @property
    def completes(self) -> bool:
        """True where somebody suggests values."""
        return bool(self.completions) or self.any_completion is not None

    def call_observers(self) -> Sequence[CallObserver]:
        """Who wants to know of finished calls, beside the log."""
        return ()

    @cached_property
    def gate(self) -> Gate | None:
        """What each request has to pass, None for nothing."""
        return None

    @cached_property
    def door(self) -> DoorKeeper | None:
        """What everybody has to pass before they are let in, None for nothing."""
        return None

    @cached_property
    def journal(self) -> Journal | None:
        """Who keeps the records of finished calls, None for nobody."""
        return None

    def cache_hint(self, method: str, *, guarded: bool, default: Scope = "public") -> _Hint:
        """How long results of `method` keep, and who may share them.

        Nothing `guarded`, where callers may get different results, is ever public; who shares a
        public result needs no right of their own (2026-07-28, server/utilities/caching). Without
        a scope of the project's it is `default`, and private where middleware may tell callers
        apart.
        """
        hint = self._cache.get(method) or CacheHint()
        scope = hint.scope or ("private" if self.middleware else default)
        return _Hint(hint.ttl_ms, "private" if guarded else scope)

    def stamp(self, wire: dict[str, Any], revision: Revision, origin: str | None) -> dict[str, Any]:
        """Add to a result what every result of `revision` says of this server, and return it."""
        stamps = self._stamps_of(revision, origin)
        if stamps:
            meta = wire.get("_meta")
            wire["_meta"] = {**stamps, **meta} if meta else stamps
        return wire

    def _stamps_of(self, revision: Revision, origin: str | None) -> dict[str, Any]:
        found = self._stamps.get((revision, origin))
        if found is None:
            found = {}
            if revision.enveloped:
                info = self.implementation(origin)
                found = {SERVER_INFO: codec.encode(info, revision)}
            if len(self._stamps) >= MAX_STAMPS:
                self._stamps.clear()
            self._stamps[revision, origin] = found
        return found

    def implementation(self, origin: str | None) -> types.Implementation:
        """Who this server says it is."""
        return types.Implementation(
            name=self.name,
            title=self.title,
            version=self.version,
            description=self.description,
            website_url=self.website_url,
            icons=resolve(self.icons, self._resolve_icon, origin),
        )
