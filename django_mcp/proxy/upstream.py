"""The connections to the server behind a proxy: one for what is everybody's, others for callers.

A server without sessions is asked over one connection, where each request says on whose behalf it
is. One with sessions would mix its callers up, so each session of a caller gets a session of its
own there, and a call outside of any session one for itself. A caller's own credentials never go
there: the proxy is the client, with what it was given itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol

from ..client import Client
from ..client.errors import ClientError, ConnectionFailed
from ..protocol import types as t
from ..protocol.errors import ProtocolError
from ..server.asking import InputRequired

logger = logging.getLogger("django_mcp.proxy")

#: Sessions that are open there at a time; for one more, that which was idle longest is closed.
MOST_SESSIONS: Final = 200
#: Seconds after which a session that nobody used is closed.
IDLE: Final = 600.0


class Asked(Protocol):
    """A call under way, whose caller can be asked and told."""

    async def elicit(self, params: Any) -> t.ElicitResult: ...

    async def sample(self, params: t.CreateMessageRequestParams) -> t.CreateMessageResult: ...

    async def roots(self) -> list[t.Root]: ...

    async def log(self, line: t.LoggingMessageNotificationParams) -> None: ...

    def interrupt(self, required: InputRequired) -> None:
        """The call ends with a question to its caller."""


def answering(can: t.ClientCapabilities, asked: Callable[[], Asked]) -> dict[str, Any]:
    """The callbacks by which whoever `asked` gives answers what its caller `can`."""
    found: dict[str, Any] = {"on_log": lambda line: asked().log(line)}
    if can.elicitation is not None:
        modes = [mode for mode in ("form", "url") if getattr(can.elicitation, mode) is not None]
        found["elicit_modes"] = tuple(modes or ("form",))
        found["on_elicit"] = lambda params: asked().elicit(params)
    if can.sampling is not None:
        found["sample_tools"] = can.sampling.tools is not None
        found["on_sample"] = lambda params: asked().sample(params)
    if can.roots is not None:
        found["roots"] = lambda: asked().roots()
    return found


class Upstream:
    """The server behind a proxy; `options` are those of a `Client`."""

    def __init__(self, target: Any, options: Mapping[str, Any]) -> None:
        self._target = target
        self._options = dict(options)
        self._sessions: OrderedDict[str, _Session] = OrderedDict()
        self.shared: Client | None = None

    def new_client(self, **options: Any) -> Client:
        return Client(self._target, **{**self._options, **options})

    @property
    def client(self) -> Client:
        """The connection that is everybody's. Raises ConnectionFailed while there is none."""
        if self.shared is None:
            raise ConnectionFailed("There is no connection to the server yet.")
        return self.shared

    @asynccontextmanager
    async def session(
        self, key: str | None, can: t.ClientCapabilities, log_level: str | None
    ) -> AsyncIterator[_Session]:
        """A session for one caller: that of `key`, or one for this block alone."""
        if key is None:
            session = self._new_session(can, log_level)
            try:
                await session.open()
                yield session
            finally:
                await session.close()
            return
        found = self._sessions.get(key)
        if found is None:
            found = self._sessions[key] = self._new_session(can, log_level)
        self._sessions.move_to_end(key)
        found.users += 1
        try:
            await found.open()
            yield found
        finally:
            found.users -= 1
            found.rest(lambda: self._close_idle(key, found))
            self._make_room()

    def _new_session(self, can: t.ClientCapabilities, log_level: str | None) -> _Session:
        def connect(callbacks: Mapping[str, Any]) -> Client:
            return self.new_client(**callbacks, log_level=log_level, cache=False)

        return _Session(connect, can)

    def _close_idle(self, key: str, session: _Session) -> None:
        if session.users == 0 and self._sessions.get(key) is session:
            del self._sessions[key]
            session.close_later()

    def _make_room(self) -> None:
        for key, session in list(self._sessions.items()):
            if len(self._sessions) <= MOST_SESSIONS:
                return
            self._close_idle(key, session)

    async def close(self) -> None:
        sessions = list(self._sessions.values())
        self._sessions.clear()
        await asyncio.gather(*(session.close() for session in sessions))


class _Session:
    """A client of one caller's, and the calls of theirs that are under way."""

    def __init__(
        self, connect: Callable[[Mapping[str, Any]], Client], can: t.ClientCapabilities
    ) -> None:
        self.client = connect(answering(can, lambda: _Interruptible(self._last())))
        self.users = 0
        self.calls: list[Asked] = []
        self._opening = asyncio.Lock()
        self._is_open = False
        self._timer: asyncio.TimerHandle | None = None
        self._closing: asyncio.Task[None] | None = None

    def _last(self) -> Asked:
        # Which of several calls it is about, a question does not say; their caller is the same.
        if not self.calls:
            raise ProtocolError("No call is under way that this could be about.", code=-32600)
        return self.calls[-1]

    async def open(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        async with self._opening:
            if not self._is_open:
                await self.client.__aenter__()
                self._is_open = True

    def rest(self, close: Callable[[], None]) -> None:
        """Nobody uses it for the moment."""
        if self.users == 0:
            self._timer = asyncio.get_running_loop().call_later(IDLE, close)

    def close_later(self) -> None:
        self._closing = asyncio.get_running_loop().create_task(self.close())

    async def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._is_open:
            self._is_open = False
            try:
                await self.client.__aexit__()
            except ClientError as error:
                logger.debug("A session was not closed: %s", error)


class _Interruptible:
    """A call whose questions come from another task: what ends it is handed over, not raised."""

    def __init__(self, call: Asked) -> None:
        self._call = call

    async def elicit(self, params: Any) -> t.ElicitResult:
        return await self._answer(self._call.elicit(params))  # type: ignore[no-any-return]

    async def sample(self, params: t.CreateMessageRequestParams) -> t.CreateMessageResult:
        return await self._answer(self._call.sample(params))  # type: ignore[no-any-return]

    async def roots(self) -> list[t.Root]:
        return await self._answer(self._call.roots())  # type: ignore[no-any-return]

    async def log(self, line: t.LoggingMessageNotificationParams) -> None:
        await self._call.log(line)

    def interrupt(self, required: InputRequired) -> None:
        self._call.interrupt(required)

    async def _answer(self, answer: Any) -> Any:
        try:
            return await answer
        except InputRequired as required:
            self._call.interrupt(required)
            raise ProtocolError("The caller is being asked.", code=-32000) from None
