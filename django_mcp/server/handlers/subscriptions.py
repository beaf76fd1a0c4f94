"""subscriptions/listen: a stream of the changes a client asked to hear of."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ...protocol.envelope import SUBSCRIPTION_ID
from ...protocol.errors import InternalError, InvalidParams, MethodNotFound
from ...protocol.types import (
    SubscriptionFilter,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
)
from ..dispatch import Result
from ..exchange import Exchange
from ..subscriptions import MAX_LISTENERS, MAX_RESOURCES, Subscription, notification
from .resources import readable

if TYPE_CHECKING:
    from ..server import MCPServer


async def listen(exchange: Exchange, params: SubscriptionsListenRequestParams) -> Result:
    """2026-07-28, basic/patterns/subscriptions.

    Listening starts before the acknowledgement is sent, so no change falls in between. Returns when
    the server ends the subscription; a client that goes away cancels it.
    """
    server = exchange.server
    if not exchange.caller.streams:
        raise MethodNotFound(exchange.request.method)
    wanted = await _honoured(exchange, params.notifications)
    if len(server.subscriptions) >= MAX_LISTENERS:
        raise InternalError("This server has as many subscriptions open as it can serve.")
    subscription = Subscription(wanted)
    close = subscription.open(server.broker)
    server.subscriptions.add(subscription)
    _keep_track(server)
    mark = {SUBSCRIPTION_ID: exchange.request.id}
    try:
        await _acknowledge(exchange, wanted, mark)
        await _forward(exchange, subscription, mark)
    finally:
        server.subscriptions.discard(subscription)
        close()
    return SubscriptionsListenResult.model_validate({"_meta": mark})


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
    resources = [uri for uri in uris if await readable(exchange, uri)]
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
            # A right may have been taken away since the stream was opened.
            if change.uri is not None and not await readable(exchange, change.uri):
                continue
            method, params = notification(change)
            await exchange.outlet.send(method, {"_meta": mark, **params})
    except asyncio.CancelledError:
        # Not the client going away but the process going down: end the stream properly.
        if not exchange.outlet.connected:
            raise
