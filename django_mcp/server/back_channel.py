"""Asking over a connection: the question is a request to the client, and the call waits for it.

This is how a question travels up to 2025-11-25: on the stream of the call it belongs to. The answer
is a message of its own, which may arrive at any process; `hub` finds the call that waits. What a
question is, and how it travels without a connection, is `asking`.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, Final, NoReturn

from ..protocol import codec, methods
from ..protocol.errors import InvalidParams, InvalidRequest, UrlElicitationRequired, from_wire
from ..protocol.jsonrpc import RequestId
from ..protocol.revisions import LATEST, Revision
from ..protocol.round_trips import digest
from .asking import Keys, Question, can_answer, check_capabilities
from .broker import Answered
from .errors import ClientCannotAnswer, NoAnswer
from .exchange import Mouth
from .hub import Hub
from .sessions import Change, Session, SessionStore
from .threads import Workers

#: Characters of a client's own words that are repeated.
_LONGEST_WORDS: Final = 300


class BackChannel:
    """Asks on the stream of a call, and waits. `timeout` is in seconds."""

    def __init__(
        self,
        hub: Hub,
        store: SessionStore,
        session: Session,
        mouth: Mouth,
        timeout: float,
        workers: Workers,
    ) -> None:
        self._hub = hub
        self._store = store
        self._session = session
        self._mouth = mouth
        self._timeout = timeout
        self._workers = workers
        self._keys = Keys()

    def next_key(self) -> str:
        return self._keys.next()

    async def ask(self, questions: Mapping[str, Question[Any]]) -> dict[str, Any]:
        self._keys.use(questions)
        check_capabilities(questions, self._session.capabilities)
        answers = await self._ask([await self._written(q) for q in questions.values()])
        return {
            key: await _read(question, answer, self._workers)
            for (key, question), answer in zip(questions.items(), answers, strict=True)
        }

    def can_ask(self, question: Question[Any]) -> bool:
        session = self._session
        return _exists(question, session.revision) and can_answer(question, session.capabilities)

    async def require(self, key: str, question: Question[Any]) -> NoReturn:
        check_capabilities({key: question}, self._session.capabilities)
        _, params = await self._written(question)
        if self._session.revision.url_elicitation_error:
            raise UrlElicitationRequired([params], question.params["message"])
        raise ClientCannotAnswer(question.needs)

    async def ping(self) -> None:
        """Return once the client has answered a ping; raises NoAnswer where it does not."""
        await self._ask([("ping", {})])

    async def _written(self, question: Question[Any]) -> tuple[str, dict[str, Any]]:
        revision = self._session.revision
        params = _in_revision(question, revision)
        if params.get("mode") == "url":
            mark = elicitation_mark(params["url"])
            await self._store.change(self._session.key, Change(elicit=mark))
            self._hub.changed(self._session.key)
            params["elicitationId"] = elicitation_id(self._session.key, mark)
        return question.method, params

    async def _ask(self, requests: list[tuple[str, dict[str, Any]]]) -> list[Answered]:
        """Send the requests together, and return what the client answers to each."""
        for method, _ in requests:
            await self._may_send(method)
        key = self._session.key
        # Random, since an answer goes to every process, and those of one parent count alike.
        ids: list[RequestId] = [secrets.token_urlsafe(12) for _ in requests]
        with ExitStack() as waiting:
            futures = [waiting.enter_context(self._hub.question(key, id)) for id in ids]
            try:
                async with asyncio.timeout(self._timeout):
                    await self._hub.hears()
                    for id, (method, params) in zip(ids, requests, strict=True):
                        if not await self._mouth.request(id, method, params):
                            raise NoAnswer(f"The client has gone, and was not asked {method}.")
                    return [await future for future in futures]
            except TimeoutError:
                await self._withdraw(ids, futures, "timed out")
                raise NoAnswer(
                    f"The client did not answer {requests[0][0]} within {self._timeout:g} seconds."
                ) from None
            except asyncio.CancelledError:
                await self._withdraw(ids, futures, "the call was cancelled")
                raise

    async def _may_send(self, method: str) -> None:
        try:
            try:
                self._session.handshake.request("server", method)
            except InvalidRequest:
                # The client may have said that it is ready while the call was running.
                session = await self._store.find(self._session.key)
                if session is None:
                    raise
                self._session = session
                session.handshake.request("server", method)
        except InvalidRequest as error:
            raise NoAnswer(f"The client cannot be asked: {error}") from None

    async def _withdraw(
        self, ids: list[RequestId], futures: list[asyncio.Future[Answered]], reason: str
    ) -> None:
        for id, future in zip(ids, futures, strict=True):
            # What ends the wait for a future cancels that future too.
            if future.cancelled() or not future.done():
                params = {"requestId": id, "reason": reason}
                await self._mouth.send("notifications/cancelled", params)


def elicitation_mark(url: str) -> str:
    """What a session remembers of a URL its user was sent to."""
    return digest(url)


def elicitation_id(session: str, mark: str) -> str:
    """The id of an elicitation by URL: no two sessions have the same."""
    return digest([session, mark])


def _exists(question: Question[Any], revision: Revision) -> bool:
    """True where the revision has such a question, whatever the client declared besides."""
    if question.params.get("mode") == "url" and not revision.elicitation_modes:
        return False
    return methods.find(question.method, revision, "server") is not None


def _in_revision(question: Question[Any], revision: Revision) -> dict[str, Any]:
    """The params of a question as `revision` writes them."""
    row = methods.find(question.method, revision, "server")
    if row is None or not _exists(question, revision):
        raise ClientCannotAnswer(question.needs)
    if question.method == "elicitation/create" and revision.elicitation_modes:
        # As in LATEST, so that the author's own schema goes out as it is.
        return dict(question.params)
    value = codec.decode(row.params, question.params, LATEST)
    return codec.encode(value, revision)


async def _read(question: Question[Any], answer: Answered, workers: Workers) -> Any:
    if answer.error is not None:
        words = str(from_wire(answer.error))[:_LONGEST_WORDS]
        raise NoAnswer(f"The client answered {question.method} with an error: {words}")
    try:
        return await question.answer(question.keep(answer.result or {}), workers)
    except (ValueError, InvalidParams) as error:
        raise NoAnswer(
            f"The client's answer to {question.method} does not fit the question: {error}"
        ) from None
