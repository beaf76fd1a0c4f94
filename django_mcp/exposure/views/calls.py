"""Django's own handler around one view: middleware, the transaction, a thread or the loop.

The view runs as it does for a page, with what stands around it: the project's middleware, process
view hooks and all, ATOMIC_REQUESTS, exceptions that become responses, template responses that are
rendered. A sync view runs in a thread of the server's, an async one on its loop. Two things of a
request's life are left out. The signals `request_started` and `request_finished` are not sent,
since their receivers close the database connections, which here are the call's; and cookies are not
read or set.

What the response means is `answers`.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import time
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from asgiref.sync import async_to_sync, iscoroutinefunction, sync_to_async
from django.conf import settings
from django.conf.urls.i18n import is_language_prefix_patterns_used
from django.core.handlers.base import BaseHandler
from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import Resolver404, ResolverMatch, set_script_prefix, set_urlconf
from django.utils import translation
from django.utils.functional import LazyObject

from ...backends.threads import DjangoWorkers
from ...server.components import Callee
from ...server.context import Context
from ...server.errors import InvalidArguments, ToolError
from ...server.threads import Workers
from ..requests import CallRequest, request_for
from .answers import Answer
from .inputs import Inputs
from .routes import Route

logger = logging.getLogger("django_mcp")

#: Seconds a response may take to come in pieces; what goes on for longer has no end.
LONGEST_STREAM: Final = 30.0


class ViewHandler(BaseHandler):
    """Django's handler, which asks the route of a tool where the path leads."""

    def __init__(self, *, is_async: bool, middleware: bool) -> None:
        super().__init__()
        if middleware:
            self.load_middleware(is_async=is_async)
        else:
            self._without_middleware(is_async)

    def _without_middleware(self, is_async: bool) -> None:
        self._view_middleware: list[Any] = []
        self._template_response_middleware: list[Any] = []
        self._exception_middleware: list[Any] = []
        inner = self._get_response_async if is_async else self._get_response  # type: ignore[attr-defined]
        self._middleware_chain = convert_exception_to_response(inner)

    def resolve_request(self, request: HttpRequest) -> ResolverMatch:
        """Where `request` leads; raises Http404 where that is not the view of the tool."""
        route: Route = request.mcp_route  # type: ignore[attr-defined]
        if route.own is not None:
            match = route.resolve(request.path_info)
            request.resolver_match = match
            return match
        match = super().resolve_request(request)
        if not route.leads_here(match):
            logger.warning("/%s leads to another view than that of its tool", route.text)
            raise Resolver404({"path": request.path_info})
        return match


