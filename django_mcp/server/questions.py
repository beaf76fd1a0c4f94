"""The questions a function can ask of a client, as values.

`Context.ask`, `.ask_url`, `.sample` and `.list_roots` ask one of these; `Context.ask_all` asks
several at once. What a form looks like is `forms`, how a question travels `asking`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Literal, Protocol, TypeVar

from ..protocol import codec
from ..protocol.revisions import LATEST
from ..protocol.types import (
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitResult,
    ListRootsResult,
    Root,
    SamplingMessage,
    TextContent,
)
from .asking import Question
from .signatures import is_async_callable
from .threads import Workers

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Generic[T]):
    """What the user did with a question, and the value where they accepted."""

    action: Literal["accept", "decline", "cancel"]
    data: T | None = None

    @property
    def accepted(self) -> bool:
        """True where the user accepted; only then is there `data`."""
        return self.action == "accept"


class AskedForm(Protocol):
    """A form as a question needs it: `forms.Form`, or what a framework makes of its own forms.

    `read` raises ValueError for an answer that does not fit, and may be async.
    """

    @property
    def requested_schema(self) -> dict[str, Any]: ...

    @property
    def fields(self) -> Collection[str]: ...

    def read(self, content: Mapping[str, Any] | None) -> Any: ...


class FormKind(Protocol):
    """A kind of form that a framework has, and that may stand for the type of an answer."""

    def understands(self, spec: object) -> bool:
        """True where `spec` is such a form."""

    def asked(self, spec: Any) -> AskedForm:
        """The form to ask; raises ValueError where it cannot be one. May ask the database."""

    async def aasked(self, spec: Any) -> AskedForm:
        """The same, with the database asked on a thread."""


#: The kinds of forms there are beside Python's types. A framework adds its own when it is set up.
form_kinds: list[FormKind] = []


def form(message: str, answer: type[T] | Any) -> Question[Answer[Any]]:
    """Ask the user to fill in a form for a value of the type `answer`; None only asks to agree."""
    # Not before somebody is asked: a process that only lists its tools starts without it.
    from .forms import form as form_of

    kind = _kind_of(answer)
    return _asking(message, form_of(answer) if kind is None else kind.asked(answer))


async def aform(message: str, answer: Any, workers: Workers) -> Question[Answer[Any]]:
    """`form`, for the event loop, on which nothing may wait for a database."""
    kind = _kind_of(answer)
    if kind is None:
        return form(message, answer)
    return _asking(message, await workers.run_async(kind.aasked, answer))


def _kind_of(answer: object) -> FormKind | None:
    return next((kind for kind in form_kinds if kind.understands(answer)), None)


def _asking(message: str, spec: AskedForm) -> Question[Answer[Any]]:
    answer = _answer_awaited if is_async_callable(spec.read) else _answer
    return Question(
        method="elicitation/create",
        params={"mode": "form", "message": message, "requestedSchema": spec.requested_schema},
        needs={"elicitation": {"form": {}}},
        keep=lambda result: _kept_answer(result, spec.fields),
        read=partial(answer, read=spec.read),
    )


def url(message: str, url: str) -> Question[Answer[None]]:
    """Ask the user to open `url` in their browser."""
    return Question(
        method="elicitation/create",
        params={"mode": "url", "message": message, "url": url},
        needs={"elicitation": {"url": {}}},
        keep=lambda result: _kept_answer(result, ()),
        read=lambda result: _answer(result, lambda content: None),
    )


def sample(
    messages: str | Sequence[Any],
    *,
    max_tokens: int = 1024,
    system_prompt: str | None = None,
    temperature: float | None = None,
    stop_sequences: Sequence[str] = (),
    model_preferences: Any = None,
    tools: Sequence[Any] = (),
    tool_choice: Any = None,
) -> Question[CreateMessageResult]:
    """Ask the client's model to go on from `messages`."""
    params = CreateMessageRequestParams(
        messages=_messages(messages),
        max_tokens=max_tokens,
        system_prompt=system_prompt,
        temperature=temperature,
        stop_sequences=list(stop_sequences) or None,
        model_preferences=model_preferences,
        tools=list(tools) or None,
        tool_choice=tool_choice,
    )
    uses_tools = bool(tools) or tool_choice is not None
    return Question(
        method="sampling/createMessage",
        params=codec.encode(params, LATEST),
        needs={"sampling": {"tools": {}} if uses_tools else {}},
        keep=lambda result: _members(result, ("role", "content", "model", "stopReason", "_meta")),
        read=lambda result: codec.decode(CreateMessageResult, result, LATEST),
    )


def roots() -> Question[list[Root]]:
    """Ask for the directories and files the client shares."""
    return Question(
        method="roots/list", params={}, needs={"roots": {}}, keep=_kept_roots, read=_roots
    )


def _members(value: Any, names: Collection[str]) -> Any:
    """An object with only these members; what is no object as it is, for `read` to refuse."""
    if not isinstance(value, dict):
        return value
    return {name: value[name] for name in names if name in value}


def _kept_answer(result: dict[str, Any], fields: Collection[str]) -> dict[str, Any]:
    kept: dict[str, Any] = _members(result, ("action", "content"))
    if "content" in kept:
        kept["content"] = _members(kept["content"], fields)
    return kept


def _kept_roots(result: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = _members(result, ("roots",))
    if isinstance(kept.get("roots"), list):
        kept["roots"] = [_members(root, ("uri", "name", "_meta")) for root in kept["roots"]]
    return kept


def _answer(result: dict[str, Any], read: Callable[[Mapping[str, Any] | None], T]) -> Answer[T]:
    reply = codec.decode(ElicitResult, result, LATEST)
    if reply.action != "accept":
        return Answer(action=reply.action)
    return Answer(action="accept", data=read(reply.content))


async def _answer_awaited(
    result: dict[str, Any], read: Callable[[Mapping[str, Any] | None], Awaitable[T]]
) -> Answer[T]:
    reply = codec.decode(ElicitResult, result, LATEST)
    if reply.action != "accept":
        return Answer(action=reply.action)
    return Answer(action="accept", data=await read(reply.content))


def _roots(result: dict[str, Any]) -> list[Root]:
    return list(codec.decode(ListRootsResult, result, LATEST).roots)


def _messages(messages: str | Sequence[Any]) -> list[Any]:
    if isinstance(messages, str):
        messages = [messages]
    return [
        SamplingMessage(role="user", content=TextContent(text=message))
        if isinstance(message, str)
        else message
        for message in messages
    ]
