"""What a client may be pointed at, and the way that leads there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import httpx

from ..protocol.problems import shown_url
from .connecting import Transport
from .transports.http import HttpTransport
from .transports.stdio import StdioTransport
from .transports.websocket import WebSocketTransport


@runtime_checkable
class Connectable(Protocol):
    """Something that a client in the same process can be connected to, as an `MCPServer`."""

    def client_transport(self) -> Transport:
        """A way to it."""


def transport_for(
    target: Any,
    *,
    headers: Mapping[str, str] | None = None,
    auth: httpx.Auth | None = None,
    client: httpx.AsyncClient | None = None,
) -> Transport:
    """The way to `target`. Raises ValueError for what is no target."""
    if isinstance(target, str) and target.startswith(("http://", "https://")):
        return HttpTransport(target, headers=headers, auth=auth, client=client)
    if isinstance(target, str) and target.startswith(("ws://", "wss://")):
        if auth is not None or client is not None:
            raise ValueError(
                "auth= and http_client= are for http:// and https:// URLs: give a WebSocket "
                "headers=."
            )
        return WebSocketTransport(target, headers=headers)
    if headers is not None or auth is not None or client is not None:
        raise ValueError("headers=, auth= and http_client= are for URLs: there is none here.")
    if isinstance(target, str):
        raise ValueError(
            f"{shown_url(target)} is no http://, https://, ws:// or wss:// URL. A command to start "
            'is given as a list: ["python", "server.py"].'
        )
    if isinstance(target, list | tuple):
        return StdioTransport(target)
    if isinstance(target, Connectable):
        return target.client_transport()
    if hasattr(target, "open") and hasattr(target, "older"):
        transport: Transport = target
        return transport
    raise ValueError(
        f"A client cannot be connected to a {type(target).__name__}: give a URL, a command as a "
        "list, an MCPServer or a Transport."
    )
