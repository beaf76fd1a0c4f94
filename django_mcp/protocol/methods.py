"""Every request and notification of every revision: one row for each.

A row says who sends the method, what travels with it, and from which revision to which it exists.
The shapes are in types/, what is done about a method is in server/handlers/. In 2026-07-28 the
server sends no requests: elicitation/create, sampling/createMessage and roots/list travel inside
an input_required result, and are no methods there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from . import types as t
from .revisions import (
    REVISIONS,
    V2024_11_05,
    V2025_06_18,
    V2025_11_25,
    V2026_07_28,
    Revision,
)

Kind = Literal["request", "notification"]
Sender = Literal["client", "server", "both"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A request or notification, and what is to be known about it."""

    name: str
    kind: Kind
    sender: Sender

    params: type[t.WireModel]
    result: type[t.WireModel] | None = None
    """None for a notification."""

    since: Revision = V2024_11_05
    until: Revision | None = None
    """The last revision that has it; None if the newest still does."""

    named: str | None = None
    """The param whose value the header `Mcp-Name` repeats
    (2026-07-28, basic/transports/streamable-http#standard-request-headers)."""

    cacheable: bool = False
    """The result says how long it may be kept (2026-07-28, server/utilities/caching)."""

    may_ask: bool = False
    """May be answered with questions (2026-07-28, basic/patterns/mrtr#supported-requests)."""

    def exists_in(self, revision: Revision) -> bool:
        """Tell whether the revision has the method."""
        return self.since <= revision and (self.until is None or revision <= self.until)


_CLIENT_REQUESTS = (
    Method(
        name="initialize",
        kind="request",
        sender="client",
        params=t.InitializeRequestParams,
        result=t.InitializeResult,
        until=V2025_11_25,
    ),
    Method(
        name="server/discover",
        kind="request",
        sender="client",
        params=t.RequestParams,
        result=t.DiscoverResult,
        since=V2026_07_28,
        cacheable=True,
    ),
    Method(
        name="tools/list",
        kind="request",
        sender="client",
        params=t.PaginatedRequestParams,
        result=t.ListToolsResult,
        cacheable=True,
    ),
    Method(
        name="tools/call",
        kind="request",
        sender="client",
        params=t.CallToolRequestParams,
        result=t.CallToolResult,
        named="name",
        may_ask=True,
    ),
    Method(
        name="resources/list",
        kind="request",
        sender="client",
        params=t.PaginatedRequestParams,
        result=t.ListResourcesResult,
        cacheable=True,
    ),
    Method(
        name="resources/templates/list",
        kind="request",
        sender="client",
        params=t.PaginatedRequestParams,
        result=t.ListResourceTemplatesResult,
        cacheable=True,
    ),
    Method(
        name="resources/read",
        kind="request",
        sender="client",
        params=t.ReadResourceRequestParams,
        result=t.ReadResourceResult,
        named="uri",
        cacheable=True,
        may_ask=True,
    ),
    Method(
        name="resources/subscribe",
        kind="request",
        sender="client",
        params=t.SubscribeRequestParams,
        result=t.EmptyResult,
        until=V2025_11_25,
    ),
    Method(
        name="resources/unsubscribe",
        kind="request",
        sender="client",
        params=t.UnsubscribeRequestParams,
        result=t.EmptyResult,
        until=V2025_11_25,
    ),
    Method(
        name="prompts/list",
        kind="request",
        sender="client",
        params=t.PaginatedRequestParams,
        result=t.ListPromptsResult,
        cacheable=True,
    ),
    Method(
        name="prompts/get",
        kind="request",
        sender="client",
        params=t.GetPromptRequestParams,
        result=t.GetPromptResult,
        named="name",
        may_ask=True,
    ),
    Method(
        name="completion/complete",
        kind="request",
        sender="client",
        params=t.CompleteRequestParams,
        result=t.CompleteResult,
    ),
    Method(
        name="logging/setLevel",
        kind="request",
        sender="client",
        params=t.SetLevelRequestParams,
        result=t.EmptyResult,
        until=V2025_11_25,
    ),
    Method(
        name="subscriptions/listen",
        kind="request",
        sender="client",
        params=t.SubscriptionsListenRequestParams,
        result=t.SubscriptionsListenResult,
        since=V2026_07_28,
    ),
)

