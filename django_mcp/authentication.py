"""From a request to a Principal: the callables DJANGO_MCP["AUTHENTICATION"] may name.

An authentication is called with the transport's HttpRequest and returns a Principal, or None or
`Refused` to turn the request away; it may be async. It runs before the body is read. Cookies are
never looked at, so no page of another site can borrow a visitor's session.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from functools import cache
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings

from . import conf
from .server.access import ANONYMOUS, Principal
from .transports.http.types import HttpRequest, Refused

__all__ = ["HttpRequest", "Principal", "Refused", "anonymous", "authenticator"]

logger = logging.getLogger("django_mcp")


def anonymous(request: HttpRequest) -> Principal:
    """Let everybody in, as nobody in particular. Outside DEBUG this has to be asked for:
    `DJANGO_MCP = {"AUTHENTICATION": "django_mcp.authentication.anonymous"}`."""
    return ANONYMOUS


def not_configured(request: HttpRequest) -> Principal:
    """Turn everybody away, and say in the log what to do."""
    logger.error(
        "The MCP endpoint %s has no authentication, so every request is refused outside DEBUG. Set "
        'DJANGO_MCP["AUTHENTICATION"], to "django_mcp.authentication.anonymous" if it is meant to '
        "be open to everybody.",
        request.path,
    )
    raise Refused(403, "This endpoint has no authentication configured.")


def authenticator(given: str | Callable[..., Any] | None) -> Callable[..., Any]:
    """The callable to ask for each request: the given one, else the project's, else by DEBUG.

    A sync callable runs in a thread, since it will look into the database; those of this module
    have nothing to wait for.
    """
    chosen = conf.get().authentication if given is None else given
    if chosen is None:
        return anonymous if settings.DEBUG else not_configured
    return _prepared(conf.load(chosen))


@cache
def _prepared(function: Callable[..., Any]) -> Callable[..., Any]:
    call = getattr(function, "__call__", function)  # noqa: B004 - to see an async __call__
    if function is anonymous or inspect.iscoroutinefunction(function):
        return function
    if inspect.iscoroutinefunction(call):
        return function
    return sync_to_async(function)
