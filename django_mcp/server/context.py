"""What a function of a server receives: who calls, and everything it may say while it runs.

A parameter annotated with `Context` is filled in and never shown to the client. The methods that
talk to the client are coroutines; a sync function runs in a thread and reaches them through
`wait()`. How a question travels is `asking`; where a notification goes, the exchange's outlet.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, overload

from ..protocol.types import ClientCapabilities, CreateMessageResult, Implementation, Root
from . import questions
from .access import Principal
from .asking import Question
from .peer import LOG_LEVELS
from .questions import Answer

if TYPE_CHECKING:
    from .exchange import Exchange
    from .server import MCPServer

T = TypeVar("T")


class Context:
    """The call a function serves. Built by the server; valid until the function returns."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._loop = asyncio.get_running_loop()
        self._progress = -math.inf

    # Who calls, and how

    @property
    def server(self) -> MCPServer:
        """The server the function is registered on."""
        return self._exchange.server

    @property
    def principal(self) -> Principal:
        """The authenticated caller."""
        return self._exchange.caller.principal

    @property
    def user(self) -> Any:
        """The Django user of the caller, None where the caller has none."""
        return self._exchange.caller.principal.user

    @property
    def headers(self) -> Mapping[str, str]:
        """The request's headers, names in lower case; empty on a transport that has none."""
        return self._exchange.caller.headers or {}

    @property
    def url_kwargs(self) -> Mapping[str, Any]:
        """The parameters of the URL pattern the server is mounted at, converted."""
        return self._exchange.caller.url_kwargs

    @property
    def request(self) -> Any:
        """The transport's own request: a Django HttpRequest, an ASGI scope, or None."""
        return self._exchange.caller.request

    @property
    def lifespan_state(self) -> Any:
        """What the server's lifespan yielded; None without a lifespan."""
        return self._exchange.lifespan_state

    # The client and its request

    @property
    def client_info(self) -> Implementation | None:
        """Name and version the client reports; for display, never for a decision."""
        return self._exchange.peer.info

    @property
    def client_capabilities(self) -> ClientCapabilities:
        """What the client declared it can do."""
        return self._exchange.peer.capabilities

    @property
    def protocol_version(self) -> str:
        """The revision this call is answered in, such as "2026-07-28"."""
        return self._exchange.peer.revision.name

    @property
    def request_id(self) -> str | int:
        """The JSON-RPC id of the request."""
        return self._exchange.request.id

    @property
    def method(self) -> str:
        """The request's method, such as "tools/call"."""
        return self._exchange.request.method

    @property
    def target(self) -> str:
        """The tool or prompt name or the resource URI the request is about; "" for others."""
        return self._exchange.target

    @property
    def params(self) -> Mapping[str, Any]:
        """The request's params as they arrived, `_meta` included; not validated."""
        return self._exchange.request.params

    @property
    def correlation_id(self) -> str:
        """What the log and the record of this call have in common, for a log of your own."""
        return self._exchange.correlation

    # Saying something while the function runs

    async def report_progress(
        self, progress: float, total: float | None = None, message: str | None = None
    ) -> None:
        """Tell the client how far the call has come, where it asked to be told.

        A value that does not rise above the last one is not sent (2026-07-28,
        basic/patterns/progress). Raises ValueError for a value that is not finite.
        """
        if not math.isfinite(progress) or (total is not None and not math.isfinite(total)):
            raise ValueError(f"progress must be finite, got {progress!r} of {total!r}.")
        token = self._exchange.progress_token
        if token is None or progress <= self._progress:
            return
        self._progress = progress
        params: dict[str, Any] = {"progressToken": token, "progress": progress}
        if total is not None:
            params["total"] = total
        if message is not None and self._exchange.peer.revision.progress_message:
            params["message"] = message
        await self._exchange.outlet.send("notifications/progress", params)

    async def log(self, level: str, data: Any, *, logger: str | None = None) -> None:
        """Send a log line to the client, where it asked for lines of this level.

        `level` is one of debug, info, notice, warning, error, critical, alert, emergency; `data` is
        any JSON. For the server's own log use the logging module.
        """
        if level not in LOG_LEVELS:
            raise ValueError(f"{level!r} is no log level: use one of {', '.join(LOG_LEVELS)}.")
        if not self._exchange.peer.wants_log(level):
            return
        params = {"level": level, "data": data}
        if logger is not None:
            params["logger"] = logger
        await self._exchange.outlet.send("notifications/message", params)

    async def debug(self, data: Any, *, logger: str | None = None) -> None:
        """`log("debug", …)`."""
        await self.log("debug", data, logger=logger)

    async def info(self, data: Any, *, logger: str | None = None) -> None:
        """`log("info", …)`."""
        await self.log("info", data, logger=logger)

    async def warning(self, data: Any, *, logger: str | None = None) -> None:
        """`log("warning", …)`."""
        await self.log("warning", data, logger=logger)

    async def error(self, data: Any, *, logger: str | None = None) -> None:
        """`log("error", …)`."""
        await self.log("error", data, logger=logger)

    # Asking the client

    async def confirm(self, message: str, *, key: str | None = None) -> bool:
        """True where the user agreed to `message`; False where they declined or dismissed it."""
        return (await self._ask_one(questions.form(message, None), key)).accepted

    @overload
    async def ask(self, message: str, answer: type[T], *, key: str | None = None) -> Answer[T]: ...

    @overload
    async def ask(
        self, message: str, answer: Any = str, *, key: str | None = None
    ) -> Answer[Any]: ...

    async def ask(self, message: str, answer: Any = str, *, key: str | None = None) -> Answer[Any]:
        """Ask the user for a value of the type `answer`.

        `answer` is a primitive type, an Enum, a Literal, a list of those, a flat pydantic model,
        dataclass or TypedDict, a flat JSON Schema, or a Django form. The result says whether the
        user accepted, and then holds the value as `.data`, of a Django form its `cleaned_data`.

        Where the protocol has no open connection to ask on, the call ends here and the function
        runs again from the top when the answer has come: what stands above runs once per question.
        `key` names the question, each of a call by another; without one, questions are numbered in
        the order they are asked.

        Raises ClientCannotAnswer where the client cannot be asked.
        """
        # An own form of a framework may have to look into the database for what can be chosen.
        question = await questions.aform(message, answer, self._exchange.server.workers)
        return await self._ask_one(question, key)

    async def ask_url(self, message: str, url: str, *, key: str | None = None) -> Answer[None]:
        """Ask the user to visit `url`, for what must not pass through the client, like a payment.

        Accepted means that the user agreed to open it, not that they finished what is there.
        """
        return await self._ask_one(questions.url(message, url), key)

    async def require_url(self, message: str, url: str, *, key: str | None = None) -> NoReturn:
        """End the call: the user has to visit `url` first, and the client then sends it again.

        For what has to be there before anything can be done, like an account that is linked. Check
        for it before you call this: the function runs again from the top.

        Raises ClientCannotAnswer where the client cannot send its user to a URL.
        """
        asking = self._exchange.asking
        await asking.require(key or asking.next_key(), questions.url(message, url))

    async def ping(self) -> None:
        """Return once the client has shown that it is there; raises NoAnswer where it does not."""
        await self._exchange.asking.ping()

    async def close_stream(self, retry: float = 1.0) -> None:
        """Let go of the client's connection while the function goes on.

        For a call that takes long: the client comes back after `retry` seconds for what was
        written meanwhile, the answer included. Does nothing where the protocol or the client has no
        way to come back (2025-11-25, basic/transports#sending-messages-to-the-server). Raises
        ValueError for a time that is not finite, or negative.
        """
        if not math.isfinite(retry) or retry < 0:
            raise ValueError(f"retry is a number of seconds, 0 or more, not {retry!r}.")
        await self._exchange.outlet.close(retry)

    async def sample(
        self,
        messages: str | Sequence[Any],
        *,
        max_tokens: int = 1024,
        system_prompt: str | None = None,
        temperature: float | None = None,
        stop_sequences: Sequence[str] = (),
        model_preferences: Any = None,
        tools: Sequence[Any] = (),
        tool_choice: Any = None,
        key: str | None = None,
    ) -> CreateMessageResult:
        """Have the client's model complete `messages`: a text, or SamplingMessage values."""
        question = questions.sample(
            messages,
            max_tokens=max_tokens,
            system_prompt=system_prompt,
            temperature=temperature,
            stop_sequences=stop_sequences,
            model_preferences=model_preferences,
            tools=tools,
            tool_choice=tool_choice,
        )
        return await self._ask_one(question, key)

    async def list_roots(self, *, key: str | None = None) -> list[Root]:
        """The directories and files the client lets the server work with."""
        return await self._ask_one(questions.roots(), key)

    async def ask_all(self, asked: Mapping[str, Question[Any]]) -> dict[str, Any]:
        """Ask several questions at once and return the answers under the same keys.

        The questions come from `django_mcp.questions`: `form()`, `url()`, `sample()`, `roots()`.
        """
        return await self._exchange.asking.ask(asked)

    def can_ask(self, question: Question[Any]) -> bool:
        """True where the client declared what `question` needs, and can be reached."""
        return self._exchange.asking.can_ask(question)

    async def _ask_one(self, question: Question[T], key: str | None) -> T:
        asking = self._exchange.asking
        name = key or asking.next_key()
        answers = await asking.ask({name: question})
        answer: T = answers[name]
        return answer

    # The rest of the server

    async def read_resource(self, uri: str) -> list[Any]:
        """The contents of another resource of this server, read as this caller.

        Raises NotFound where there is none the caller may read.
        """
        return await self._exchange.server.read_resource(uri, self._exchange)

    def notify_tools_changed(self) -> None:
        """Tell every client that listens that the list of tools changed."""
        self._exchange.server.notify_tools_changed()

    def notify_prompts_changed(self) -> None:
        """Tell every client that listens that the list of prompts changed."""
        self._exchange.server.notify_prompts_changed()

    def notify_resources_changed(self) -> None:
        """Tell every client that listens that the list of resources changed."""
        self._exchange.server.notify_resources_changed()

    def notify_resource_updated(self, uri: str) -> None:
        """Tell every client that follows `uri` that it has new content."""
        self._exchange.server.notify_resource_updated(uri)

    def wait(self, awaitable: Awaitable[T]) -> T:
        """Run one of the coroutines above from a sync function, and return its result.

        Raises RuntimeError on the event loop's own thread: there, `await` it.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            pass
        else:
            if asyncio.iscoroutine(awaitable):
                awaitable.close()
            raise RuntimeError("Context.wait() is for sync functions; in an async one, use await.")

        async def run() -> T:
            return await awaitable

        return self._exchange.server.workers.wait(run, self._loop)
