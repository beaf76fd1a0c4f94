"""The messages of one session, whatever carried them: requests, answers and notifications.

Owns what every stateful transport does alike: opening a session with `initialize`, finding it
again, serving its requests with the hub told of each, and taking what needs no answer. How bytes
arrive and leave is the transport's. Source: 2025-11-25, basic/lifecycle.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final

from ..protocol import codec, jsonrpc, revisions
from ..protocol.errors import InvalidParams, InvalidRequest, ProtocolError
from ..protocol.handshake import INITIALIZE, Handshake, Stage
from ..protocol.jsonrpc import ErrorResponse, Notification, Request, Response
from ..protocol.round_trips import digest
from ..protocol.types import InitializeRequestParams
from .asking import Asking, Unreachable
from .back_channel import BackChannel
from .broker import Answered
from .dispatch import Reply
from .dispatch import answer as dispatch
from .exchange import Caller, Exchange, Link, Mouth, Nowhere, Outlet
from .hub import Hub
from .peer import from_session, unremembered
from .server import MCPServer
from .sessions import Change, Session, SessionStore, is_storable, key_of, new_id, owner_of

#: Bytes of JSON that are remembered of what a client says of itself.
MAX_REMEMBERED: Final = 16 * 1024

_NOWHERE: Final = Nowhere()


class SessionNotFound(ProtocolError):
    """There is no such session, or it is another's, or it has ended: all alike."""

    code = -32001
    status = 404


async def find(server: MCPServer, id: str, caller: Caller, transport: str = "") -> Session:
    """The session with this id, if it is the caller's; raises SessionNotFound.

    `transport` names the one it must have been opened over, "" for streamable HTTP.
    """
    key = key_of(id)
    session = None if key is None else await server.sessions.find(key)
    if session is None or not _is_of(session, server, caller, transport):
        raise SessionNotFound("There is no such session: start one with initialize.")
    return session


def _is_of(session: Session, server: MCPServer, caller: Caller, transport: str) -> bool:
    return (
        session.server == server.name
        and session.owner == owner_of(caller.principal.id)
        and session.place == place_of(caller.url_kwargs, transport)
    )


def place_of(url_kwargs: Mapping[str, Any], transport: str = "") -> str:
    """What a session remembers of where it was opened: the URL, and the transport."""
    said = {name: str(value) for name, value in url_kwargs.items()}
    if transport:
        return digest([transport, said])
    return digest(said) if said else ""


def new_session(server: MCPServer, caller: Caller, id: str, transport: str = "") -> Session:
    """A session in which nothing was said yet. What initialize will settle, it has made up."""
    return Session(
        key=key_of(id) or "",
        server=server.name,
        owner=owner_of(caller.principal.id),
        place=place_of(caller.url_kwargs, transport),
        revision=revisions.LATEST_STATEFUL,
        client_info={},
        capabilities={},
        stage=Stage.NEW,
        user=caller.principal.user,
    )


async def initialize(
    server: MCPServer, request: Request, caller: Caller
) -> tuple[Reply, str | None]:
    """Answer `initialize`, and return the id of the session it opened; None for none.

    Raises TooManySessions where the server keeps no more, StoreUnavailable where it cannot.
    """
    id = new_id()
    session = new_session(server, caller, id)
    link = Link(session, server.sessions, server.hub)
    reply, settled = await introduce(server, request, caller, link)
    if settled is None or not server.sessions.keeps:
        return reply, None
    session = settled.made_to(session)
    await server.sessions.open(session)
    await server.session_opened(session)
    return reply, id


async def introduce(
    server: MCPServer, request: Request, caller: Caller, link: Link
) -> tuple[Reply, Change | None]:
    """Answer `initialize`, and return what becomes of the session; None where it was refused."""
    handshake = link.session.handshake
    try:
        handshake.request("client", INITIALIZE)
        asked = codec.decode(InitializeRequestParams, request.params, revisions.LATEST_STATEFUL)
        _check_self_description(request, link)
    except (InvalidRequest, InvalidParams) as error:
        return _refused(request, error), None
    revision = handshake.answered(asked.protocol_version)
    settled = Change(
        stage=handshake.stage,
        revision=revision,
        client_info=request.params["clientInfo"],
        capabilities=request.params["capabilities"],
    )
    link = link._replace(session=settled.made_to(link.session))
    peer = from_session(link.session)
    exchange = Exchange(server, request, peer, caller, _NOWHERE, link, Unreachable)
    reply = await dispatch(exchange)
    return reply, settled if reply.outcome == "ok" else None


