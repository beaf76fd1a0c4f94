"""How a client comes to a client ID, and which way is taken (2026-07-28, client-registration).

In this order: an ID that was agreed on before, for just this authorization server; the URL of a
document in which the client describes itself; dynamic registration. What was registered belongs to
one authorization server and is never shown to another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx
from pydantic import ValidationError

from .client_authentication import METHODS, NONE, PRIVATE_KEY, to_register
from .discovery import Discovery
from .errors import RegistrationError, UnsafeURL
from .scopes import parameter
from .steps import Steps, complaint
from .urls import check_url, is_loopback
from .values import ClientInformation

NATIVE = "native"
WEB = "web"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """Who the client is. Give what there is; the first that fits is used.

    `client`: a registration made by hand, for one authorization server. With it no other way is
    tried, and no other authorization server. `metadata_url`: the https URL, with a path, of the
    client's own metadata document. `client_name`: what users are shown when it registers itself;
    `dynamic=False` keeps it from doing so. `application_type`: "native" or "web"; by itself it
    follows from the redirect URI. `extra`: further members of the registration, such as
    `client_uri`.

    Raises RegistrationError for a `metadata_url` that cannot be one.
    """

    client: ClientInformation | None = None
    metadata_url: str | None = None
    client_name: str = "django_mcp"
    dynamic: bool = True
    application_type: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.metadata_url is not None and not _may_be_client_id(self.metadata_url):
            raise RegistrationError(
                f"{self.metadata_url!r} cannot be a client ID: the URL of a client's metadata is"
                " https and has a path, such as https://example.com/mcp-client.json."
            )

    def choose_issuer(self, issuers: Sequence[str]) -> str:
        """The authorization server to use, of those that are named.

        Raises RegistrationError where the client is registered at none of them: it would show its
        ID, and perhaps its secret, to somebody else.
        """
        if self.client is None:
            return issuers[0]
        if self.client.issuer in issuers:
            return self.client.issuer
        raise RegistrationError(
            f"The client {self.client.client_id!r} is registered at {self.client.issuer!r}, but the"
            f" server's authorization server is {', '.join(map(repr, issuers))}. Register the"
            " client there, and give that issuer, to the letter."
        )

    def without_asking(self, found: Discovery) -> ClientInformation | None:
        """The client ID that takes no request; None where there is none."""
        if self.client is not None:
            self.choose_issuer([found.issuer])
            return self.client
        if self.metadata_url and found.metadata.client_id_metadata_document_supported:
            return ClientInformation(issuer=found.issuer, client_id=self.metadata_url)
        return None


def register(
    registration: Registration, found: Discovery, redirect_uri: str, scopes: Sequence[str]
) -> Steps[ClientInformation]:
    """Register at the authorization server (RFC 7591). Raises RegistrationError."""
    endpoint = found.metadata.registration_endpoint
    if not endpoint or not registration.dynamic:
        raise RegistrationError(
            f"There is no client ID for {found.issuer!r}, and none can be had by asking. Register"
            " the client there by hand, and give its ID as"
            f" `Registration(client=ClientInformation(issuer={found.issuer!r}, client_id=…))`."
        )
    metadata = client_metadata(registration, found, redirect_uri, scopes)
    reply = yield httpx.Request(
        "POST", endpoint, json=metadata, headers={"Accept": "application/json"}
    )
    document = reply.document
    if reply.status not in (200, 201) or document is None:
        said = complaint(reply, [])
        raise RegistrationError(
            f"{found.issuer!r} does not register this client: {said.text}. It was asked for"
            f" {metadata['application_type']!r} with the redirect URI {redirect_uri!r}; if it does"
            " not take these, register the client by hand.",
            error=said.error,
        )
    try:
        client = ClientInformation.model_validate(
            {"redirect_uris": [redirect_uri], **document, "issuer": found.issuer}
        )
    except ValidationError:
        raise RegistrationError(
            f"{found.issuer!r} answered the registration without a usable `client_id`. Register the"
            " client by hand."
        ) from None
    return _usable(client)


def client_metadata(
    registration: Registration, found: Discovery, redirect_uri: str, scopes: Sequence[str]
) -> dict[str, Any]:
    """What the client says of itself (RFC 7591, section 2).

    `application_type` is always there: without it an OpenID provider takes the client for a web
    application, and refuses a redirect URI on this machine.
    """
    native = (registration.application_type or _type_for(redirect_uri)) == NATIVE
    method = to_register(found.metadata.token_endpoint_auth_methods_supported, native=native)
    metadata: dict[str, Any] = {
        "client_name": registration.client_name,
        "redirect_uris": [redirect_uri],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "application_type": NATIVE if native else WEB,
    }
    if method is not None:
        metadata["token_endpoint_auth_method"] = method
    if (scope := parameter(scopes)) is not None:
        metadata["scope"] = scope
    return {**metadata, **registration.extra}


def still_valid(client: ClientInformation, redirect_uri: str, now: float) -> bool:
    """Whether a stored registration is good for an authorization that ends at `redirect_uri`."""
    alive = not client.client_secret_expires_at or now < client.client_secret_expires_at
    return alive and redirect_uri in client.redirect_uris


def _usable(client: ClientInformation) -> ClientInformation:
    """`client`, which the authorization server may have changed (RFC 7591, section 3.2.1)."""
    method = client.token_endpoint_auth_method
    if method == PRIVATE_KEY or (method is not None and method not in METHODS):
        raise RegistrationError(
            f"{client.issuer!r} registered the client to authenticate with {method!r}, which takes"
            " a key it does not have. Register it by hand."
        )
    if method not in (None, NONE) and not client.client_secret:
        raise RegistrationError(
            f"{client.issuer!r} registered the client to authenticate with {method!r}, and gave it"
            " no secret. Register it by hand."
        )
    return client


def _type_for(redirect_uri: str) -> str:
    parts = urlsplit(redirect_uri)
    remote = parts.scheme == "https" and not is_loopback(parts.hostname or "")
    return WEB if remote else NATIVE


def _may_be_client_id(url: str) -> bool:
    try:
        parts = check_url(url, "The client ID")
    except UnsafeURL:
        return False
    dots = {".", ".."} & set(parts.path.split("/"))
    return parts.scheme == "https" and parts.path not in ("", "/") and not dots
