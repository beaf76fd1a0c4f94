"""Authorization of a client of MCP servers: OAuth 2.1 as MCP profiles it, for `httpx.AsyncClient`.

    import httpx
    from django_mcp.client.auth import OAuth

    client = httpx.AsyncClient(auth=OAuth("https://mcp.example.com/mcp"))

What is where:

    oauth, unattended         the kinds of `httpx.Auth`: with a user, and without
    bearer, single_flight     a token on each request; new ones once for all who wait
    authorization             begin → the user → finish; also for web projects
    interaction, loopback     how a user is asked
    storage, values           what is kept, and where
    discovery, registration, code_flow, grants, client_authentication, scopes
                              the protocol: generators of requests, and values; no network
    steps, sending, addresses how the requests are sent, and where they must not go
    urls, challenges, metadata  what comes over the wire
    signing                   keys for private_key_jwt; the only part that needs PyJWT
    errors                    what goes wrong

Nothing here knows of Django or of a server.
"""

from __future__ import annotations

from .addresses import PublicTransport
from .authorization import Authorization
from .code_flow import AuthorizationResponse, Pending
from .errors import (
    AuthorizationError,
    AuthorizationRefused,
    AuthorizationTimeout,
    DiscoveryError,
    InsufficientScope,
    InteractionRequired,
    IssuerMismatch,
    MetadataInvalid,
    MetadataNotFound,
    OAuthError,
    RegistrationError,
    RequestFailed,
    ResourceMismatch,
    StateMismatch,
    TokenRefused,
    TokenRejected,
    UnsafeURL,
)
from .interaction import Handlers, Interaction, NoInteraction, Visit
from .loopback import LoopbackBrowser
from .oauth import OAuth
from .registration import Registration
from .storage import MemoryStorage, TakesTurns, TokenStorage
from .unattended import ClientCredentials, EnterpriseManaged, IdentityProvider, JwtBearer
from .values import ClientInformation, Tokens

__all__ = [
    "Authorization",
    "AuthorizationError",
    "AuthorizationRefused",
    "AuthorizationResponse",
    "AuthorizationTimeout",
    "ClientCredentials",
    "ClientInformation",
    "DiscoveryError",
    "EnterpriseManaged",
    "Handlers",
    "IdentityProvider",
    "InsufficientScope",
    "Interaction",
    "InteractionRequired",
    "IssuerMismatch",
    "JwtBearer",
    "LoopbackBrowser",
    "MemoryStorage",
    "MetadataInvalid",
    "MetadataNotFound",
    "NoInteraction",
    "OAuth",
    "OAuthError",
    "Pending",
    "PublicTransport",
    "Registration",
    "RegistrationError",
    "RequestFailed",
    "ResourceMismatch",
    "StateMismatch",
    "TakesTurns",
    "TokenRefused",
    "TokenRejected",
    "TokenStorage",
    "Tokens",
    "UnsafeURL",
    "Visit",
]
