"""Tokens that nobody has to be asked for: a client acts for itself, or for a user known elsewhere.

    ClientCredentials    the client's own secret or key       (io.modelcontextprotocol/
                                                               oauth-client-credentials)
    JwtBearer            an assertion that somebody signed    (RFC 7523)
    EnterpriseManaged    an assertion that the company's identity provider signs for a user who
                         signed in there                      (io.modelcontextprotocol/
                                                               enterprise-managed-authorization)

Each is an `httpx.Auth` as `OAuth` is, for a client that is registered by hand. There are no refresh
tokens: the grant is made again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

import httpx

from . import scopes as scope_rules
from .bearer import BearerAuth, Need, Obtained
from .client_authentication import Signer, authentication
from .discovery import Discovery, authorization_server, discover
from .errors import OAuthError, RegistrationError
from .grants import ID_TOKEN, Grantor, token_exchange
from .registration import Registration
from .sending import Sender
from .steps import Steps
from .storage import MemoryStorage, TokenStorage
from .values import ClientInformation, Tokens

#: An assertion for an authorization server (its issuer) and a resource.
Assertion: TypeAlias = Callable[[str, str], Awaitable[str]]


class Unattended(BearerAuth):
    """What the three have in common: discovery, scopes, and a grant that an heir makes."""

    def __init__(
        self,
        server_url: str,
        *,
        client: ClientInformation,
        scopes: Iterable[str] = (),
        signer: Signer | None = None,
        storage: TokenStorage | None = None,
        trusted: Iterable[str] = (),
        allow_private: bool = False,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        super().__init__(server_url, MemoryStorage() if storage is None else storage)
        self._registration = Registration(client=client, dynamic=False)
        self._client = client
        self._scopes = tuple(scopes)
        self._signer = signer
        self._sender = Sender(
            server_url, client.issuer, *trusted, http=http, allow_private=allow_private
        )
        self._found: Discovery | None = None

    async def grant(self, found: Discovery, scopes: tuple[str, ...]) -> Steps[Tokens]:
        """The requests that end in tokens. For heirs."""
        raise NotImplementedError

    def can_renew(self, tokens: Tokens) -> bool:
        return self._found is not None and self._found.issuer == tokens.issuer

    async def obtain(self, need: Need) -> Obtained:
        if self._found is None or (need.header and not need.step_up):
            self._found = await self._sender.run(
                discover(
                    self.server_url,
                    need.challenge,
                    choose=self._registration.choose_issuer,
                    headers=need.headers,
                    fallback=False,
                )
            )
        found = self._found
        before = (
            need.sent.requested_scopes if need.sent and need.sent.issuer == found.issuer else ()
        )
        selected = scope_rules.select(need.challenge.scopes, found.scopes_supported)
        scopes = scope_rules.union(before, selected, self._scopes)
        tokens = await self._sender.run(await self.grant(found, scopes))
        await self.storage.set_tokens(self.server_url, tokens)
        return Obtained(tokens=tokens, granted=True)

    def _grantor(self, found: Discovery) -> Grantor:
        return Grantor(found=found, client=self._client, signer=self._signer)


class ClientCredentials(Unattended):
    """The client acts for itself, with its secret, or with `signer`, its key.

    Raises RegistrationError for a client that has neither.
    """

    def __init__(
        self,
        server_url: str,
        *,
        client: ClientInformation,
        scopes: Iterable[str] = (),
        signer: Signer | None = None,
        storage: TokenStorage | None = None,
        allow_private: bool = False,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        if client.client_secret is None and signer is None:
            raise RegistrationError(
                f"The client {client.client_id!r} has neither a secret nor a signer, so it cannot"
                " act for itself. Give it the `client_secret` it was registered with, or a"
                " `signer`."
            )
        super().__init__(
            server_url,
            client=client,
            scopes=scopes,
            signer=signer,
            storage=storage,
            allow_private=allow_private,
            http=http,
        )

    async def grant(self, found: Discovery, scopes: tuple[str, ...]) -> Steps[Tokens]:
        return self._grantor(found).client_credentials(scopes)


class JwtBearer(Unattended):
    """The authorization server trusts an assertion that `assertion` gets from somewhere.

    It is called with the issuer and the resource, each time a token is wanted, and returns a signed
    JWT: that of a workload, for example. A refusal is raised and not tried again.
    """

    def __init__(
        self,
        server_url: str,
        *,
        client: ClientInformation,
        assertion: Assertion,
        scopes: Iterable[str] = (),
        signer: Signer | None = None,
        storage: TokenStorage | None = None,
        allow_private: bool = False,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        super().__init__(
            server_url,
            client=client,
            scopes=scopes,
            signer=signer,
            storage=storage,
            allow_private=allow_private,
            http=http,
        )
        self._assertion = assertion

    async def grant(self, found: Discovery, scopes: tuple[str, ...]) -> Steps[Tokens]:
        assertion = await self._assertion(found.issuer, found.resource)
        return self._grantor(found).jwt_bearer(assertion, scopes)


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityProvider:
    """Where users of a company sign in, and what this client has from there.

    `client` is the client as the identity provider knows it; `client.issuer` is its issuer.
    `identity` returns what proves the user: an ID token that was issued to this client, or what
    `subject_token_type` names. `token_endpoint` is read from the metadata where it is not given.
    """

    client: ClientInformation
    identity: Callable[[], Awaitable[str]]
    subject_token_type: str = ID_TOKEN
    token_endpoint: str | None = None
    signer: Signer | None = field(default=None, repr=False)


class EnterpriseManaged(Unattended):
    """The identity provider of a company decides what its users may use (SEP-990).

    `client` is the client as the server's authorization server knows it, `provider` where it gets
    the assertion for each user.
    """

    def __init__(
        self,
        server_url: str,
        *,
        client: ClientInformation,
        provider: IdentityProvider,
        scopes: Iterable[str] = (),
        signer: Signer | None = None,
        storage: TokenStorage | None = None,
        allow_private: bool = False,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        super().__init__(
            server_url,
            client=client,
            scopes=scopes,
            signer=signer,
            storage=storage,
            trusted=(provider.client.issuer, provider.token_endpoint or provider.client.issuer),
            allow_private=allow_private,
            http=http,
        )
        self._provider = provider

    async def grant(self, found: Discovery, scopes: tuple[str, ...]) -> Steps[Tokens]:
        return self._exchanged(found, scopes, await self._provider.identity())

    def _exchanged(self, found: Discovery, scopes: tuple[str, ...], identity: str) -> Steps[Tokens]:
        provider = self._provider
        endpoint, offered = provider.token_endpoint, None
        if endpoint is None:
            metadata = yield from authorization_server(provider.client.issuer)
            endpoint = metadata.token_endpoint
            offered = metadata.token_endpoint_auth_methods_supported
        if endpoint is None:
            raise OAuthError(
                f"The metadata of {provider.client.issuer!r} has no token_endpoint. Give it as"
                " `IdentityProvider(token_endpoint=…)`."
            )
        assertion = yield from token_exchange(
            endpoint,
            known=authentication(provider.client, offered, provider.signer),
            subject_token=identity,
            subject_token_type=provider.subject_token_type,
            found=found,
            scopes=scopes,
        )
        return (yield from self._grantor(found).jwt_bearer(assertion, scopes))
