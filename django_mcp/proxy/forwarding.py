"""One call of a caller, made again at the server behind the proxy.

Owns what goes through in between: questions to the caller, progress, log lines, a cancellation, and
what a failure there becomes here. A question is asked of the caller as any function of this server
asks one; where that ends the call, it is made again from the top when the answer has come.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from typing import Any, Final, TypeVar

from ..client.callbacks import Behalf, Callbacks
from ..client.errors import ClientError, RequestTimedOut, ServerError
from ..protocol import codec, errors
from ..protocol import types as t
from ..protocol.revisions import LATEST
from ..protocol.types import WireModel
from ..server.asking import InputRequired, Question
from ..server.context import Context
from ..server.errors import ClientCannotAnswer, NoAnswer, ToolError
from .upstream import Upstream, answering

logger = logging.getLogger("django_mcp.proxy")

M = TypeVar("M", bound=WireModel)

#: Errors whose text is about the caller's own request, and meant for the caller.
_THEIRS: Final = (errors.InvalidParams, errors.ResourceNotFound)
#: What a result says of the server that made it; this server says it of itself.
_OF_THE_SERVER: Final = (t.META_SERVER_INFO, t.META_SUBSCRIPTION_ID)


async def forward(
    upstream: Upstream, ctx: Context, method: str, params: WireModel, type_: type[M], *, whose: str
) -> M:
    """The result of the request, made for the caller of `ctx`.

    `whose` names the proxy in messages. Raises ToolError and ProtocolError, whose texts are for the
    caller, and InputRequired.
    """
    try:
        result = await _Forwarded(upstream, ctx).result(method, params, type_)
    except ServerError as error:
        raise _told(error, whose) from None
    except RequestTimedOut as error:
        logger.warning("%s: %s", whose, error)
        raise ToolError(f"{whose} did not answer in time.") from None
    except ClientError as error:
        logger.warning("%s: %s: %s", whose, type(error).__name__, error)
        raise ToolError(f"{whose} is not available at the moment.") from None
    return _own(result)


def _told(error: ServerError, whose: str) -> Exception:
    if isinstance(error.error, _THEIRS):
        return errors.InvalidParams(error.message)
    logger.warning("%s answered with the error %s: %s", whose, error.code, error.message)
    return ToolError(f"{whose} failed.")


def _own(result: M) -> M:
    meta: Mapping[str, Any] | None = getattr(result, "meta", None)
    if not meta or not any(key in meta for key in _OF_THE_SERVER):
        return result
    kept = {key: value for key, value in meta.items() if key not in _OF_THE_SERVER}
    return result.model_copy(update={"meta": kept or None})


class _Forwarded:
    """One call under way."""

    def __init__(self, upstream: Upstream, ctx: Context) -> None:
        self._upstream = upstream
        self._ctx = ctx
        self._questions = 0
        self._required: list[InputRequired] = []
        self._interrupted = asyncio.Event()

    async def result(self, method: str, params: WireModel, type_: type[M]) -> M:
        exchange = self._ctx._exchange
        on_progress = self._progress if exchange.progress_token is not None else None
        client, level = self._upstream.client, exchange.peer.log_level
        can = self._ctx.client_capabilities
        if not client.has_session:
            behalf = Behalf(
                callbacks=Callbacks(**answering(can, lambda: self)),
                tell=self._tell,
                log_level=level,
            )
            return await client.ask_for(behalf, method, params, type_, on_progress=on_progress)
        key = exchange.link.session.key if exchange.link is not None else None
        async with self._upstream.session(key, can, level) as session:
            session.calls.append(self)
            try:
                call = session.client._request(method, params, type_, on_progress=on_progress)
                return await self._until_asked(call)
            finally:
                session.calls.remove(self)

    async def _until_asked(self, call: Coroutine[Any, Any, M]) -> M:
        """What the call comes to; raises what was asked, where a question ends it."""
        calling = asyncio.ensure_future(call)
        interrupted = asyncio.ensure_future(self._interrupted.wait())
        try:
            await asyncio.wait({calling, interrupted}, return_when=asyncio.FIRST_COMPLETED)
            if self._required:
                raise BaseExceptionGroup("the caller is asked", self._required)
            return await calling
        finally:
            interrupted.cancel()
            calling.cancel()
            await asyncio.wait({calling, interrupted})

    # What is said meanwhile

    async def _progress(self, step: t.ProgressNotificationParams) -> None:
        await self._ctx.report_progress(step.progress, step.total, step.message)

    async def _tell(self, method: str, params: dict[str, Any]) -> None:
        if method == "notifications/message":
            await self.log(codec.decode(t.LoggingMessageNotificationParams, params, LATEST))

    async def log(self, line: t.LoggingMessageNotificationParams) -> None:
        await self._ctx.log(line.level, line.data, logger=line.logger)

    # What is asked

    async def elicit(self, params: Any) -> t.ElicitResult:
        mode = "url" if isinstance(params, t.ElicitRequestURLParams) else "form"
        needs: dict[str, Any] = {"elicitation": {mode: {}}}
        asked = {"mode": mode, **codec.encode(params, LATEST)}
        return await self._ask("elicitation/create", asked, needs, t.ElicitResult)

    async def sample(self, params: t.CreateMessageRequestParams) -> t.CreateMessageResult:
        needs: dict[str, Any] = {"sampling": {"tools": {}} if params.tools else {}}
        asked = codec.encode(params, LATEST)
        return await self._ask("sampling/createMessage", asked, needs, t.CreateMessageResult)

    async def roots(self) -> list[t.Root]:
        found = await self._ask("roots/list", {}, {"roots": {}}, t.ListRootsResult)
        return found.roots

    def interrupt(self, required: InputRequired) -> None:
        self._required.append(required)
        self._interrupted.set()

    async def _ask(
        self, method: str, params: dict[str, Any], needs: dict[str, Any], type_: type[M]
    ) -> M:
        self._questions += 1
        key = f"upstream-{self._questions}"
        question = Question(
            method=method,
            params=params,
            needs=needs,
            keep=lambda result: result,
            read=lambda result: codec.decode(type_, result, LATEST, at=method),
        )
        try:
            found: M = (await self._ctx.ask_all({key: question}))[key]
        except (ClientCannotAnswer, NoAnswer) as error:
            raise errors.ProtocolError(
                f"The caller cannot be asked: {error}", code=-32000
            ) from None
        return found
