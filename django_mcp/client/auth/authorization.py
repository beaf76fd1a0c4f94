"""The authorization of a client by a user, in two steps with the user between them.

    authorization = Authorization(url, storage=of_the_user)
    pending = await authorization.begin(redirect_uri)          # send the user to pending.url
    ...                                                        # the user comes back
    tokens = await authorization.finish(pending, response)

A web project calls `begin` in one request and `finish` in another; `OAuth` has both in one call.
This module decides in which order documents are read, clients registered and tokens asked for, and
keeps what comes of it in the storage.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

import httpx

from . import scopes as scope_rules
from .challenges import NO_CHALLENGE, Challenge, bearer_challenge
from .client_authentication import Signer
from .code_flow import AuthorizationResponse, Pending, accept, prepare
from .discovery import Discovery, authorization_server, discover
from .errors import RegistrationError, TokenRefused
from .grants import Grantor
from .registration import Registration, register, still_valid
from .sending import Sender
from .storage import MemoryStorage, TokenStorage
from .urls import check_url
from .values import ClientInformation, Tokens

#: Errors of a token endpoint that say the client is not known there any more.
_CLIENT_UNKNOWN = ("invalid_client", "unauthorized_client")


class Authorization:
    """How one user lets a client use the MCP server at `server_url`.

    `scopes` are asked for beside those that the server wants. `registration` says who the client
    is, `signer` is its key for `private_key_jwt`. `fallback=False` refuses servers that have no
    metadata, as those of 2025-03-26. `http` is a client for the requests that are made here; where
    there is none, hosts that the server names are reached at public addresses only, unless
    `allow_private` is true.

    Raises UnsafeURL for a server that could not be trusted with a token.
    """

    def __init__(
        self,
        server_url: str,
        *,
        storage: TokenStorage | None = None,
        registration: Registration | None = None,
        scopes: Iterable[str] = (),
        signer: Signer | None = None,
        fallback: bool = True,
        allow_private: bool = False,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        check_url(server_url, "The server's URL")
        self.server_url = server_url
        self.storage: TokenStorage = MemoryStorage() if storage is None else storage
        self.registration = Registration() if registration is None else registration
        self.scopes = tuple(scopes)
        self.found: Discovery | None = None
        self._signer = signer
        self._fallback = fallback
        by_hand = self.registration.client
        trusted = [server_url] if by_hand is None else [server_url, by_hand.issuer]
        self._sender = Sender(*trusted, http=http, allow_private=allow_private)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.server_url}>"

    async def discover(
        self, challenge: Challenge = NO_CHALLENGE, headers: Mapping[str, str] | None = None
    ) -> Discovery:
        """Find the authorization server anew, and remember it. Raises OAuthError."""
        self.found = await self._sender.run(
            discover(
                self.server_url,
                challenge,
                choose=self.registration.choose_issuer,
                headers=headers,
                fallback=self._fallback,
            )
        )
        return self.found

    async def begin(
        self,
        redirect_uri: str,
        *,
        challenge: Challenge | str = NO_CHALLENGE,
        before: Iterable[str] = (),
    ) -> Pending:
        """The URL to send the user to, and what to keep until he is back.

        `challenge` is what the server answered, as a `WWW-Authenticate` header or taken apart.
        `before`: scopes that were asked for earlier, and are not given up. Raises OAuthError.
        """
        if isinstance(challenge, str):
            challenge = bearer_challenge([challenge])
        found = await self.discover(challenge)
        return await self.begin_at(found, redirect_uri, challenge=challenge, before=before)

    async def begin_at(
        self,
        found: Discovery,
        redirect_uri: str,
        *,
        challenge: Challenge = NO_CHALLENGE,
        before: Iterable[str] = (),
    ) -> Pending:
        """As `begin`, at an authorization server that is known."""
        scopes = scope_rules.with_offline_access(
            self.wanted(found, challenge, before), found.metadata.scopes_supported
        )
        client = await self._client_for(found, redirect_uri, scopes)
        return prepare(found, client, redirect_uri, scopes)

    async def finish(self, pending: Pending, response: AuthorizationResponse | str) -> Tokens:
        """Turn what the user came back with into tokens, which are then in the storage.

        `response` may be the URL of the redirect. Use a `pending` once: take it out of where it was
        kept before this is called. Raises OAuthError, and has then stored nothing.
        """
        if isinstance(response, str):
            response = AuthorizationResponse.from_url(response)
        code = accept(pending, response)
        client = await self._known_client(pending.found, pending.client_id)
        if client is None:
            raise RegistrationError(
                f"The client {pending.client_id!r}, for which the authorization was begun, is not"
                " in the storage any more. Begin the authorization again."
            )
        steps = self._grantor(pending.found, client).exchange(
            code=code,
            code_verifier=pending.code_verifier,
            redirect_uri=pending.redirect_uri,
            scopes=pending.scopes,
        )
        try:
            tokens = await self._sender.run(steps)
        except TokenRefused as refused:
            await self._forget_client(refused, client)
            raise
        await self.storage.set_tokens(self.server_url, tokens)
        return tokens

    async def refresh(self, found: Discovery, tokens: Tokens) -> Tokens | None:
        """New tokens for old ones, which are then in the storage.

        None where the user has to authorize again: the tokens are of another authorization server,
        or theirs does not renew them. Raises RequestFailed where it gave no answer; then they may
        still be good.
        """
        if tokens.refresh_token is None or tokens.issuer != found.issuer:
            return None
        client = await self._known_client(found, tokens.client_id)
        if client is None:
            return None
        try:
            renewed = await self._sender.run(self._grantor(found, client).refresh(tokens))
        except TokenRefused as refused:
            await self._forget_client(refused, client)
            return await self._without_refresh(tokens)
        await self.storage.set_tokens(self.server_url, renewed)
        return renewed

    async def revoke(self, tokens: Tokens) -> bool:
        """Have the authorization server that gave `tokens` end them.

        False where it has no endpoint for that, or the client is not known there any more. The
        storage is left alone: take them out of it first. Raises OAuthError.
        """
        metadata = await self._sender.run(authorization_server(tokens.issuer))
        found = Discovery(resource=tokens.resource, metadata=metadata)
        client = await self._known_client(found, tokens.client_id)
        if client is None:
            return False
        return await self._sender.run(self._grantor(found, client).revoke(tokens))

    def wanted(
        self, found: Discovery, challenge: Challenge, before: Iterable[str]
    ) -> tuple[str, ...]:
        """The scopes to ask for."""
        selected = scope_rules.select(challenge.scopes, found.scopes_supported)
        # What only the authorization server gives a meaning to is asked for anew, or not at all.
        kept = (scope for scope in before if scope != scope_rules.OFFLINE_ACCESS)
        return scope_rules.union(kept, selected, self.scopes)

    async def _client_for(
        self, found: Discovery, redirect_uri: str, scopes: tuple[str, ...]
    ) -> ClientInformation:
        client = self.registration.without_asking(found)
        if client is not None:
            return client
        client = await self.storage.get_client(found.issuer)
        if client is None or not still_valid(client, redirect_uri, time.time()):
            client = await self._sender.run(
                register(self.registration, found, redirect_uri, scopes)
            )
            await self.storage.set_client(found.issuer, client)
        return client

    async def _known_client(self, found: Discovery, client_id: str) -> ClientInformation | None:
        """The client that something was given to, whichever would begin today; None where it is
        not known any more. "" is whichever there is."""
        client = self.registration.without_asking(found)
        if client is None or client_id not in ("", client.client_id):
            client = await self.storage.get_client(found.issuer)
        return client if client is not None and client_id in ("", client.client_id) else None

    async def _forget_client(self, refused: TokenRefused, client: ClientInformation) -> None:
        """Register anew the next time, where the authorization server forgot the client."""
        if refused.error in _CLIENT_UNKNOWN:
            await self.storage.set_client(client.issuer, None)

    async def _without_refresh(self, tokens: Tokens) -> Tokens | None:
        """What another process stored while this one was refused: its refresh came first.

        None where there is nothing; then the refresh token is not tried again.
        """
        stored = await self.storage.get_tokens(self.server_url)
        if stored is not None and stored.access_token != tokens.access_token:
            return stored
        spent = tokens.model_copy(update={"refresh_token": None})
        await self.storage.set_tokens(self.server_url, spent)
        return None

    def _grantor(self, found: Discovery, client: ClientInformation) -> Grantor:
        return Grantor(found=found, client=client, signer=self._signer)
