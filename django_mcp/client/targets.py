"""What a client may be pointed at, and the way that leads there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import httpx

from .connecting import Transport
from .transports.http import HttpTransport


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
    if isinstance(target, str):
        if target.startswith(("http://", "https://")):
            return HttpTransport(target, headers=headers, auth=auth, client=client)
        raise ValueError(
            f"{target!r} is no http:// or https:// URL. A command to start is given as a list: "
            '["python", "server.py"].'
        )
    if isinstance(target, Connectable):
        return target.client_transport()
    if hasattr(target, "open") and hasattr(target, "older"):
        transport: Transport = target
        return transport
    raise ValueError(
        f"A client cannot be connected to a {type(target).__name__}: give a URL, a command as a "
        "list, an MCPServer or a Transport."
    )
