"""logging/setLevel and notifications/message: log lines for the client."""

from typing import Literal, TypeAlias, get_args

from .base import JSONValue, NotificationParams, RequestParams

LoggingLevel: TypeAlias = Literal[
    "debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"
]

LOGGING_LEVELS: tuple[LoggingLevel, ...] = get_args(LoggingLevel)
"""The levels of RFC 5424, the least severe first."""


class SetLevelRequestParams(RequestParams):
    """logging/setLevel, up to 2025-11-25: the least severe level the client wants to hear of."""

    level: LoggingLevel


class LoggingMessageNotificationParams(NotificationParams):
    """notifications/message: a log line; `data` is any JSON value, null included."""

    level: LoggingLevel
    logger: str | None = None
    data: JSONValue
