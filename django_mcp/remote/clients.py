"""What a project calls: a client of a server that is known by its name.

async with await aget_client("weather", user=user) as client:
    result = await client.call_tool("forecast", {"city": "Rome"})
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from asgiref.sync import sync_to_async

from ..client import Client, StdioTransport
from . import conf
from .authorizing import auth_of, connect_url, headers_of
from .errors import NotConnected, RemoteError, ServerIncomplete, ServerUnknown
from .models import Connection, RemoteServer, holder_of
from .storage import tokens_in

__all__ = [
    "NotConnected",
    "RemoteError",
    "ServerIncomplete",
    "ServerUnknown",
    "aget_client",
    "client_of",
]


async def aget_client(name: str, user: Any = None, **options: Any) -> Client:
    """The client of the server called `name`, not connected yet, acting for `user`.

    `options` are those of `Client`; `headers` are sent beside those of the server. Raises
    ServerUnknown, ServerIncomplete and, where `user` has not connected to a server that wants that,
    NotConnected. From the client the same comes later, where what the user had is no good any more.
    """
    return await sync_to_async(_client_called)(name, user, options)


def _client_called(name: str, user: Any, options: dict[str, Any]) -> Client:
    server = RemoteServer.objects.filter(name=name, enabled=True).first()
    if server is None:
        raise ServerUnknown(name, f"There is no remote server {name!r}, or it is switched off.")
    return client_of(server, user, **options)


def client_of(server: RemoteServer, user: Any = None, **options: Any) -> Client:
    """The same for a server that is there. It asks the database, so async code has aget_client."""
    if "auth" in options:
        raise TypeError("auth= is not for a remote server: its authorization is in its row.")
    user_id = _id_of(user)
    if server.authorization == RemoteServer.Authorization.USER:
        if user_id is None or not _is_connected(server, user_id):
            raise NotConnected(server.name, connect_url(server.name))
        options.setdefault("cache_partition", holder_of(user_id))
    if server.command:
        return Client(_program(server), **options)
    headers: Mapping[str, str] = {**headers_of(server), **(options.pop("headers", None) or {})}
    # What an own HTTP client is for, a proxy or a certificate, is for the authorization, too.
    auth = auth_of(server, user_id, http=options.get("http_client"))
    return Client(server.url, headers=headers or None, auth=auth, **options)


def _program(server: RemoteServer) -> StdioTransport:
    if not conf.get().allow_stdio:
        raise ServerIncomplete(
            server.name,
            f"The server {server.name!r} is a program, and DJANGO_MCP_REMOTE['ALLOW_STDIO'] is not"
            " True.",
        )
    return StdioTransport(server.arguments, env=dict(server.secrets.environment))


def _id_of(user: Any) -> Any:
    """Whom a client acts for; None for nobody, and for who may not do anything any more."""
    if user is None or not user.is_authenticated or not user.is_active:
        return None
    return user.pk


def _is_connected(server: RemoteServer, user_id: Any) -> bool:
    row = Connection.objects.filter(server=server, holder=holder_of(user_id)).first()
    return row is not None and row.url == server.url and tokens_in(row) is not None