# The middleware is part of the question, so that a change of it changes the answer at once.
@lru_cache(8)
def _handler(is_async: bool, middleware: tuple[str, ...] | None) -> ViewHandler:
    return ViewHandler(is_async=is_async, middleware=middleware is not None)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ViewCall:
    """What is called for a tool: makes the request, has the view answer it, reads the response."""

    tool: str
    route: Route
    method: str
    inputs: Inputs
    headers: tuple[str, ...] = ()
    middleware: bool = True
    max_bytes: int

    @property
    def is_async(self) -> bool:
        return iscoroutinefunction(self.route.callback)

    def sync(self, ctx: Context, arguments: dict[str, Any]) -> Any:
        """Call a sync view; runs in a thread."""
        # A context of its own: what middleware activates is over with the call.
        return contextvars.copy_context().run(self._sync, ctx, arguments)

    def _sync(self, ctx: Context, arguments: dict[str, Any]) -> Any:
        request = self._request(ctx, arguments)
        response = self._handler(False).get_response(request)
        with _closing(response):
            return self._answer(request, response, _read(response, self.max_bytes))

    async def run(self, ctx: Context, arguments: dict[str, Any]) -> Any:
        """Call an async view, on the loop."""
        # A task has a context of its own, as above.
        return await asyncio.create_task(self._async(ctx, arguments))

    async def _async(self, ctx: Context, arguments: dict[str, Any]) -> Any:
        if isinstance(ctx.user, LazyObject):
            # Whoever it is, is looked up in the database.
            request = await sync_to_async(self._request)(ctx, arguments)
        else:
            request = self._request(ctx, arguments)
        response = await self._handler(True).get_response_async(request)
        with _closing(response):
            body = await _aread(response, self.max_bytes)
            return self._answer(request, response, body)

    def _handler(self, is_async: bool) -> ViewHandler:
        return _handler(is_async, tuple(settings.MIDDLEWARE) if self.middleware else None)

    def _request(self, ctx: Context, arguments: dict[str, Any]) -> CallRequest:
        try:
            parts = self.inputs.parts(arguments)
        except ValueError as error:
            raise InvalidArguments(self.tool, [str(error)]) from None
        set_urlconf(None)
        set_script_prefix("/")
        language = self._language(ctx)
        with translation.override(language) if language else contextlib.nullcontext():
            path_info = self.route.path_of(parts.path, self.tool)
        request = request_for(
            ctx.principal,
            self.method,
            path_info,
            origin=ctx.request,
            headers=ctx.headers,
            carried=self.headers,
            query=parts.query,
            form=parts.form,
            json=parts.json,
        )
        set_script_prefix(request.META["SCRIPT_NAME"])
        request.mcp_route = self.route  # type: ignore[attr-defined]
        return request

    def _language(self, ctx: Context) -> str | None:
        """The language a path begins with, where paths begin with one."""
        if not settings.USE_I18N or not is_language_prefix_patterns_used(settings.ROOT_URLCONF)[0]:
            return None
        asking = HttpRequest()
        asking.META["HTTP_ACCEPT_LANGUAGE"] = ctx.headers.get("accept-language", "")
        return translation.get_language_from_request(asking)

    def _answer(self, request: CallRequest, response: Any, body: bytes) -> Any:
        return Answer(tool=self.tool, request=request, response=response, body=body).value()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ViewCallee(Callee):
    """Calls views. Transactions are theirs to begin: Django's handler does, as for a page."""

    def call(self, workers: Workers, ctx: Context | None, kwargs: dict[str, Any]) -> Awaitable[Any]:
        if isinstance(workers, DjangoWorkers):
            workers = workers.without_transactions
        run = workers.run_async if self.is_async else workers.run_sync
        return run(self.function, ctx, kwargs["arguments"])


def callee(call: ViewCall) -> ViewCallee:
    is_async = call.is_async
    return ViewCallee(
        function=call.run if is_async else call.sync, is_async=is_async, context="ctx"
    )


# ---------------------------------------------------------------------------------- the response


@contextlib.contextmanager
def _closing(response: HttpResponseBase) -> Iterator[None]:
    """Close what the response holds open. Its own `close()` would say that the request is over, and
    close the database connections."""
    try:
        yield
    finally:
        for close in response._resource_closers:  # type: ignore[attr-defined]
            with contextlib.suppress(Exception):
                close()
        response._resource_closers.clear()  # type: ignore[attr-defined]


class _Meter:
    """Counts what a response has written; raises ToolError where that is too much, or too slow."""

    def __init__(self, response: HttpResponseBase, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._left = max_bytes
        self._end = time.monotonic() + LONGEST_STREAM
        if response.streaming and response.get("Content-Type", "").startswith("text/event-stream"):
            raise ToolError("The view answers with a stream of events, which has no end.")

    def add(self, piece: bytes) -> bytes:
        self._left -= len(piece)
        if self._left < 0:
            raise ToolError(
                f"The answer of the view is larger than {self._max_bytes} bytes: ask for less."
            )
        if time.monotonic() > self._end:
            raise ToolError(f"The view was still answering after {LONGEST_STREAM:g} seconds.")
        return piece


def _read(response: Any, max_bytes: int) -> bytes:
    """The body of a response; raises ToolError where it is too large, or has no end."""
    if response.streaming and response.is_async:
        return async_to_sync(_aread)(response, max_bytes)
    meter = _Meter(response, max_bytes)
    pieces = response.streaming_content if response.streaming else [response.content]
    return b"".join([meter.add(piece) for piece in pieces])


async def _aread(response: Any, max_bytes: int) -> bytes:
    if not response.streaming:
        return _read(response, max_bytes)
    if not response.is_async:
        return await sync_to_async(_read)(response, max_bytes)
    meter = _Meter(response, max_bytes)
    return b"".join([meter.add(piece) async for piece in response.streaming_content])
