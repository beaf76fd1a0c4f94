"""What the four lists have in common: a page, written from bytes where nobody looks inside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from ...protocol import codec, jsonrpc
from ...protocol.types import Resource, WireModel
from .. import pagination
from ..access import allowed
from ..dispatch import Encoded, Result, encode
from ..exchange import Exchange
from ..listings import Listing, Listings
from ..registry import Collection, Component, Page

C = TypeVar("C", bound=Component)


async def page(
    exchange: Exchange,
    collection: Collection[C],
    cursor: str | None,
    result: Callable[..., WireModel],
    listings: Listings | None = None,
) -> Result:
    """The page of `collection` after `cursor`, as a result of the type `result`.

    What `listings` find follows the members, and differs from caller to caller. Middleware gets the
    result as a value it can change; without any, its members are bytes that were written before.
    """
    server = exchange.server
    more = listings.members if listings is not None else []
    found, others = await _found(exchange, collection, cursor, more)
    guarded = collection.guarded or bool(more)
    hint = server.cache_hint(exchange.request.method, guarded=guarded)
    options = {"next_cursor": found.next_cursor, "ttl_ms": hint.ttl_ms, "cache_scope": hint.scope}
    name = _attribute(collection.kind)
    revision, origin = exchange.peer.revision, exchange.caller.origin
    presented = [collection.presented(other, origin) for other in others]
    if server.middleware:
        definitions = collection.definitions(found.members, revision, origin)
        return result(**{name: [*definitions, *presented]}, **options)
    written = collection.written(found.members, revision, origin)
    written = [*written, *(jsonrpc.dumps(codec.encode(other, revision)) for other in presented)]
    return _encoded(exchange, collection.kind, written, result(**{name: []}, **options))


async def _found(
    exchange: Exchange, collection: Collection[C], cursor: str | None, listings: Sequence[Listing]
) -> tuple[Page[C], list[Resource]]:
    """The members of a page, and what of the listings stands on it behind them."""
    server, principal = exchange.server, exchange.caller.principal
    kind, size = collection.kind, server.page_size
    begin = pagination.within(kind, cursor) if listings else None
    members: Page[C] = Page([], None)
    if begin is None:
        members = await collection.page(principal, server.workers, cursor, size)
        if members.next_cursor is not None or not listings:
            return members, []
    verdicts = await allowed([each.rule for each in listings], principal, server.workers)
    open_to = [each for each, verdict in zip(listings, verdicts, strict=True) if verdict]
    others, following = await _listed(exchange, kind, open_to, begin, size - len(members.members))
    return Page(members.members, following), others


async def _listed(
    exchange: Exchange,
    kind: str,
    listings: Sequence[Listing],
    begin: tuple[str, str | None] | None,
    room: int,
) -> tuple[list[Resource], str | None]:
    """At most `room` resources of `listings` from `begin` on, and the cursor to what follows.

    Each listing is asked once at most, so a page costs what the listings it touches do.
    """
    name, after = begin or (None, None)
    names = [listing.name for listing in listings]
    if name is not None and name not in names:
        raise pagination.unknown(kind)
    found: list[Resource] = []
    for listing in listings[names.index(name) if name is not None else 0 :]:
        if len(found) >= room:
            return found, pagination.encode_within(kind, listing.name, None)
        resources, following = await listing.page(exchange, after, room - len(found))
        found += resources
        if following is not None:
            return found, pagination.encode_within(kind, listing.name, following)
        after = None
    return found, None


def _encoded(exchange: Exchange, kind: str, members: Sequence[bytes], frame: WireModel) -> Encoded:
    wire = encode(frame, exchange)
    del wire[kind]
    rest = jsonrpc.dumps(wire)[1:-1]
    head = b'{"' + kind.encode() + b'":[' + b",".join(members) + b"]"
    return head + (b"," + rest if rest else b"") + b"}"


def _attribute(kind: str) -> str:
    return {"resourceTemplates": "resource_templates"}.get(kind, kind)
