"""Asking the client: one `ask()` for every way a question can travel.

A question is the same value everywhere. `RoundTrip` sends it inside an `input_required` result and
finds the answer in the request that follows; `NotAskable` refuses where no question may be asked,
`Unreachable` where none would get through. `back_channel` has the one that sends a request and
waits. What a form looks like is `forms`; what a request state holds, `protocol.round_trips`.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Generic, NoReturn, Protocol, TypeVar, cast

from ..protocol.errors import InvalidParams
from ..protocol.round_trips import RequestState, call_fingerprint, digest
from ..protocol.types import InputRequiredResult
from .errors import ClientCannotAnswer, NoAnswer
from .request_state import InvalidState, Sealer
from .signatures import is_async_callable
from .threads import Workers

if TYPE_CHECKING:
    from .exchange import Exchange

T = TypeVar("T")

#: The bytes of JSON that one round may leave for the next: they travel with every request after
#: it, and compressed they would be a small part of what opening them takes.
MOST_SEALED: Final = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Question(Generic[T]):
    """One thing asked of the client.

    `method` and `params` are the request on the wire, `needs` the capabilities the client must
    have declared for it. `keep` takes from the client's result what `read` needs, and leaves alone
    what is no such result; `read` turns that into what the author gets, and raises ValueError for a
    result that does not fit the question. It may be async, where it has to wait for something.
    """

    method: str
    params: dict[str, Any]
    needs: dict[str, Any]
    keep: Callable[[dict[str, Any]], dict[str, Any]]
    read: Callable[[dict[str, Any]], T | Awaitable[T]]

    async def answer(self, result: dict[str, Any], workers: Workers) -> T:
        """What `read` makes of `result`; where it is async, run as the server's functions are."""
        if is_async_callable(self.read):
            return await workers.run_async(cast("Callable[..., Awaitable[T]]", self.read), result)
        return cast("T", self.read(result))


class InputRequired(BaseException):
    """Ends a call with questions. Not an Exception, so that no `except Exception` swallows it."""

    def __init__(self, result: InputRequiredResult) -> None:
        super().__init__("the client is asked for input")
        self.result = result


class Asking(Protocol):
    """Asks the client, in whatever way this exchange has."""

    async def ask(self, questions: Mapping[str, Question[Any]]) -> dict[str, Any]:
        """Return the answer to every question under its key, asking all of them at once.

        Raises ClientCannotAnswer where the client did not declare what a question needs, NoAnswer
        where it gives none, and RuntimeError for a key that an earlier question of the call has.
        """

    def next_key(self) -> str:
        """A key for a question whose author gave none: the same in every run of the call."""

    def can_ask(self, question: Question[Any]) -> bool:
        """True where the client can be asked this, as far as that is known beforehand."""

    async def require(self, key: str, question: Question[Any]) -> NoReturn:
        """End the call: the client is to do this, and then to send its request again."""

    async def ping(self) -> None:
        """Return once the client has shown that it is there; raises NoAnswer where it does not."""


class Keys:
    """The keys of a call's questions: an answer is found by its key, so none comes twice."""

    def __init__(self) -> None:
        self._count = 0
        self._used: set[str] = set()

    def next(self) -> str:
        """A key for a question whose author gave none."""
        self._count += 1
        return f"question-{self._count}"

    def use(self, keys: Iterable[str]) -> None:
        """Note these keys; raises RuntimeError for one that was used before."""
        for key in keys:
            if key in self._used:
                raise RuntimeError(
                    f"Two questions of this call have the key {key!r}: give one of them another "
                    "key=…, or leave it out; to use an answer twice, keep it in a variable."
                )
            self._used.add(key)


class NotAskable:
    """The way of asking of a method whose result cannot hold a question."""

    def __init__(self, method: str) -> None:
        self._method = method

    async def ask(self, questions: Mapping[str, Question[Any]]) -> dict[str, Any]:
        raise self._refusal()

    def _refusal(self) -> RuntimeError:
        return RuntimeError(
            f"Nothing can be asked while {self._method} is answered: only tools, prompts and "
            "resources may ask."
        )

    def next_key(self) -> str:
        return "question-1"

    def can_ask(self, question: Question[Any]) -> bool:
        return False

    async def require(self, key: str, question: Question[Any]) -> NoReturn:
        raise self._refusal()

    async def ping(self) -> None:
        return None


