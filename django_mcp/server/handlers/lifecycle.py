"""initialize and server/discover: what this server is, and what it can do for this caller."""

from __future__ import annotations

from typing import Any

from ...protocol.types import (
    DiscoverResult,
    EmptyResult,
    InitializeRequestParams,
    InitializeResult,
    ServerCapabilities,
)
from ..dispatch import Result
from ..exchange import Exchange


async def discover(exchange: Exchange, params: Any) -> Result:
    """2026-07-28, server/discover."""
    server = exchange.server
    hint = server.cache_hint("server/discover", guarded=False)
    return DiscoverResult(
        supported_versions=[revision.name for revision in server.revisions],
        capabilities=capabilities(exchange),
        instructions=server.instructions,
        ttl_ms=hint.ttl_ms,
        cache_scope=hint.scope,
    )


async def initialize(exchange: Exchange, params: InitializeRequestParams) -> Result:
    """2025-11-25, basic/lifecycle#initialization. Which revision it is to be was settled before."""
    server = exchange.server
    return InitializeResult(
        protocol_version=exchange.peer.revision.name,
        capabilities=capabilities(exchange),
        server_info=server.implementation(exchange.caller.origin),
        instructions=server.instructions,
    )


async def ping(exchange: Exchange, params: Any) -> Result:
    """2025-11-25, basic/utilities/ping."""
    return EmptyResult()


def capabilities(exchange: Exchange) -> ServerCapabilities:
    """What the server offers over this exchange's transport, and nothing it could not keep.

    Changes and log lines can be sent only where there is a stream, so a transport without streams
    does not promise them. Whether a function will log is not known before it runs.
    """
    server = exchange.server
    link = exchange.link
    remembers = exchange.peer.revision.enveloped or (link is not None and link.store.keeps)
    changes = {"listChanged": True} if exchange.caller.streams and remembers else {}
    resources = {**changes, "subscribe": True} if changes else {}
    offered: dict[str, Any] = {}
    if changes:
        offered["logging"] = {}  # 2026-07-28, server/utilities/logging#capabilities
    if len(server.tools):
        offered["tools"] = changes
    if len(server.resources) or len(server.resource_templates) or len(server.resource_listings):
        offered["resources"] = resources
    if len(server.prompts):
        offered["prompts"] = changes
    if server.completes:
        offered["completions"] = {}
    return ServerCapabilities.model_validate(offered)
