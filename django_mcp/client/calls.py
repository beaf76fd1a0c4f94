"""How a call becomes a request, and its result a value, whatever the conversation is by then.

Owns encoding and decoding, the pages of a list, which request is sent again after its session was
lost, and which is not sent because a fresh answer is there. The methods an application calls are
`client`'s.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from types import EllipsisType
from typing import Any, Final, TypeVar
from uuid import uuid4

from pydantic_core import to_json

from ..protocol import codec, methods
from ..protocol import types as t
from ..protocol.errors import InvalidParams
from ..protocol.headers import ParamHeader, mirror, param_headers
from ..protocol.revisions import V2025_06_18, Revision
from ..protocol.types import WireModel
from .caching import CACHEABLE, Question, ResponseCache
from .callbacks import Behalf, Callbacks, OnProgress, result_of
from .connecting import Connection, Speech
from .errors import ClientError, InvalidAnswer, NotSupported, ServerError, SessionLost
from .line import Progress, Timing
from .outputs import ToolOutput

logger = logging.getLogger("django_mcp.client")

M = TypeVar("M", bound=WireModel)

TOOLS_CHANGED: Final = "notifications/tools/list_changed"
#: Tools that are known at a time.
MOST_TOOLS: Final = 10_000
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

    def __init__(
        self,
        connection: Connection,
        callbacks: Callbacks,
        timing: Timing,
        cache: ResponseCache | None,
        partition: str | None,
    ) -> None:
        self._connection = connection
        self._callbacks = callbacks
        self._timing = timing
        self._speech: Speech | None = None
        self._cache = cache
        # Who is asking, and a server without a name, are like nobody else.
        self._partition = partition or uuid4().hex
        self._server = connection.key or uuid4().hex
        self._tools: dict[str, t.Tool] = {}
        self._outputs: dict[str, ToolOutput] = {}
        # The headers that want an argument of theirs in them.
        self._wanted: dict[str, tuple[ParamHeader, ...]] = {}
        # Called, and on no list: they are not looked for again.
        self._unlisted: set[str] = set()

    @property
    def _now(self) -> Speech:
        if self._speech is None:
            raise ClientError("The client is not connected: use it inside `async with Client(…)`.")
        return self._speech

    async def _pages(self, method: str, type_: type[M], fresh: bool) -> AsyncIterator[M]:
        cursor: str | None = None
        seen: set[str] = set()
        for _ in range(MOST_PAGES):
            params = t.PaginatedRequestParams(cursor=cursor)
            try:
                page: Any = await self._request(method, params, type_, fresh=fresh)
            except ServerError:
                # The pages before it may be older than the cursor
                # (server/utilities/caching#interaction-with-pagination).
                if self._cache is not None and cursor is not None:
                    self._cache.drop(self._server, method)
                raise
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
        fresh: bool = False,
    ) -> M:
        speech = await self._current()
        if self._cache is not None and method in CACHEABLE:
            return await self._kept(
                self._cache, method, params, type_, timing or self._timing, on_progress, fresh
            )
        return await self._sent(
            speech, method, params, type_, timing or self._timing, on_progress, is_repeatable
        )

    async def ask_for(
        self,
        behalf: Behalf,
        method: str,
        params: WireModel,
        type_: type[M],
        *,
        on_progress: OnProgress | None = None,
    ) -> M:
        """Send a request on behalf of somebody else, who is asked and told because of it.

        Raises NotSupported where there is a session, which is one client's.
        """
        for _ in range(2):
            speech = await self._current()
            sending = (method, params, type_, self._timing, on_progress)
            try:
                return await self._ask(speech.on_behalf(behalf), *sending)
            except SessionLost as error:
                if not error.was_refused:
                    raise
                lost = error
        raise lost

    async def _kept(
        self,
        cache: ResponseCache,
        method: str,
        params: WireModel,
        type_: type[M],
        timing: Timing,
        on_progress: OnProgress | None,
        fresh: bool,
    ) -> M:
        """The answer that is kept, or one that is kept from now on."""
        speech = self._now
        question = Question(
            server=self._server,
            revision=speech.revision.name,
            method=method,
            params=to_json(codec.encode(params, speech.revision)),
            partition=self._partition,
            uri=getattr(params, "uri", None),
        )
        found: M | None = None if fresh else cache.get(question)
        if found is not None:
            return found
        asked_at = cache.drops
        answer: Any = await self._sent(speech, method, params, type_, timing, on_progress, True)
        if self._now is speech:
            cache.put(
                question,
                answer,
                ttl_ms=answer.ttl_ms,
                scope=answer.cache_scope,
                asked_at=asked_at,
            )
        return answer  # type: ignore[no-any-return]

    async def _sent(
        self,
        speech: Speech,
        method: str,
        params: WireModel,
        type_: type[M],
        timing: Timing,
        on_progress: OnProgress | None,
        is_repeatable: bool,
    ) -> M:
        sending = (method, params, type_, timing, on_progress)
        try:
            return await self._ask(speech, *sending)
        except SessionLost as error:
            if not (error.was_refused or is_repeatable or method in _REPEATABLE):
                raise
        return await self._ask(self._use(await self._connection.after(speech)), *sending)

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
        if method != "tools/call":
            return {}
        name = wire["name"]
        wanted = self._wanted.get(name)
        if wanted is None:
            tool = self._tools.get(name)
            if tool is None:
                return {}
            wanted = self._wanted[name] = param_headers(tool.input_schema)
        return mirror(wanted, wire.get("arguments"))

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
        return self._use(await self._connection.current())

    # What is known of the server

    def _use(self, speech: Speech) -> Speech:
        """Go on with a conversation; with a new one, nothing is known any more."""
        if speech is not self._speech:
            if self._speech is not None:
                self.miss()
            speech.line.listeners.append(self)
            self._speech = speech
        return speech

    def _leave(self) -> None:
        """What is kept stays fresh for others when this client goes."""
        if self._speech is not None:
            self._speech.line.listeners.remove(self)

    def hear(self, method: str, params: dict[str, Any]) -> None:
        """A notification of the server came: what it says is outdated is forgotten."""
        if self._cache is not None:
            self._cache.hear(self._server, method, params)
        if method == TOOLS_CHANGED:
            self._forget_tools()

    def miss(self) -> None:
        """Some may have been lost."""
        if self._cache is not None:
            self._cache.drop(self._server)
        self._forget_tools()

    def _forget_tools(self) -> None:
        self._tools.clear()
        self._outputs.clear()
        self._wanted.clear()
        self._unlisted.clear()

    def _know(self, tool: t.Tool) -> None:
        """The tool was listed."""
        if self._tools.get(tool.name) is not tool:
            if len(self._tools) >= MOST_TOOLS:
                self._forget_tools()
            self._tools[tool.name] = tool
            self._outputs.pop(tool.name, None)
            self._wanted.pop(tool.name, None)

    def _output(self, name: str) -> ToolOutput:
        """What is known of the output of a tool."""
        found = self._outputs.get(name)
        if found is None:
            # Some servers list output schemas in revisions that have no structured content.
            has_output = self._now.revision >= V2025_06_18
            tool = self._tools.get(name) if has_output else None
            found = ToolOutput(tool)
            if tool is not None:
                self._outputs[name] = found
        return found

    def _timing_of(
        self, timeout: float | EllipsisType | None, total: float | EllipsisType | None
    ) -> Timing:
        return Timing(
            timeout=self._timing.timeout if isinstance(timeout, EllipsisType) else timeout,
            total=self._timing.total if isinstance(total, EllipsisType) else total,
        )
