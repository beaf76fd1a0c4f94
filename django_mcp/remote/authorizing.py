"""With what a client comes to a server: a token for all, a user's own, or the project's.

What is asked of users here is nothing: who is not connected is told so, with `NotConnected`.
"""

from __future__ import annotations

from typing import Any

import httpx
from django.urls import NoReverseMatch, reverse

from ..client.auth import (
    Authorization,
    ClientCredentials,
    ClientInformation,
    InteractionRequired,
    NoInteraction,
    OAuth,
    Registration,
)
from ..client.auth.bearer import Need, Obtained
from . import conf
from .errors import NotConnected, ServerIncomplete
from .models import RemoteServer
from .storage import Storage


def connect_url(name: str) -> str:
    """The page on which a user connects to a server; "" where the URLs are not included."""
    try:
        return reverse("django_mcp_remote:connect", args=[name])
    except NoReverseMatch:
        return ""


class UserAuth(OAuth):
    """The tokens of one user; renewed without the user, and never asked for here."""

    def __init__(
        self, server: RemoteServer, user_id: Any, *, http: httpx.AsyncClient | None = None
    ) -> None:
        self._name = server.name
        self._kept = Storage(server, user_id)
        super().__init__(
            server.url,
            interaction=NoInteraction(),
            storage=self._kept,
            registration=registration_of(server),
            scopes=server.scopes.split(),
            allow_private=conf.get().allow_private,
            http=http,
        )

    async def obtain(self, need: Need) -> Obtained:
        try:
            return await super().obtain(need)
        except InteractionRequired:
            if need.step_up:
                await self._kept.want(need.challenge.scopes)
            raise NotConnected(self._name, connect_url(self._name)) from None


def authorization_of(
    server: RemoteServer, storage: Storage, *, http: httpx.AsyncClient | None = None
) -> Authorization:
    """The steps around a user, for a server that users connect to."""
    wanted = server.scopes.split()
    return Authorization(
        server.url,
        storage=storage,
        registration=registration_of(server),
        scopes=wanted,
        allow_private=conf.get().allow_private,
        http=http,
    )


def registration_of(server: RemoteServer) -> Registration:
    """Who the project is, at the authorization server of a server."""
    options = conf.get()
    return Registration(
        client=_by_hand(server) if server.client_id else None,
        metadata_url=options.client_metadata_url,
        client_name=options.client_name,
    )


def auth_of(
    server: RemoteServer, user_id: Any, *, http: httpx.AsyncClient | None = None
) -> httpx.Auth | None:
    """What puts a token on requests; None where that takes none, or the same for everybody.

    Raises ServerIncomplete, and UnsafeURL for a server that no token is sent to.
    """
    kinds = RemoteServer.Authorization
    if server.authorization == kinds.USER:
        return UserAuth(server, user_id, http=http)
    if server.authorization != kinds.PROJECT:
        return None
    client = _by_hand(server)
    if not client.client_secret:
        raise ServerIncomplete(server.name, f"The server {server.name!r} lacks its client secret.")
    return ClientCredentials(
        server.url,
        client=client,
        scopes=server.scopes.split(),
        storage=Storage(server, None),
        allow_private=conf.get().allow_private,
        http=http,
    )


def headers_of(server: RemoteServer) -> dict[str, str]:
    """What goes with each request, whoever makes it. Raises ServerIncomplete."""
    secrets = server.secrets
    headers = dict(secrets.headers)
    if server.authorization == RemoteServer.Authorization.BEARER:
        if not secrets.token:
            raise ServerIncomplete(server.name, f"The server {server.name!r} lacks its token.")
        headers["Authorization"] = f"Bearer {secrets.token}"
    return headers


def _by_hand(server: RemoteServer) -> ClientInformation:
    return ClientInformation(
        issuer=server.issuer,
        client_id=server.client_id,
        client_secret=server.secrets.client_secret or None,
    )
