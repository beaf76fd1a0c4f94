"""What is said about a request while it runs: its progress, and that it is cancelled."""

from typing import Annotated

from django_mcp.protocol.revisions import V2025_03_26

from .base import NotificationParams, Number, ProgressToken, RequestId, Since


class CancelledNotificationParams(NotificationParams):
    """notifications/cancelled: which request.

    Only 2025-11-25 lets `request_id` be absent, for tasks; such a notification cancels nothing.
    """

    request_id: RequestId | None = None
    reason: str | None = None


class ProgressNotificationParams(NotificationParams):
    """notifications/progress: how far the request with that token is; `progress` only grows."""

    progress_token: ProgressToken
    progress: Number
    total: Number | None = None
    message: Annotated[str | None, Since(V2025_03_26)] = None
