"""subscriptions/listen: a stream of the changes a client asked to hear of."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from ...protocol.envelope import SUBSCRIPTION_ID
from ...protocol.errors import InternalError, InvalidParams, InvalidRequest, MethodNotFound
from ...protocol.types import (
    SubscriptionFilter,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
)
from ..access import ANONYMOUS
from ..dispatch import Result
from ..exchange import Exchange
from ..subscriptions import (
    MAX_LISTENERS,
    MAX_OF_ANONYMOUS,
    MAX_OF_ONE,
    MAX_RESOURCES,
    MAX_URI,
    Subscription,
    notification,
)
from .resources import readable, still_readable

if TYPE_CHECKING:
    from ..server import MCPServer

#: URIs that are matched before the loop may turn to somebody else.
_AT_ONCE: Final = 20


async def listen(exchange: Exchange, params: SubscriptionsListenRequestParams) -> Result:
    """2026-07-28, basic/patterns/subscriptions.

    Listening starts before the acknowledgement is sent, so no change falls in between. Returns when
    the server ends the subscription; a client that goes away cancels it.
    """
    server = exchange.server
    if not exchange.caller.streams:
        raise MethodNotFound(exchange.request.method)
    subscription = _admitted(exchange)
    server.subscriptions.add(subscription)
    _keep_track(server)
    mark = {SUBSCRIPTION_ID: exchange.request.id}
    try:
        wanted = await _honoured(exchange, params.notifications)
        subscription.open(server.broker, wanted)
        # What is acknowledged is heard, from whichever process it comes.
        await server.broker.settle()
        await _acknowledge(exchange, wanted, mark)
        await _forward(exchange, subscription, mark)
    finally:
        server.subscriptions.discard(subscription)
        subscription.close()
    return SubscriptionsListenResult.model_validate({"_meta": mark})


def _admitted(exchange: Exchange) -> Subscription:
    """A subscription for the caller, who is refused where there are too many already.

    Asked before anything else, since looking at what a client wants to follow is what costs.
    """
    subscriptions, owner = exchange.server.subscriptions, exchange.caller.principal.id
    if len(subscriptions) >= MAX_LISTENERS:
        raise InternalError("This server has as many subscriptions open as it can serve.")
    limit = MAX_OF_ANONYMOUS if owner == ANONYMOUS.id else MAX_OF_ONE
    if sum(other.owner == owner for other in subscriptions) >= limit:
        raise InvalidRequest(
            f"There are {limit} subscriptions open for this caller, and no more are allowed: close "
            "one first, or follow everything in one."
        )
    return Subscription(owner)


def _keep_track(server: MCPServer) -> None:
    """Have the server know of the task until its response is written to the end."""
    task = asyncio.current_task()
    if task is not None:
        server.listening.add(task)
        task.add_done_callback(server.listening.discard)


async def _honoured(exchange: Exchange, wanted: SubscriptionFilter) -> SubscriptionFilter:
    """The part of `wanted` that will be served: nothing of what the caller may not read."""
    uris = list(dict.fromkeys(wanted.resource_subscriptions or ()))
    if len(uris) > MAX_RESOURCES:
        raise InvalidParams(
            f"params.notifications.resourceSubscriptions names {len(uris)} resources; one "
            f"subscription may follow {MAX_RESOURCES}."
        )
    for uri in uris:
        if len(uri) > MAX_URI:
            raise InvalidParams(
                f"params.notifications.resourceSubscriptions has a URI of {len(uri)} characters; "
                f"{MAX_URI} are allowed."
            )
    resources = []
    for count, uri in enumerate(uris):
        if count % _AT_ONCE == 0:
            await asyncio.sleep(0)
        if await readable(exchange, uri):
            resources.append(uri)
    return SubscriptionFilter(
        tools_list_changed=wanted.tools_list_changed or None,
        prompts_list_changed=wanted.prompts_list_changed or None,
        resources_list_changed=wanted.resources_list_changed or None,
        resource_subscriptions=resources or None,
    )


async def _acknowledge(
    exchange: Exchange, honoured: SubscriptionFilter, mark: dict[str, Any]
) -> None:
    notifications = honoured.model_dump(by_alias=True, exclude_none=True)
    params = {"_meta": mark, "notifications": notifications}
    await exchange.outlet.send("notifications/subscriptions/acknowledged", params)


async def _forward(exchange: Exchange, subscription: Subscription, mark: dict[str, Any]) -> None:
    try:
        async for change in subscription.changes():
            if change.uri is not None and not await still_readable(exchange, change.uri):
                continue
            method, params = notification(change)
            await exchange.outlet.send(method, {"_meta": mark, **params})
    except asyncio.CancelledError:
        # Not the client going away but the process going down: end the stream properly.
        if not exchange.outlet.connected:
            raise
