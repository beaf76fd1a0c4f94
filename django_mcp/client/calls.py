"""How a call becomes a request, and its result a value, whatever the conversation is by then.

Owns encoding and decoding, the pages of a list, and which request is sent again after its session
was lost. The methods an application calls are `client`'s.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from types import EllipsisType
from typing import Any, Final, TypeVar

from ..protocol import codec, methods
from ..protocol import types as t
from ..protocol.errors import InvalidParams
from ..protocol.headers import mirror, param_headers
from ..protocol.revisions import Revision
from ..protocol.types import WireModel
from .callbacks import Callbacks, OnProgress, result_of
from .connecting import Connection, Speech
from .errors import ClientError, InvalidAnswer, NotSupported, SessionLost
from .line import Progress, Timing

logger = logging.getLogger("django_mcp.client")

M = TypeVar("M", bound=WireModel)

#: Pages of one list: a server may call itself without end.
MOST_PAGES: Final = 1_000

#: What can be asked twice without being done twice.
_REPEATABLE: Final = frozenset(
    {
        "completion/complete",
        "prompts/get",
        "prompts/list",
        "resources/list",
        "resources/read",
        "resources/templates/list",
        "tools/list",
    }
)


class Calls:
    """The calls of one client, on whichever conversation there is."""

    def __init__(self, connection: Connection, callbacks: Callbacks, timing: Timing) -> None:
        self._connection = connection
        self._callbacks = callbacks
        self._timing = timing
        self._speech: Speech | None = None
        self._tools: dict[str, t.Tool] = {}

    @property
    def _now(self) -> Speech:
        if self._speech is None:
            raise ClientError("The client is not connected: use it inside `async with Client(…)`.")
        return self._speech

    async def _pages(self, method: str, type_: type[M]) -> AsyncIterator[M]:
        cursor: str | None = None
        seen: set[str] = set()
        for _ in range(MOST_PAGES):
            page: Any = await self._request(method, t.PaginatedRequestParams(cursor=cursor), type_)
            yield page
            cursor = page.next_cursor
            if cursor is None:
                return
            if cursor in seen:
                raise InvalidAnswer(f"{method}: the server names the cursor of a page again.")
            seen.add(cursor)
        raise InvalidAnswer(f"{method}: the server has more than {MOST_PAGES} pages.")

    async def _request(
        self,
        method: str,
        params: WireModel,
        type_: type[M],
        *,
        timing: Timing | None = None,
        on_progress: OnProgress | None = None,
        is_repeatable: bool = False,
    ) -> M:
        speech = await self._current()
        sending = (method, params, type_, timing or self._timing, on_progress)
        try:
            return await self._ask(speech, *sending)
        except SessionLost as error:
            if not (error.was_refused or is_repeatable or method in _REPEATABLE):
                raise
        self._speech = await self._connection.after(speech)
        return await self._ask(self._speech, *sending)

    async def _ask(
        self,
        speech: Speech,
        method: str,
        params: WireModel,
        type_: type[M],
        timing: Timing,
        on_progress: OnProgress | None,
    ) -> M:
        revision = speech.revision
        if methods.find(method, revision, "client") is None:
            raise NotSupported(f"There is no {method} in the revision {revision}.")
        wire = codec.encode(params, revision)
        result = await speech.request(
            method,
            wire,
            timing=timing,
            headers=self._mirrored(method, wire),
            on_progress=self._progress(on_progress, revision),
        )
        try:
            return codec.decode(type_, result, speech.revision, at="result")
        except InvalidParams as error:
            raise InvalidAnswer(f"{method} was answered with {error}") from None

    def _mirrored(self, method: str, wire: Mapping[str, Any]) -> dict[str, str]:
        """The arguments that the tool wants to see in headers as well."""
        tool = self._tools.get(wire["name"]) if method == "tools/call" else None
        if tool is None:
            return {}
        return mirror(param_headers(tool.input_schema), wire.get("arguments"))

    def _progress(self, on_progress: OnProgress | None, revision: Revision) -> Progress | None:
        tell = on_progress or self._callbacks.on_progress
        if tell is None:
            return None

        async def step(params: dict[str, Any]) -> None:
            try:
                found = codec.decode(t.ProgressNotificationParams, params, revision)
            except InvalidParams as error:
                logger.warning("A step of progress was no such thing: %s", error)
            else:
                await result_of(tell(found))

        return step

    async def _current(self) -> Speech:
        _ = self._now
        self._speech = await self._connection.current()
        return self._speech

    def _timing_of(
        self, timeout: float | EllipsisType | None, total: float | EllipsisType | None
    ) -> Timing:
        return Timing(
            timeout=self._timing.timeout if isinstance(timeout, EllipsisType) else timeout,
            total=self._timing.total if isinstance(total, EllipsisType) else total,
        )