def _check_self_description(request: Request, link: Link) -> None:
    """Raise InvalidParams where a client says of itself what cannot be remembered."""
    if not link.store.keeps:
        return
    said = [request.params["capabilities"], request.params["clientInfo"]]
    size = len(jsonrpc.dumps(said))
    if size > MAX_REMEMBERED:
        raise InvalidParams(
            f"params.capabilities and params.clientInfo take {size:,} bytes, and no more than "
            f"{MAX_REMEMBERED:,} are remembered: leave out icons and the like."
        )
    if not is_storable(said):
        raise InvalidParams(
            "params.capabilities or params.clientInfo has a NUL, or half of a surrogate pair."
        )


class Conversation:
    """What one caller says in one session.

    `store` keeps the session and `hub` has what runs for it: those of the server, unless a
    connection has its own.
    """

    def __init__(
        self,
        server: MCPServer,
        session: Session,
        caller: Caller,
        store: SessionStore | None = None,
        hub: Hub | None = None,
    ) -> None:
        self.server = server
        self.session = session
        self.caller = caller
        self.store = server.sessions if store is None else store
        self.hub = server.hub if hub is None else hub

    async def answer_alone(self, request: Request) -> Reply:
        """The answer to a request over a connection that can carry nothing else."""
        try:
            self.session.handshake.request("client", request.method)
        except InvalidRequest as error:
            return _refused(request, error)
        return await dispatch(self._exchange(request, _NOWHERE, Unreachable))

    async def answer(self, request: Request, mouth: Mouth) -> Reply | None:
        """The answer to a request, None where the client has cancelled it meanwhile.

        To be awaited in a task of its own, which is what a cancellation cancels.
        """
        server, session, hub = self.server, self.session, self.hub
        task: Any = asyncio.current_task()
        try:
            session.handshake.request("client", request.method)
            hub.begin(session, request.id, task)
        except ProtocolError as error:
            return _refused(request, error)
        asking = partial(
            BackChannel,
            hub,
            self.store,
            session,
            mouth,
            server.question_timeout,
            server.workers,
        )
        try:
            return await dispatch(self._exchange(request, mouth, asking))
        except asyncio.CancelledError:
            task.uncancel()
            return None
        finally:
            hub.finish(session, request.id)

    def _exchange(self, request: Request, outlet: Outlet, asking: Callable[[], Asking]) -> Exchange:
        server, session = self.server, self.session
        link = Link(session, self.store, self.hub)
        peer = from_session(session)
        return Exchange(server, request, peer, self.caller, outlet, link, asking)

    async def take(self, message: Notification | Response | ErrorResponse) -> bool:
        """Take a message that is not answered; False for an answer nobody can be waiting for.

        Raises BrokerUnavailable where it is for another process that cannot be told, and
        TooMuchAtOnce where that process has been sent too much already.
        """
        if isinstance(message, Notification):
            await self._take_notification(message)
            return True
        if message.id is None:
            return False
        if isinstance(message, Response):
            answer = Answered(self.session.key, message.id, result=message.result)
        else:
            answer = Answered(self.session.key, message.id, error=message.error)
        return await self.hub.answer(self.session, answer)

    async def _take_notification(self, message: Notification) -> None:
        server, session = self.server, self.session
        handshake = session.handshake
        if handshake.notification("client", message.method):
            await self.store.change(session.key, Change(stage=handshake.stage))
            self.session = replace(session, stage=handshake.stage)
        elif message.method == "notifications/cancelled":
            id = message.params.get("requestId")
            if jsonrpc.is_id(id):
                await self.hub.cancel(session, id)
        elif message.method == "notifications/roots/list_changed":
            await server.roots_changed(session)

    async def end(self) -> None:
        """End the session: its calls are cancelled, its streams closed and its events removed."""
        server, key = self.server, self.session.key
        if await self.store.end(key):
            self.hub.ended(key)
            await server.events.forget(key)
            await server.session_closed(self.session)


async def end_session(server: MCPServer, key: str) -> bool:
    """End the session that is kept under `key`, whoever's it is; False where there is none.

    Its calls are cancelled and its streams closed in every process that hears of it, and the others
    find it gone with its next request.
    """
    session = await server.sessions.find(key)
    if session is None or session.server != server.name:
        return False
    await Conversation(server, session, Caller()).end()
    return True


async def answer_unremembered(
    server: MCPServer, request: Request, caller: Caller, version: str | None
) -> Reply:
    """Answer a request of a client whose session nobody keeps.

    Raises UnsupportedProtocolVersion for a version without sessions.
    """
    peer = unremembered(version)
    try:
        Handshake(Stage.READY, peer.revision).request("client", request.method)
    except InvalidRequest as error:
        return _refused(request, error)
    exchange = Exchange(server, request, peer, caller, _NOWHERE, asking=Unreachable)
    return await dispatch(exchange)


def _refused(request: Request, error: ProtocolError) -> Reply:
    return Reply(error.status, jsonrpc.error_bytes(request.id, error), "refused")