class Unreachable:
    """The way of asking of a connection that carries nothing to the client but the answer."""

    async def ask(self, questions: Mapping[str, Question[Any]]) -> dict[str, Any]:
        raise _unreachable(questions)

    def next_key(self) -> str:
        return "question-1"

    def can_ask(self, question: Question[Any]) -> bool:
        return False

    async def require(self, key: str, question: Question[Any]) -> NoReturn:
        raise _unreachable({key: question})

    async def ping(self) -> None:
        raise NoAnswer("The client cannot be pinged over this connection.")


def _unreachable(questions: Mapping[str, Question[Any]]) -> ClientCannotAnswer:
    return ClientCannotAnswer(
        {name: needed for q in questions.values() for name, needed in q.needs.items()},
        "The client cannot be asked over this connection: that takes a session, and a server that "
        "streams.",
    )


class RoundTrip:
    """Asks inside a result: the function runs again from the top when the answers have come.

    Source: 2026-07-28, basic/patterns/mrtr. The state that travels with the questions is bound to
    the caller, the server, what the endpoint's URL said, the method, the target and the arguments,
    and with it an answer counts only for the question it was given to, letter by letter. Answers
    without any state are taken at their word, as answers given in advance: they are the client's to
    give either way.
    """

    def __init__(
        self,
        exchange: Exchange,
        arguments: Mapping[str, Any] | None,
        responses: object,
        sealed: str | None,
    ) -> None:
        self._exchange = exchange
        self._arguments = arguments
        self._responses = responses if isinstance(responses, dict) else {}
        self._keys = Keys()
        self._call = ""
        self._state: RequestState | None = None
        self._asked_before = sealed is not None
        if sealed is not None:
            self._state = self._open(sealed)

    def next_key(self) -> str:
        return self._keys.next()

    def can_ask(self, question: Question[Any]) -> bool:
        return can_answer(question, self._exchange.peer.capabilities_on_the_wire)

    async def require(self, key: str, question: Question[Any]) -> NoReturn:
        check_capabilities({key: question}, self._exchange.peer.capabilities_on_the_wire)
        raise InputRequired(self._required({key: question}, {}))

    async def ping(self) -> None:
        return None  # Its request has just come, on a connection that is watched.

    async def ask(self, questions: Mapping[str, Question[Any]]) -> dict[str, Any]:
        self._keys.use(questions)
        check_capabilities(questions, self._exchange.peer.capabilities_on_the_wire)
        found: dict[str, Any] = {}
        raw: dict[str, Any] = {}
        missing: dict[str, Question[Any]] = {}
        for key, question in questions.items():
            result = self._answer(key, question)
            if result is None:
                missing[key] = question
            else:
                found[key] = await _read(key, question, result, self._exchange.server.workers)
                raw[key] = result
        if missing:
            raise InputRequired(self._required(missing, raw))
        self._remember(questions, raw)
        return found

    def _answer(self, key: str, question: Question[Any]) -> dict[str, Any] | None:
        result = self._responses.get(key)
        if self._asked_before:
            state = self._state
            if state is None or state.asked.get(key) != _fingerprint(question):
                return None
            result = state.answers.get(key, result)
        if result is not None and not isinstance(result, dict):
            raise InvalidParams(f"params.inputResponses.{key} must be an object.")
        return None if result is None else question.keep(result)

    def _remember(self, questions: Mapping[str, Question[Any]], raw: dict[str, Any]) -> None:
        """Keep what this round brought, for the state of the questions still to come."""
        self._state = self._merged(questions, raw)

    def _merged(
        self, questions: Mapping[str, Question[Any]], raw: Mapping[str, Any]
    ) -> RequestState:
        before = self._state or RequestState(
            call=self._fingerprint_of_call(), correlation=self._exchange.correlation
        )
        asked = {**before.asked, **{k: _fingerprint(q) for k, q in questions.items()}}
        # An answer that was kept does not outlive its question: the next may have other words.
        kept = {k: a for k, a in before.answers.items() if asked.get(k) == before.asked.get(k)}
        return replace(before, asked=asked, answers={**kept, **raw})

    def _required(
        self, missing: Mapping[str, Question[Any]], raw: Mapping[str, Any]
    ) -> InputRequiredResult:
        state = self._merged(missing, raw)
        requests: dict[str, Any] = {
            key: {"method": question.method, "params": question.params}
            for key, question in missing.items()
        }
        return InputRequiredResult.model_construct(
            result_type="input_required",
            input_requests=requests,
            request_state=_sealed(state, self._exchange.server.sealer),
        )

    def _open(self, sealed: str) -> RequestState:
        # One message for every reason: who forges states learns nothing from the answer.
        try:
            state = RequestState.from_json(self._exchange.server.sealer.open(sealed))
        except (InvalidState, ValueError):
            raise _refused() from None
        if state.call != self._fingerprint_of_call():
            raise _refused()
        if state.correlation:
            self._exchange.continues(state.correlation)
        return state

    def _fingerprint_of_call(self) -> str:
        if not self._call:
            exchange = self._exchange
            self._call = call_fingerprint(
                principal=exchange.caller.principal.id,
                server=exchange.server.name,
                place=exchange.caller.url_kwargs,
                method=exchange.request.method,
                target=exchange.target,
                arguments=self._arguments,
            )
        return self._call