_SERVER_REQUESTS = (
    Method(
        name="elicitation/create",
        kind="request",
        sender="server",
        params=t.ElicitRequestParams,
        result=t.ElicitResult,
        since=V2025_06_18,
        until=V2025_11_25,
    ),
    Method(
        name="sampling/createMessage",
        kind="request",
        sender="server",
        params=t.CreateMessageRequestParams,
        result=t.CreateMessageResult,
        until=V2025_11_25,
    ),
    Method(
        name="roots/list",
        kind="request",
        sender="server",
        params=t.RequestParams,
        result=t.ListRootsResult,
        until=V2025_11_25,
    ),
)

_REQUESTS_OF_BOTH = (
    Method(
        name="ping",
        kind="request",
        sender="both",
        params=t.RequestParams,
        result=t.EmptyResult,
        until=V2025_11_25,
    ),
)

_CLIENT_NOTIFICATIONS = (
    Method(
        name="notifications/initialized",
        kind="notification",
        sender="client",
        params=t.NotificationParams,
        until=V2025_11_25,
    ),
    Method(
        name="notifications/roots/list_changed",
        kind="notification",
        sender="client",
        params=t.NotificationParams,
        until=V2025_11_25,
    ),
    # In 2026-07-28 only the server sends requests' progress: it sends no requests itself.
    Method(
        name="notifications/progress",
        kind="notification",
        sender="client",
        params=t.ProgressNotificationParams,
        until=V2025_11_25,
    ),
)

_SERVER_NOTIFICATIONS = (
    Method(
        name="notifications/progress",
        kind="notification",
        sender="server",
        params=t.ProgressNotificationParams,
    ),
    Method(
        name="notifications/message",
        kind="notification",
        sender="server",
        params=t.LoggingMessageNotificationParams,
    ),
    Method(
        name="notifications/tools/list_changed",
        kind="notification",
        sender="server",
        params=t.NotificationParams,
    ),
    Method(
        name="notifications/prompts/list_changed",
        kind="notification",
        sender="server",
        params=t.NotificationParams,
    ),
    Method(
        name="notifications/resources/list_changed",
        kind="notification",
        sender="server",
        params=t.NotificationParams,
    ),
    Method(
        name="notifications/resources/updated",
        kind="notification",
        sender="server",
        params=t.ResourceUpdatedNotificationParams,
    ),
    Method(
        name="notifications/elicitation/complete",
        kind="notification",
        sender="server",
        params=t.ElicitationCompleteNotificationParams,
        since=V2025_11_25,
        until=V2025_11_25,
    ),
    Method(
        name="notifications/subscriptions/acknowledged",
        kind="notification",
        sender="server",
        params=t.SubscriptionsAcknowledgedNotificationParams,
        since=V2026_07_28,
    ),
)

_NOTIFICATIONS_OF_BOTH = (
    Method(
        name="notifications/cancelled",
        kind="notification",
        sender="both",
        params=t.CancelledNotificationParams,
    ),
)

METHODS: tuple[Method, ...] = (
    *_CLIENT_REQUESTS,
    *_SERVER_REQUESTS,
    *_REQUESTS_OF_BOTH,
    *_CLIENT_NOTIFICATIONS,
    *_SERVER_NOTIFICATIONS,
    *_NOTIFICATIONS_OF_BOTH,
)

_INDEX: dict[tuple[str, Revision, str], Method] = {
    (method.name, revision, sender): method
    for method in METHODS
    for revision in REVISIONS
    if method.exists_in(revision)
    for sender in (("client", "server") if method.sender == "both" else (method.sender,))
}


def find(name: str, revision: Revision, sender: str) -> Method | None:
    """Give the row of a method that `sender` ("client" or "server") sends in that revision.

    None if there is none: a method that the revision lacks is as unknown as any other name.
    """
    return _INDEX.get((name, revision, sender))
