"""From a request to a Principal: the callables DJANGO_MCP["AUTHENTICATION"] may name.

An authentication is called with the transport's HttpRequest and returns a Principal, or None or
`Refused` to turn the request away; it may be async. It runs before the body is read. Cookies are
never looked at, so no page of another site can borrow a visitor's session.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.conf import settings

from . import conf
from .server.access import ANONYMOUS, Principal
from .server.signatures import is_async_callable
from .server.threads import Workers
from .transports.http.types import HttpRequest, Refused

if TYPE_CHECKING:
    from .transports.http.entrance import Challenger

__all__ = ["HttpRequest", "Principal", "Refused", "anonymous", "authenticator", "principal_of"]

logger = logging.getLogger("django_mcp")


def anonymous(request: HttpRequest) -> Principal:
    """Let everybody in, as nobody in particular. Outside DEBUG this has to be asked for:
    `DJANGO_MCP = {"AUTHENTICATION": "django_mcp.authentication.anonymous"}`."""
    return ANONYMOUS


def principal_of(user: Any) -> Principal:
    """The principal that stands for a user of Django, with the permissions this object has."""
    return Principal(id=f"user:{user.pk}", user=user)


def not_configured(request: HttpRequest) -> Principal:
    """Turn everybody away, and say in the log what to do."""
    logger.error(
        "The MCP endpoint %s has no authentication, so every request is refused outside DEBUG. Set "
        'DJANGO_MCP["AUTHENTICATION"], to "django_mcp.authentication.anonymous" if it is meant to '
        "be open to everybody.",
        request.path,
    )
    raise Refused(403, "This endpoint has no authentication configured.")


def chosen(given: str | Callable[..., Any] | None) -> Callable[..., Any]:
    """The authentication itself: the one given, else the project's, else by DEBUG."""
    named = conf.get().authentication if given is None else given
    if named is None:
        return anonymous if settings.DEBUG else not_configured
    return conf.load(named)


def challenger(given: str | Callable[..., Any] | None) -> Challenger | None:
    """The same, where it is an object with a `challenge` for callers who lack a scope."""
    function: Any = chosen(given)
    return function if callable(getattr(function, "challenge", None)) else None


def authenticator(
    given: str | Callable[..., Any] | None, workers: Workers
) -> Callable[[HttpRequest], Any]:
    """What to call for each request.

    It returns a principal, or an awaitable of one. A sync callable runs in a thread of `workers`
    and an async one with a lane of theirs, since either will look into the database; those of this
    module have nothing to wait for, and one whose `has_threads` is true sees to that itself.
    """
    function = chosen(given)
    if function is not_configured:
        return function
    if function is anonymous:
        return anonymous
    if getattr(function, "has_threads", False):
        return function
    if is_async_callable(function):
        return lambda request: workers.run_async(function, request)
    return lambda request: workers.run_sync(function, request)
