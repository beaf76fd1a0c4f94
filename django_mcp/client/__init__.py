"""The other side of the wire: a client for any Model Context Protocol server.

    async with Client("https://example.com/mcp") as client:
        result = await client.call_tool("add", {"a": 1, "b": 2})

It needs no Django and knows nothing of the server in this package: both stand on `protocol`.
"""

from __future__ import annotations

from .caching import ResponseCache
from .callbacks import Callbacks, UserCancelled
from .changes import Change, Changes
from .client import Client
from .connecting import Transport
from .errors import (
    ClientError,
    ConnectionFailed,
    ConnectionLost,
    InvalidAnswer,
    NotSupported,
    OutputMismatch,
    RequestTimedOut,
    ServerError,
    SessionLost,
    ToolFailed,
    UnexpectedStatus,
)
from .groups import ClientGroup
from .results import ToolResult
from .transports.http import HttpTransport
from .transports.http_sse import SseTransport
from .transports.stdio import StdioTransport
from .transports.websocket import WebSocketTransport
from .typed import Record

__all__ = [
    "Callbacks",
    "Change",
    "Changes",
    "Client",
    "ClientError",
    "ClientGroup",
    "ConnectionFailed",
    "ConnectionLost",
    "HttpTransport",
    "InvalidAnswer",
    "NotSupported",
    "OutputMismatch",
    "Record",
    "RequestTimedOut",
    "ResponseCache",
    "ServerError",
    "SessionLost",
    "SseTransport",
    "StdioTransport",
    "ToolFailed",
    "ToolResult",
    "Transport",
    "UnexpectedStatus",
    "UserCancelled",
    "WebSocketTransport",
]