def check_capabilities(questions: Mapping[str, Question[Any]], declared: Mapping[str, Any]) -> None:
    """Raise ClientCannotAnswer, naming everything that is missing, unless all can be asked."""
    missing: dict[str, Any] = {}
    for question in questions.values():
        for name, wanted in question.needs.items():
            have = declared.get(name)
            if not isinstance(have, dict) or not _covers(name, have, wanted):
                missing.setdefault(name, {}).update(wanted)
    if missing:
        raise ClientCannotAnswer(missing)


def can_answer(question: Question[Any], declared: Mapping[str, Any]) -> bool:
    """True where a client that declared these capabilities can be asked `question`."""
    try:
        check_capabilities({"": question}, declared)
    except ClientCannotAnswer:
        return False
    return True


def _covers(name: str, have: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    # An empty elicitation capability means forms (2025-11-25, client/elicitation#capabilities).
    if name == "elicitation" and "form" in wanted and not have.keys() & {"form", "url"}:
        return True
    return all(key in have for key in wanted)


def _sealed(state: RequestState, sealer: Sealer) -> str:
    value = state.to_json()
    size = len(json.dumps(value, separators=(",", ":")))
    if size > MOST_SEALED:
        raise InvalidParams(
            f"params.inputResponses: the answers so far take {size:,} bytes, and no more than "
            f"{MOST_SEALED:,} are kept for the next round: send shorter answers."
        )
    return sealer.seal(value)


def merge(required: list[InputRequired], sealer: Sealer) -> InputRequired:
    """One result out of several that concurrent tasks of one call ended with."""
    first = required[0]
    if len(required) == 1:
        return first
    requests: dict[str, Any] = {}
    states: list[RequestState] = []
    for item in required:
        requests.update(item.result.input_requests or {})
        states.append(RequestState.from_json(sealer.open(item.result.request_state or "")))
    state = replace(
        states[0],
        asked={key: value for one in states for key, value in one.asked.items()},
        answers={key: value for one in states for key, value in one.answers.items()},
    )
    return InputRequired(
        InputRequiredResult.model_construct(
            result_type="input_required",
            input_requests=requests,
            request_state=_sealed(state, sealer),
        )
    )


def _fingerprint(question: Question[Any]) -> str:
    return digest([question.method, question.params])


async def _read(key: str, question: Question[T], result: dict[str, Any], workers: Workers) -> T:
    try:
        return await question.answer(result, workers)
    except (ValueError, InvalidParams) as error:
        raise InvalidParams(f"params.inputResponses.{key}: {error}") from None


def _refused() -> InvalidParams:
    return InvalidParams(
        "params.requestState is not valid for this request, or no longer: send the request again "
        "without requestState and inputResponses.",
        data={"reason": "invalid_request_state"},
    )
