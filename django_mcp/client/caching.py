"""Answers that are still fresh: which requests have one, for whom, and until when.

Owns the answers themselves, how many of them there are and what is dropped when. What is asked for,
and what a server tells of changes, comes from `calls`. What a server says of itself, the answer to
server/discover, lasts as long as the conversation and is not kept here.

Source: 2026-07-28, server/utilities/caching. Servers of older revisions do not say for how long an
answer is fresh, so nothing of theirs is kept.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic_core import to_json

CACHEABLE: Final = frozenset(
    {
        "prompts/list",
        "resources/list",
        "resources/read",
        "resources/templates/list",
        "tools/list",
    }
)

READ: Final = "resources/read"
UPDATED: Final = "notifications/resources/updated"
_OUTDATED_BY: Final[Mapping[str, tuple[str, ...]]] = {
    "notifications/tools/list_changed": ("tools/list",),
    "notifications/prompts/list_changed": ("prompts/list",),
    "notifications/resources/list_changed": ("resources/list", "resources/templates/list"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What an answer is an answer to. `params` are its parameters as JSON, `partition` is whose."""

    server: str
    revision: str
    method: str
    params: bytes
    partition: str | None
    uri: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    value: Any
    until: float
    size: int


class ResponseCache:
    """Fresh answers of servers, for one client or for several that share it.

    An answer for everybody (`public`) is given to every client of the same server; any other only
    to clients of the same partition, which names who is asking. At most `most` answers of together
    `most_bytes` are kept, those that were used last. `clock` gives seconds. It may be shared
    between threads. What it gives is shared too, and not to be changed.
    """

    def __init__(
        self,
        *,
        most: int = 1_000,
        most_bytes: int = 16 * 1024 * 1024,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._clock = clock
        self._answers: OrderedDict[Question, _Answer] = OrderedDict()
        self._size = 0
        self._drops = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._answers)

    @property
    def drops(self) -> int:
        """How often answers were dropped: one that was asked for before that may be outdated."""
        return self._drops

    def get(self, question: Question) -> Any:
        """The answer that is fresh; None for none."""
        with self._lock:
            for each in (question, _of_everybody(question)):
                answer = self._answers.get(each)
                if answer is None:
                    continue
                if self._clock() < answer.until:
                    self._answers.move_to_end(each)
                    return answer.value
                self._remove(each)
        return None

    def put(
        self,
        question: Question,
        value: Any,
        *,
        ttl_ms: int,
        scope: Literal["public", "private"],
        asked_at: int,
    ) -> None:
        """Keep an answer for `ttl_ms` milliseconds. `asked_at` is `drops` from before it was asked
        for."""
        if ttl_ms <= 0:
            return
        size = len(to_json(value))
        if size > self._most_bytes:
            return
        kept = _of_everybody(question) if scope == "public" else question
        with self._lock:
            if self._drops != asked_at:
                return
            self._remove(kept)
            until = self._clock() + ttl_ms / 1000
            self._answers[kept] = _Answer(value=value, until=until, size=size)
            self._size += size
            while len(self._answers) > self._most or self._size > self._most_bytes:
                self._remove(next(iter(self._answers)))

    def hear(self, server: str, method: str, params: Mapping[str, Any]) -> None:
        """Drop what the notification of a server says is outdated."""
        methods = _OUTDATED_BY.get(method)
        if methods is not None:
            self._drop(lambda each: each.server == server and each.method in methods)
        elif method == UPDATED:
            uri = params.get("uri")
            self._drop(lambda each: each.server == server and _tells_of(uri, each))

    def drop(self, server: str | None = None, method: str | None = None) -> None:
        """Drop the answers of one server, or of all; to one method, or to all."""
        self._drop(
            lambda each: (
                (server is None or each.server == server)
                and (method is None or each.method == method)
            )
        )

    def _drop(self, is_outdated: Callable[[Question], bool]) -> None:
        with self._lock:
            self._drops += 1
            for each in [each for each in self._answers if is_outdated(each)]:
                self._remove(each)

    def _remove(self, question: Question) -> None:
        answer = self._answers.pop(question, None)
        if answer is not None:
            self._size -= answer.size


def _of_everybody(question: Question) -> Question:
    return Question(
        server=question.server,
        revision=question.revision,
        method=question.method,
        params=question.params,
        partition=None,
        uri=question.uri,
    )


def _tells_of(uri: Any, question: Question) -> bool:
    # A server may name a part of the resource (2026-07-28, server/resources#subscriptions).
    return question.method == READ and (
        not isinstance(uri, str) or question.uri is None or uri.startswith(question.uri)
    )
