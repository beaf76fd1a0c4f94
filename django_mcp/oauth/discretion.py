"""Exceptions that tell nothing of the secrets they came across.

Reports of errors, Django's own mails and those of others, show the variables of every function that
an exception has passed: tokens, codes, digests in the parameters of a statement. `discreet` has an
exception leave a function without all these. Django's `sensitive_variables` does not do: what runs
below a generator, as every query of the ORM, it does not reach.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, ParamSpec, TypeVar, cast

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import Http404

from ..transports.http.types import Refused

P = ParamSpec("P")
T = TypeVar("T")

#: What is an answer, and reported to nobody.
_ANSWERS = (Refused, Http404, PermissionDenied)


def discreet(function: Callable[P, T]) -> Callable[P, T]:
    """Have exceptions leave `function` without the variables of what it called.

    Where it happened is told by a note, which has the lines of the traceback. While DEBUG is on
    nothing is left out.
    """

    if iscoroutinefunction(function):

        @wraps(function)
        async def wait(*args: P.args, **kwargs: P.kwargs) -> Any:
            try:
                return await function(*args, **kwargs)
            except Exception as error:
                raise _told(error)  # noqa: B904 - it is the same one

        return cast("Callable[P, T]", wait)

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            raise _told(error)  # noqa: B904 - it is the same one

    return call


def _told(error: Exception) -> Exception:
    """`error` as others may know it."""
    if isinstance(error, _ANSWERS) or settings.DEBUG:
        return error
    error.add_note("".join(traceback.format_exception(error)))
    _forget_frames(error)
    return error


def _forget_frames(error: BaseException) -> None:
    """Take the frames away from `error` and from everything it came of."""
    known: set[int] = set()
    left: list[BaseException | None] = [error]
    while left:
        each = left.pop()
        if each is None or id(each) in known:
            continue
        known.add(id(each))
        each.__traceback__ = None
        left += [each.__cause__, each.__context__]
        if isinstance(each, BaseExceptionGroup):
            left += each.exceptions
