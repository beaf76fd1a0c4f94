"""resources/list, resources/templates/list and resources/read; subscribing up to 2025-11-25."""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

from ...protocol.errors import InvalidParams, MethodNotFound
from ...protocol.types import (
    EmptyResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
    SubscribeRequestParams,
    UnsubscribeRequestParams,
)
from ..components import Callee
from ..dispatch import Result
from ..errors import InvalidArguments, NotFound
from ..exchange import Exchange
from ..results import resource_result
from ..sessions import Change
from ..subscriptions import MAX_URI
from .listing import page

#: Values that would leave a directory they are joined to: a parent segment, a root, a drive, NUL.
#: "C:secret" has no slash, and yet Windows looks for it in whatever directory that drive is at.
_ESCAPES: Final = re.compile(r"(?:^|[/\\])\.\.(?:[/\\]|$)|^[/\\]|^[A-Za-z]:|\x00")


async def list_resources(exchange: Exchange, params: PaginatedRequestParams) -> Result:
    """2026-07-28, server/resources#listing-resources."""
    return await page(exchange, exchange.server.resources, params.cursor, ListResourcesResult)


async def list_templates(exchange: Exchange, params: PaginatedRequestParams) -> Result:
    """2026-07-28, server/resources#resource-templates."""
    templates = exchange.server.resource_templates
    return await page(exchange, templates, params.cursor, ListResourceTemplatesResult)


async def read(exchange: Exchange, params: ReadResourceRequestParams) -> Result:
    """2026-07-28, server/resources#reading-resources."""
    exchange.may_ask(params.uri, None, params.input_responses, params.request_state)
    found = await _find(exchange, params.uri)
    result = await _contents(exchange, params.uri, found)
    hint = exchange.server.cache_hint("resources/read", guarded=found.guarded, default="private")
    return result.model_copy(update={"ttl_ms": hint.ttl_ms, "cache_scope": hint.scope})


async def contents(exchange: Exchange, uri: str) -> ReadResourceResult:
    """What stands under `uri`; raises NotFound for what is unknown, hidden or out of bounds."""
    return await _contents(exchange, uri, await _find(exchange, uri))


async def subscribe(exchange: Exchange, params: SubscribeRequestParams) -> Result:
    """2025-11-25, server/resources#subscriptions. What the caller may not read is unknown."""
    if exchange.link is None or not exchange.caller.streams:
        raise MethodNotFound(exchange.request.method)
    if len(params.uri) > MAX_URI:
        raise InvalidParams(
            f"params.uri has {len(params.uri)} characters; {MAX_URI} are allowed to subscribe."
        )
    exchange.target = params.uri
    await _find(exchange, params.uri)
    await exchange.link.change(Change(follow=params.uri))
    return EmptyResult()


async def unsubscribe(exchange: Exchange, params: UnsubscribeRequestParams) -> Result:
    """2025-11-25, server/resources#subscriptions. From what it never followed, is as well done."""
    if exchange.link is None or not exchange.caller.streams:
        raise MethodNotFound(exchange.request.method)
    exchange.target = params.uri
    await exchange.link.change(Change(unfollow=params.uri))
    return EmptyResult()


async def readable(exchange: Exchange, uri: str) -> bool:
    """True where the caller may read `uri`, as far as that is known without reading it."""
    try:
        await _find(exchange, uri)
    except NotFound:
        return False
    return True


async def still_readable(exchange: Exchange, uri: str) -> bool:
    """The same for one who was let in some time ago: a right may have been taken away since."""
    await exchange.renew()
    return await readable(exchange, uri)


class _Found(NamedTuple):
    """What answers for a URI; `guarded` where another caller might find something else there."""

    callee: Callee
    kwargs: dict[str, Any]
    mime_type: str | None
    guarded: bool


async def _contents(exchange: Exchange, uri: str, found: _Found) -> ReadResourceResult:
    context = exchange.context if found.callee.context is not None else None
    value = await found.callee.call(exchange.server.workers, context, found.kwargs)
    return resource_result(value, uri, found.mime_type)


async def _find(exchange: Exchange, uri: str) -> _Found:
    server = exchange.server
    guarded = False
    resource = server.resources.find(uri)
    if resource is not None:
        guarded = resource.rule is not None
        if await exchange.allows(resource.rule):
            return _Found(resource.callee, {}, resource.definition.mime_type, guarded)
    for template in server.resource_templates:
        values = template.template.match(uri)
        if values is None:
            continue
        guarded = guarded or template.rule is not None
        if not await exchange.allows(template.rule):
            continue
        if any(_escapes(value) for value in values.values()):
            raise NotFound(uri)
        try:
            kwargs = template.arguments.validate(dict(values))
        except InvalidArguments:
            continue  # "{year}" is an int: "/books/new" is somebody else's URI, or nobody's.
        return _Found(template.callee, kwargs, template.definition.mime_type, guarded)
    raise NotFound(uri)


def _escapes(value: object) -> bool:
    if isinstance(value, str):
        return _ESCAPES.search(value) is not None
    if isinstance(value, dict):
        return any(_escapes(item) for pair in value.items() for item in pair)
    if not isinstance(value, list | tuple):
        return False
    # What was taken apart at its slashes will be put together again. An empty item begins a root
    # there, except for the last, which says no more than that a slash came at the end.
    if "" in value[:-1] or _escapes("/".join(str(item) for item in value)):
        return True
    return any(_escapes(item) for item in value)
