"""The keys of `_meta` that MCP keeps for itself (2026-07-28, basic/index#_meta).

On the messages `meta` is a plain dict. The models here read, or write, the reserved part of it:
`decode(RequestMetaObject, params["_meta"], revision)`, `encode(ResultMetaObject(…), revision)`.
"""

from typing import Annotated, Final

from pydantic import Field

from .base import Implementation, ProgressToken, RequestId, WireModel
from .lifecycle import ClientCapabilities
from .logging import LoggingLevel

META_PROGRESS_TOKEN: Final = "progressToken"  # noqa: S105, no secret
META_PROTOCOL_VERSION: Final = "io.modelcontextprotocol/protocolVersion"
META_CLIENT_CAPABILITIES: Final = "io.modelcontextprotocol/clientCapabilities"
META_CLIENT_INFO: Final = "io.modelcontextprotocol/clientInfo"
META_LOG_LEVEL: Final = "io.modelcontextprotocol/logLevel"
META_SUBSCRIPTION_ID: Final = "io.modelcontextprotocol/subscriptionId"
META_SERVER_INFO: Final = "io.modelcontextprotocol/serverInfo"


class RequestMetaObject(WireModel):
    """What a request says of its sender; the revision and the capabilities are required."""

    progress_token: ProgressToken | None = None
    protocol_version: Annotated[str, Field(alias=META_PROTOCOL_VERSION)]
    client_capabilities: Annotated[ClientCapabilities, Field(alias=META_CLIENT_CAPABILITIES)]
    client_info: Annotated[Implementation | None, Field(alias=META_CLIENT_INFO)] = None
    log_level: Annotated[LoggingLevel | None, Field(alias=META_LOG_LEVEL)] = None


class NotificationMetaObject(WireModel):
    """Which subscriptions/listen request the notification is sent for."""

    subscription_id: Annotated[RequestId | None, Field(alias=META_SUBSCRIPTION_ID)] = None


class ResultMetaObject(WireModel):
    """Who answered."""

    server_info: Annotated[Implementation | None, Field(alias=META_SERVER_INFO)] = None


class SubscriptionsListenResultMetaObject(ResultMetaObject):
    """Who answered, and which subscriptions/listen request ended."""

    subscription_id: Annotated[RequestId, Field(alias=META_SUBSCRIPTION_ID)]
