"""One inbound request and everything written because of it.

An exchange is what a transport hands to the server and what a handler works with: the request, the
facts about the peer, who calls, and where notifications go. It knows nothing of sockets; a
transport that loses its client cancels the task that answers the exchange.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from ..protocol.jsonrpc import Request, RequestId, is_id
from ..protocol.values import value
from .access import ANONYMOUS, AccessRule, Principal, allowed
from .asking import Asking, NotAskable, RoundTrip
from .context import Context
from .hub import Hub
from .peer import Peer
from .scopes import Guarded, InsufficientScope
from .sessions import Change, Session, SessionStore

if TYPE_CHECKING:
    from .server import MCPServer

#: version-trace-parent-flags; a trace of zeros alone is none (W3C Trace Context, section 3.2).
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


@value
class Caller:
    """Who sent a request, and what came with it besides the message.

    `headers` is None where the transport has none; names are lower case. `origin` is the scheme and
    authority the server was reached at ("https://example.com"), None where there is no such thing.
    `streams` is False where only the one answer can be written, and nothing before it. `challenge`
    makes the headers that tell which scopes to ask for; None where nobody could be told.
    """

    principal: Principal = ANONYMOUS
    headers: Mapping[str, str] | None = None
    url_kwargs: Mapping[str, Any] = field(default_factory=dict)
    origin: str | None = None
    request: Any = field(default=None, repr=False)
    streams: bool = True
    challenge: Callable[[Sequence[str]], list[tuple[bytes, bytes]]] | None = None


class Outlet(Protocol):
    """Where the notifications of an exchange go."""

    @property
    def connected(self) -> bool:
        """False once the client has gone away."""

    async def send(self, method: str, params: dict[str, Any]) -> None:
        """Write one notification; returns when the transport has taken it."""

    async def close(self, retry: float) -> None:
        """Close the connection, where the client can come back for the rest after `retry`
        seconds."""


class Mouth(Outlet, Protocol):
    """An outlet that carries requests to the client as well."""

    async def request(self, id: RequestId, method: str, params: dict[str, Any]) -> bool:
        """Write a request, whose answer comes by another way; False where nobody will read it."""


class Nowhere:
    """The outlet of a transport that can write only the answer."""

    connected = False

    async def send(self, method: str, params: dict[str, Any]) -> None:
        return None

    async def close(self, retry: float) -> None:
        return None


class Link(NamedTuple):
    """The session a request belongs to, who keeps it, and what else runs for it here."""

    session: Session
    store: SessionStore
    hub: Hub

    async def change(self, change: Change) -> None:
        """Change the session, for every process."""
        await self.store.change(self.session.key, change)
        self.hub.changed(self.session.key)


class Exchange:
    """A request being answered; `target` is the name or URI it is about, once that is known.

    `link` is None where the request belongs to no session. `asking` gives the way to
    ask the client while the request waits; None where questions travel in its result.
    """

    __slots__ = (
        "_asking",
        "_connect_asking",
        "_correlation",
        "_question",
        "caller",
        "given",
        "lifespan_state",
        "link",
        "outlet",
        "peer",
        "request",
        "server",
        "target",
    )

    def __init__(
        self,
        server: MCPServer,
        request: Request,
        peer: Peer,
        caller: Caller,
        outlet: Outlet,
        link: Link | None = None,
        asking: Callable[[], Asking] | None = None,
    ) -> None:
        self.server = server
        self.request = request
        self.peer = peer
        self.caller = caller
        self.outlet = outlet
        self.link = link
        self.target = ""
        self.lifespan_state: Any = None
        #: The context, once anybody received it.
        self.given: Context | None = None
        self._connect_asking = asking
        self._asking: Asking | None = None
        self._question: tuple[Mapping[str, Any] | None, object, str | None] | None = None
        self._correlation = ""

    @property
    def correlation(self) -> str:
        """What joins everything that is noted of this call: 32 hexadecimal digits.

        The trace the client says its call is part of, in `_meta.traceparent` (W3C Trace Context;
        2026-07-28, basic/index#meta), or else an id of its own. What a call is asked in rounds has
        the id of the first.
        """
        if not self._correlation:
            self._correlation = _trace(self.request.params) or secrets.token_hex(16)
        return self._correlation

    def continues(self, correlation: str) -> None:
        """This is another round of the call that is noted under `correlation`."""
        self._correlation = correlation

    @property
    def context(self) -> Context:
        """What user code receives; the same object for the whole exchange."""
        if self.given is None:
            self.given = Context(self)
        return self.given

    async def allows(self, rule: AccessRule | None) -> bool:
        """True where the caller may use what `rule` guards."""
        if rule is None:
            return True
        return (await allowed([rule], self.caller.principal, self.server.workers))[0]

    def require_scopes(self, component: Guarded) -> None:
        """Raise InsufficientScope where the caller's credential is not good for `component`.

        To be asked after the component's rule: whoever may not use it at all learns nothing of it.
        """
        principal = self.caller.principal
        if principal.limits is not None:
            needed = principal.limits.needed_for(component)
            if not principal.limits.held(principal.scopes).issuperset(needed):
                raise InsufficientScope(needed)

    async def renew(self) -> None:
        """Learn what has become of the caller's rights, where what is followed depends on them."""
        server = self.server
        templates = server.resource_templates
        guarded = server.resources.guarded or templates.guarded
        if guarded or any(template.visible is not None for template in templates):
            principal = await server.renewed(self.caller.principal)
            self.caller = replace(self.caller, principal=principal)

    @property
    def asking(self) -> Asking:
        """How this exchange asks the client."""
        if self._asking is None:
            if self._question is None:
                self._asking = NotAskable(self.request.method)
            elif self._connect_asking is not None:
                self._asking = self._connect_asking()
            else:
                self._asking = RoundTrip(self, *self._question)
        return self._asking

    def may_ask(
        self,
        target: str,
        arguments: Mapping[str, Any] | None,
        responses: object,
        state: str | None,
    ) -> None:
        """Say what the exchange is about, so that questions can be bound to it.

        Raises InvalidParams at once where `state` was changed, has expired or belongs elsewhere,
        even if nothing would be asked.
        """
        self.target = target
        self._question = (arguments, responses, state)
        if state is not None and self._connect_asking is None:
            self._asking = RoundTrip(self, arguments, responses, state)

    @property
    def progress_token(self) -> str | int | None:
        """The token the client wants progress under, None where it wants none.

        One that is too long to be sent back with every step is as good as none.
        """
        meta = self.request.params.get("_meta")
        token = meta.get("progressToken") if isinstance(meta, dict) else None
        return token if is_id(token) else None


def _trace(params: Mapping[str, Any]) -> str | None:
    meta = params.get("_meta")
    said = meta.get("traceparent") if isinstance(meta, dict) else None
    found = _TRACEPARENT.fullmatch(said) if isinstance(said, str) else None
    return None if found is None else found[1]
