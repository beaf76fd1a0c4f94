"""What the four lists have in common: a page, written from bytes where nobody looks inside."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ...protocol import jsonrpc
from ...protocol.types import WireModel
from ..dispatch import Encoded, Result, encode
from ..exchange import Exchange
from ..registry import Collection, Component, Page

C = TypeVar("C", bound=Component)


async def page(
    exchange: Exchange,
    collection: Collection[C],
    cursor: str | None,
    result: Callable[..., WireModel],
) -> Result:
    """The page of `collection` after `cursor`, as a result of the type `result`.

    Middleware gets the result as a value it can change; without any, its members are bytes that
    were written before.
    """
    server = exchange.server
    principal = exchange.caller.principal
    found = await collection.page(principal, server.workers, cursor, server.page_size)
    hint = server.cache_hint(exchange.request.method, guarded=collection.guarded)
    options = {"next_cursor": found.next_cursor, "ttl_ms": hint.ttl_ms, "cache_scope": hint.scope}
    name = _attribute(collection.kind)
    if server.middleware:
        revision, origin = exchange.peer.revision, exchange.caller.origin
        definitions = collection.definitions(found.members, revision, origin)
        return result(**{name: definitions}, **options)
    return _encoded(exchange, collection, found, result(**{name: []}, **options))


def _encoded(
    exchange: Exchange, collection: Collection[C], found: Page[C], frame: WireModel
) -> Encoded:
    revision, origin = exchange.peer.revision, exchange.caller.origin
    wire = encode(frame, exchange)
    del wire[collection.kind]
    members = b",".join(collection.written(found.members, revision, origin))
    rest = jsonrpc.dumps(wire)[1:-1]
    head = b'{"' + collection.kind.encode() + b'":[' + members + b"]"
    return head + (b"," + rest if rest else b"") + b"}"


def _attribute(kind: str) -> str:
    return {"resourceTemplates": "resource_templates"}.get(kind, kind)
