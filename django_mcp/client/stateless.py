"""2026-07-28: every request says who asks, and questions come inside results.

Owns what a request carries about its sender, the rounds of a request that is answered with
questions, and the stream of changes. Which revision it will be is `connecting`'s to find out.

Source: 2026-07-28, basic/index#_meta, basic/patterns/mrtr and basic/patterns/subscriptions.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Mapping
from typing import Any, Final, Self

from ..protocol import codec
from ..protocol import types as t
from ..protocol.envelope import NAMED
from ..protocol.errors import InvalidParams, ProtocolError, UnsupportedProtocolVersion
from ..protocol.headers import MCP_METHOD, MCP_NAME, MCP_PROTOCOL_VERSION, encode_value
from ..protocol.jsonrpc import RequestId
from ..protocol.revisions import Revision
from .callbacks import Behalf
from .conversation import Conversation
from .errors import ClientError, InvalidAnswer, NotSupported, ServerError
from .line import Progress, Tell, Timing

#: Times that a request is answered with questions before it is given up.
MOST_ROUNDS: Final = 10
#: Seconds between rounds in which nothing is asked, from the first to the longest.
PAUSES: Final = (0.05, 0.1, 0.25)

LISTEN: Final = "subscriptions/listen"
ACKNOWLEDGED: Final = "notifications/subscriptions/acknowledged"


class Stateless(Conversation):
    """What is said on a line to a server that remembers nothing."""

    has_session = False

    def _begin(self) -> None:
        self._tell: Tell | None = None
        self._said: dict[Revision, dict[str, Any]] = {}
        self.line.answer_request = None
        self.line.tells_cancelled = not self.line.channel.leaving_cancels

    async def discover(self, timing: Timing) -> t.DiscoverResult:
        """Ask who the server is and what it speaks."""
        result = await self.request("server/discover", {}, timing=timing)
        try:
            found = codec.decode(t.DiscoverResult, result, self.revision, at="result")
        except InvalidParams as error:
            raise InvalidAnswer(f"server/discover was answered with {error}") from None
        self.capabilities = found.capabilities
        self.instructions = found.instructions
        self.server_info = _server_info(found, self.revision)
        return found

    def on_behalf(self, behalf: Behalf) -> Self:
        """The same conversation for somebody else, since every request says who asks."""
        theirs = copy.copy(self)
        theirs._callbacks = behalf.callbacks
        theirs._log_level = behalf.log_level
        theirs._tell = behalf.tell
        theirs._said = {}
        return theirs

    # A request

    async def request(
        self,
        method: str,
        params: Mapping[str, Any],
        *,
        timing: Timing,
        headers: Mapping[str, str] | None = None,
        on_progress: Progress | None = None,
    ) -> dict[str, Any]:
        """Send a request, answer what it is answered with, and return the last result."""
        answers: Mapping[str, Any] = {}
        for round in range(MOST_ROUNDS):
            result = await self._once(method, {**params, **answers}, timing, headers, on_progress)
            if result.get("resultType") != "input_required":
                # What depends on answers is not kept (server/utilities/caching#cache-key).
                return {**result, "ttlMs": 0} if round else result
            answers = await self._answers(method, result, round)
        raise ClientError(f"{method}: the server asked {MOST_ROUNDS} times and did not answer.")

    async def _once(
        self,
        method: str,
        params: Mapping[str, Any],
        timing: Timing,
        headers: Mapping[str, str] | None,
        on_progress: Progress | None,
    ) -> dict[str, Any]:
        try:
            return await self._send(method, params, timing, headers, on_progress)
        except ServerError as error:
            served = self._served(error)
            if served is None:
                raise
            self.revision = served
        return await self._send(method, params, timing, headers, on_progress)

    def _served(self, error: ServerError) -> Revision | None:
        """The newest revision of both sides, where the one that was used was refused.

        It may be the same one: of several processes behind one address, not all are as new.
        """
        if not isinstance(error.error, UnsupportedProtocolVersion):
            return None
        served = error.error.supported
        return next((each for each in self._revisions if each.name in served), None)

    async def _send(
        self,
        method: str,
        params: Mapping[str, Any],
        timing: Timing,
        headers: Mapping[str, str] | None,
        on_progress: Progress | None,
        begun: Callable[[RequestId], None] | None = None,
    ) -> dict[str, Any]:
        return await self.line.request(
            method,
            {**params, "_meta": {**params.get("_meta", {}), **self._meta()}},
            timing=timing,
            headers={**self._headers(method, params), **(headers or {})},
            on_progress=on_progress,
            begun=begun,
            tell=self._tell,
        )

    def _meta(self) -> dict[str, Any]:
        """What each request says of its sender: written once, as it is the same every time."""
        found = self._said.get(self.revision)
        if found is None:
            capabilities = codec.encode(self._callbacks.capabilities(), self.revision)
            found = self._said[self.revision] = {
                t.META_PROTOCOL_VERSION: self.revision.name,
                t.META_CLIENT_INFO: codec.encode(self._info, self.revision),
                t.META_CLIENT_CAPABILITIES: capabilities,
            }
        if self._log_level is None:
            return found
        return {**found, t.META_LOG_LEVEL: self._log_level}

    def _headers(self, method: str, params: Mapping[str, Any]) -> dict[str, str]:
        """What HTTP repeats (basic/transports/streamable-http#standard-request-headers)."""
        if not self.line.channel.has_headers:
            return {}
        headers = {MCP_PROTOCOL_VERSION: self.revision.name, MCP_METHOD: method}
        name = params.get(NAMED.get(method, ""))
        if isinstance(name, str):
            headers[MCP_NAME] = encode_value(name)
        return headers

    # Questions

    async def _answers(self, method: str, result: Mapping[str, Any], round: int) -> dict[str, Any]:
        """What the request is sent again with: an answer to each question, and the state."""
        try:
            asked = codec.decode(t.InputRequiredResult, result, self.revision, at="result")
        except InvalidParams as error:
            raise InvalidAnswer(f"{method} was answered with questions: {error}") from None
        more: dict[str, Any] = {}
        if asked.request_state is not None:
            more["requestState"] = asked.request_state
        if asked.input_requests:
            more["inputResponses"] = await self._answer_all(method, asked.input_requests)
        elif not more:
            raise InvalidAnswer(f"{method} was answered with neither questions nor a state.")
        else:
            await asyncio.sleep(PAUSES[min(round, len(PAUSES) - 1)])
        return more

    async def _answer_all(
        self, method: str, questions: Mapping[str, t.InputRequest]
    ) -> dict[str, Any]:
        async def answer(question: t.InputRequest) -> dict[str, Any]:
            found = await self._callbacks.answer(question.method, question.params)
            return codec.encode(found, self.revision)

        try:
            async with asyncio.TaskGroup() as group:
                tasks = {
                    key: group.create_task(answer(question)) for key, question in questions.items()
                }
        except* ProtocolError as errors:
            first = errors.exceptions[0]
            raise NotSupported(
                f"{method} needs an answer that this client does not give: {first}"
            ) from None
        return {key: task.result() for key, task in tasks.items()}

    # Other things

    async def set_log_level(self, level: str | None) -> None:
        """From the next request on, log lines of that level and above come along."""
        self._log_level = level

    async def ping(self, timing: Timing) -> None:
        """Return once the server has answered anything."""
        await self.request("server/discover", {}, timing=timing)

    async def roots_changed(self) -> None:
        """Nobody remembers them: they are asked for anew."""
        return None

    async def listen(
        self,
        wanted: t.SubscriptionFilter,
        ready: Callable[[t.SubscriptionFilter], None],
        hear: Callable[[str, dict[str, Any]], None],
        miss: Callable[[], None],
    ) -> None:
        """Hand over changes until the server ends the stream, which is when this returns."""
        stream = _ChangeStream(self.revision, ready, hear)
        self.line.listeners.append(stream)
        try:
            await self._send(
                LISTEN,
                {"notifications": codec.encode(wanted, self.revision)},
                Timing(timeout=None),
                None,
                None,
                stream.begin,
            )
        finally:
            self.line.listeners.remove(stream)

    async def close(self) -> None:
        """End the line."""
        await self.line.close()


class _ChangeStream:
    """A listener to the notifications of one subscription."""

    def __init__(
        self,
        revision: Revision,
        ready: Callable[[t.SubscriptionFilter], None],
        hear: Callable[[str, dict[str, Any]], None],
    ) -> None:
        self._revision = revision
        self._ready = ready
        self._hear = hear
        self._id: RequestId | None = None

    def begin(self, id: RequestId) -> None:
        self._id = id

    def hear(self, method: str, params: dict[str, Any]) -> None:
        meta = params.get("_meta")
        if not isinstance(meta, dict) or meta.get(t.META_SUBSCRIPTION_ID) != self._id:
            return
        if method != ACKNOWLEDGED:
            self._hear(method, params)
            return
        granted = params.get("notifications")
        try:
            self._ready(codec.decode(t.SubscriptionFilter, granted, self._revision))
        except InvalidParams:
            self._ready(t.SubscriptionFilter())

    def miss(self) -> None:
        return None  # Its request fails, which says the same.


def _server_info(result: t.Result, revision: Revision) -> t.Implementation | None:
    try:
        return codec.decode(t.ResultMetaObject, result.meta or {}, revision).server_info
    except InvalidParams:
        return None
