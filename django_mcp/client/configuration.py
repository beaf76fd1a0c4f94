"""The `mcpServers` of a host's configuration file, as targets for clients.

    {"mcpServers": {"library": {"url": "https://example.com/mcp", "headers": {…}},
                    "files": {"command": "python", "args": ["files.py"], "env": {…}}}}

Owns which keys there are. What a target leads to is `targets`. Nothing is read from a file or the
environment here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from .connecting import Transport
from .transports.http import HttpTransport
from .transports.http_sse import SseTransport
from .transports.stdio import StdioTransport
from .transports.websocket import WebSocketTransport

_REMOTE: Final[Mapping[str, Any]] = {
    "http": HttpTransport,
    "streamable-http": HttpTransport,
    "streamableHttp": HttpTransport,
    "sse": SseTransport,
    "ws": WebSocketTransport,
    "websocket": WebSocketTransport,
}


def transports_of(config: Mapping[str, Any]) -> dict[str, Transport]:
    """A way to each server that is not `disabled`; `config` may be the inner object alone.

    Raises ValueError naming the server whose entry is wrong.
    """
    servers = config.get("mcpServers", config)
    if not isinstance(servers, Mapping):
        raise ValueError("mcpServers is an object with an entry for each server.")
    found = {}
    for name, entry in servers.items():
        if not isinstance(entry, Mapping):
            raise ValueError(f"mcpServers[{name!r}] is no object.")
        if entry.get("disabled"):
            continue
        try:
            found[name] = _transport(entry)
        except (ValueError, TypeError) as error:
            raise ValueError(f"mcpServers[{name!r}]: {error}") from error
    return found


def _transport(entry: Mapping[str, Any]) -> Transport:
    if "command" in entry:
        return StdioTransport(
            [entry["command"], *entry.get("args", ())], env=entry.get("env"), cwd=entry.get("cwd")
        )
    url = entry.get("url") or entry.get("serverUrl")
    if not isinstance(url, str):
        raise ValueError('an entry has a "url", or a "command" with "args".')
    kind = entry.get("type") or entry.get("transport") or _kind_of(url)
    if kind not in _REMOTE:
        raise ValueError(f"the type {kind!r} is not one of {', '.join(_REMOTE)}.")
    transport: Transport = _REMOTE[kind](url, headers=entry.get("headers"))
    return transport


def _kind_of(url: str) -> str:
    return "ws" if url.startswith(("ws://", "wss://")) else "http"
