"""Asking the verifiers of tokens: those that ask the database do so for several requests at once.

A trip to a thread, and a statement, cost more than the rest of a verification. Where tokens may be
in a request, and what is answered without a good one, is `authentication`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import groupby
from typing import Any, Final, TypeAlias, TypeVar

from .. import conf
from ..backends.batches import Batches, Operation
from ..backends.threads import DjangoWorkers
from ..server.access import Principal

#: A token, and the canonical URL of the endpoint it was sent to.
Asked: TypeAlias = tuple[str, str]
Verify: TypeAlias = Callable[[str, str], Principal | None]
VerifyAll: TypeAlias = Callable[[Sequence[Asked]], Sequence[Principal | None]]

F = TypeVar("F", bound=Callable[..., Any])

#: One batch at a time in each event loop, of which a process has one or two.
_THREADS: Final = 2


def together(verify_all: VerifyAll) -> Callable[[F], F]:
    """Say that `verify_all` does what the decorated verifier does, for several and without waiting
    for anybody but the database."""

    def decorate(verify: F) -> F:
        verify.together = verify_all  # type: ignore[attr-defined]
        return verify

    return decorate


async def spoken_for(verifiers: Sequence[Verify], token: str, resource: str) -> Principal | None:
    """What the first of `verifiers` says that knows the token. One that may wait for somebody else
    than the database has a thread to itself."""
    for is_quick, those in groupby(verifiers, _is_quick):
        if is_quick:
            several = tuple(verify.together for verify in those)  # type: ignore[attr-defined]
            principal = await _batches().do(_Question(several, (token, resource)))
        else:
            principal = await _workers().run_sync(_first, tuple(those), token, resource)
        if principal is not None:
            return principal
    return None


class _Question(Operation[Principal]):
    """Whom a token speaks for."""

    def __init__(self, verifiers: Sequence[VerifyAll], asked: Asked) -> None:
        self.verifiers = verifiers
        self.asked = asked


def _answer(questions: Sequence[Operation[Any]]) -> None:
    waiting: dict[Sequence[VerifyAll], list[_Question]] = {}
    for question in questions:
        if isinstance(question, _Question):
            waiting.setdefault(question.verifiers, []).append(question)
    for those in waiting.values():
        try:
            _ask(those)
        except Exception as error:
            if len(those) == 1:
                those[0].failed(error)
                continue
            for question in those:
                _answer([question])


def _ask(questions: Sequence[_Question]) -> None:
    """Ask one verifier after the other, of those whom none before knows."""
    left = questions
    for verify_all in questions[0].verifiers:
        said = verify_all([question.asked for question in left])
        for question, principal in zip(left, said, strict=True):
            question.result = principal
        left = [question for question in left if question.result is None]
        if not left:
            return


def _first(verifiers: Sequence[Verify], token: str, resource: str) -> Principal | None:
    for verify in verifiers:
        principal = verify(token, resource)
        if principal is not None:
            return principal
    return None


def _is_quick(verify: Verify) -> bool:
    return hasattr(verify, "together")


@cache
def _batches() -> Batches:
    return Batches(_answer, DjangoWorkers(_THREADS, atomic=False).run_sync)


@cache
def _workers() -> DjangoWorkers:
    return DjangoWorkers(conf.get().max_threads, atomic=False)
