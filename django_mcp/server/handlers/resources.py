"""resources/list, resources/templates/list and resources/read; subscribing up to 2025-11-25."""

from __future__ import annotations

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
from ..dispatch import Result
from ..errors import NotFound
from ..exchange import Exchange
from ..finding import Finder, Found, seen
from ..results import resource_result
from ..sessions import Change
from ..subscriptions import MAX_URI
from .listing import page


async def list_resources(exchange: Exchange, params: PaginatedRequestParams) -> Result:
    """2026-07-28, server/resources#listing-resources."""
    server = exchange.server
    return await page(
        exchange, server.resources, params.cursor, ListResourcesResult, server.resource_listings
    )


async def list_templates(exchange: Exchange, params: PaginatedRequestParams) -> Result:
    """2026-07-28, server/resources#resource-templates."""
    templates = exchange.server.resource_templates
    return await page(exchange, templates, params.cursor, ListResourceTemplatesResult)


async def read(exchange: Exchange, params: ReadResourceRequestParams) -> Result:
    """2026-07-28, server/resources#reading-resources."""
    exchange.may_ask(params.uri, None, params.input_responses, params.request_state)
    found = await Finder(exchange).find(params.uri)
    result = await _contents(exchange, params.uri, found)
    hint = exchange.server.cache_hint("resources/read", guarded=found.guarded, default="private")
    return result.model_copy(update={"ttl_ms": hint.ttl_ms, "cache_scope": hint.scope})


async def contents(exchange: Exchange, uri: str) -> ReadResourceResult:
    """What stands under `uri`; raises NotFound for what is unknown, hidden or out of bounds."""
    return await _contents(exchange, uri, await Finder(exchange).find(uri))


async def subscribe(exchange: Exchange, params: SubscribeRequestParams) -> Result:
    """2025-11-25, server/resources#subscriptions. What the caller may not read is unknown."""
    if exchange.link is None or not exchange.caller.streams:
        raise MethodNotFound(exchange.request.method)
    if len(params.uri) > MAX_URI:
        raise InvalidParams(
            f"params.uri has {len(params.uri)} characters; {MAX_URI} are allowed to subscribe."
        )
    exchange.target = params.uri
    if not (await seen(exchange, [params.uri], challenge=True)).get(params.uri):
        raise NotFound(params.uri)
    await exchange.link.change(Change(follow=params.uri))
    return EmptyResult()


async def unsubscribe(exchange: Exchange, params: UnsubscribeRequestParams) -> Result:
    """2025-11-25, server/resources#subscriptions. From what it never followed, is as well done."""
    if exchange.link is None or not exchange.caller.streams:
        raise MethodNotFound(exchange.request.method)
    exchange.target = params.uri
    await exchange.link.change(Change(unfollow=params.uri))
    return EmptyResult()


async def _contents(exchange: Exchange, uri: str, found: Found) -> ReadResourceResult:
    context = exchange.context if found.callee.context is not None else None
    value = await found.callee.call(exchange.server.workers, context, found.kwargs)
    return resource_result(value, uri, found.mime_type)
