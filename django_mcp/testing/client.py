"""The client of a test: who it is, what it answers, and what it has heard.

Owns the prepared answers, and the records a test looks at afterwards. Everything else is
`django_mcp.client`'s: a test says what an application would.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import Any, Final, Self

from ..authentication import principal_of
from ..client import Client as PlainClient
from ..client.callbacks import Elicited, OnRoots, Roots, UserCancelled, result_of
from ..default import MCPServer, server_named
from ..memory import MemoryTransport
from ..protocol import types as t
from ..server.access import LOCAL, Principal

#: The answer of a user who closes the question.
CANCEL: Final = UserCancelled()
#: Seconds after which what a test waits for never comes.
PATIENCE: Final = 10.0

# Open clients of each server: the last one shuts it down, since nobody else does.
_open: Counter[int] = Counter()


class UnexpectedQuestions(AssertionError):
    """Something was asked that the test has no answer for, or an answer was left over."""


class Client(PlainClient):
    """A client of `server` (an MCPServer or the name of one, by default the default server).

    `user` is who calls, with the permissions this object of the model has (Django keeps those once
    they are looked up); a `principal` may stand in for it. `revision` is the one that is spoken, by
    default the newest. `answers` are for the questions to the user, in the order in which they are
    asked: a dict of the form's fields, True or False, None to decline, CANCEL, a whole
    ElicitResult, or a function that is given the question. Without `answers` the client says that
    nobody can be asked. `samples` are the same for questions to a language model: texts, whole
    results or functions. What else `django_mcp.client.Client` takes, this does.

    It records `questions`, `notifications`, `logs` and `steps` of progress, in order. Leaving it
    raises UnexpectedQuestions where a question had no answer, or an answer no question.
    """

    def __init__(
        self,
        server: MCPServer | str | None = None,
        *,
        user: Any = None,
        principal: Principal | None = None,
        revision: str | None = None,
        answers: Iterable[Any] | None = None,
        samples: Iterable[Any] | None = None,
        roots: OnRoots | Roots | None = None,
        timeout: float | None = PATIENCE,
        log_level: t.LoggingLevel | None = "debug",
        **options: Any,
    ) -> None:
        self.server = server if isinstance(server, MCPServer) else server_named(server)
        self.questions: list[t.ElicitRequestParams] = []
        self.sampled: list[t.CreateMessageRequestParams] = []
        self.notifications: list[tuple[str, dict[str, Any]]] = []
        self.logs: list[t.LoggingMessageNotificationParams] = []
        self.steps: list[t.ProgressNotificationParams] = []
        self._answers = None if answers is None else deque(answers)
        self._samples = None if samples is None else deque(samples)
        self._unanswered: list[str] = []
        self._heard = asyncio.Event()
        if principal is None:
            principal = LOCAL if user is None else principal_of(user)
        super().__init__(
            MemoryTransport(self.server, principal),
            revisions=None if revision is None else [revision],
            name="tests",
            timeout=timeout,
            log_level=log_level,
            on_elicit=None if self._answers is None else self._answer,
            on_sample=None if self._samples is None else self._sample,
            sample_tools=True,
            roots=roots,
            on_log=self.logs.append,
            on_progress=self.steps.append,
            on_notification=self._note,
            **options,
        )

    async def __aenter__(self) -> Self:
        _open[id(self.server)] += 1
        try:
            return await super().__aenter__()
        except BaseException:
            await self._let_go()
            raise

    async def __aexit__(self, *exc_info: object) -> None:
        await super().__aexit__(*exc_info)
        await self._let_go()
        if self._unanswered:
            raise UnexpectedQuestions(
                "The test has no answer for: " + "; ".join(map(repr, self._unanswered))
            )
        left = [*(self._answers or ()), *(self._samples or ())]
        if left and exc_info[0] is None:
            raise UnexpectedQuestions(f"Nothing asked for these answers: {left!r}")

    async def _let_go(self) -> None:
        _open[id(self.server)] -= 1
        if not _open[id(self.server)]:
            del _open[id(self.server)]
            await self.server.shutdown()

    async def notified(self, method: str) -> dict[str, Any]:
        """The params of the next notification of that method which was not waited for yet; raises
        TimeoutError where there is none within PATIENCE seconds."""
        async with asyncio.timeout(PATIENCE):
            while True:
                for index, (name, params) in enumerate(self.notifications):
                    if name == method:
                        del self.notifications[index]
                        return params
                self._heard.clear()
                await self._heard.wait()

    def _note(self, method: str, params: dict[str, Any]) -> None:
        self.notifications.append((method, params))
        self._heard.set()

    async def _answer(self, question: t.ElicitRequestParams) -> Elicited:
        self.questions.append(question)
        answer = await self._next(self._answers, question, question.message)
        if isinstance(answer, UserCancelled):
            raise answer
        found: Elicited = answer
        return found

    async def _sample(self, question: t.CreateMessageRequestParams) -> Any:
        self.sampled.append(question)
        return await self._next(self._samples, question, "sampling/createMessage") or ""

    async def _next(self, prepared: deque[Any] | None, question: Any, shown: str) -> Any:
        if not prepared:
            self._unanswered.append(shown)
            return None
        answer: Callable[[Any], Any] | Any = prepared.popleft()
        return await result_of(answer(question)) if callable(answer) else answer
