"""subscriptions/listen, since 2026-07-28: one stream for the changes a client wants to hear of."""

from typing import Annotated

from pydantic import Field

from .base import MetaObject, NotificationParams, RequestParams, Result, WireModel


class SubscriptionFilter(WireModel):
    """Which changes; `resource_subscriptions` are URIs."""

    tools_list_changed: bool | None = None
    prompts_list_changed: bool | None = None
    resources_list_changed: bool | None = None
    resource_subscriptions: list[str] | None = None


class SubscriptionsListenRequestParams(RequestParams):
    """subscriptions/listen: what the client asks for."""

    notifications: SubscriptionFilter


class SubscriptionsListenResult(Result):
    """The server ends the stream; `meta` must hold the subscription's id (see meta.py)."""

    meta: Annotated[MetaObject, Field(alias="_meta")]


class SubscriptionsAcknowledgedNotificationParams(NotificationParams):
    """notifications/subscriptions/acknowledged: what the client gets of it."""

    notifications: SubscriptionFilter
