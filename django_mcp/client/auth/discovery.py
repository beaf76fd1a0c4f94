"""From a server's 401 to its authorization server, in the order the specification gives.

2026-07-28, authorization-server-discovery: the server's metadata where its challenge says, at its
path, at its host; then that of the authorization server. A server of 2025-03-26 has no metadata of
its own: its host is the authorization server, with endpoints at fixed paths if it must be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx
from pydantic import ValidationError

from .challenges import NO_CHALLENGE, Challenge
from .errors import IssuerMismatch, MetadataInvalid, MetadataNotFound, ResourceMismatch
from .metadata import AuthorizationServerMetadata, Document, ProtectedResourceMetadata
from .steps import Reply, Steps
from .urls import (
    SERVER_METADATA,
    authorization_server_urls,
    base_url,
    canonical_resource,
    check_url,
    describes,
    resource_metadata_urls,
)

D = TypeVar("D", bound=Document)

_ENDPOINTS = (
    "authorization_endpoint",
    "token_endpoint",
    "registration_endpoint",
    "revocation_endpoint",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovery:
    """What was found: what to ask a token for, and whom."""

    #: The `resource` parameter, exactly as the server writes it.
    resource: str
    #: What the authorization server says of itself.
    metadata: AuthorizationServerMetadata
    #: What basic use takes, by the server's own metadata; None where it does not say.
    scopes_supported: tuple[str, ...] | None = None
    #: True where there was no metadata, and the endpoints are those 2025-03-26 names.
    assumed: bool = False

    @property
    def issuer(self) -> str:
        return self.metadata.issuer


def first(issuers: Sequence[str]) -> str:
    """The authorization server that is named first."""
    return issuers[0]


def discover(
    server_url: str,
    challenge: Challenge = NO_CHALLENGE,
    *,
    choose: Callable[[Sequence[str]], str] = first,
    headers: Mapping[str, str] | None = None,
    fallback: bool = True,
) -> Steps[Discovery]:
    """Find who gives tokens for `server_url`.

    `choose` picks one of the authorization servers that are named. `fallback=False` leaves out what
    only 2025-03-26 has. Raises DiscoveryError, IssuerMismatch, UnsafeURL.
    """
    check_url(server_url, "The server's URL")
    resource = yield from _resource_metadata(server_url, challenge, headers, fallback)
    if resource is None:
        return (yield from _host_as_authorization_server(server_url, headers))
    issuer = choose(resource.authorization_servers)
    metadata = yield from authorization_server(issuer, headers=headers)
    return Discovery(
        resource=resource.resource, metadata=metadata, scopes_supported=resource.scopes_supported
    )


def authorization_server(
    issuer: str, *, headers: Mapping[str, str] | None = None
) -> Steps[AuthorizationServerMetadata]:
    """The metadata of `issuer`, which says that it is of `issuer`, letter for letter."""
    check_url(issuer, "The authorization server")
    urls = authorization_server_urls(issuer)
    failures: list[str] = []
    for url in urls:
        reply = yield _get(url, headers)
        if (document := _found(reply, failures)) is not None:
            metadata = _read(AuthorizationServerMetadata, document, url)
            if metadata.issuer != issuer:
                raise _other_issuer(url, expected=issuer, found=metadata.issuer)
            return _with_safe_endpoints(metadata)
    raise MetadataNotFound(
        f"The authorization server {issuer!r} has no metadata: {_list(failures)}. Its operator has"
        " to publish it (RFC 8414).",
        urls=urls,
    )


def _resource_metadata(
    server_url: str, challenge: Challenge, headers: Mapping[str, str] | None, fallback: bool
) -> Steps[ProtectedResourceMetadata | None]:
    """The server's metadata, or None where it has none and may do without."""
    urls = list(resource_metadata_urls(server_url))
    if named := challenge.resource_metadata:
        check_url(named, "The server's resource_metadata")
        urls = [named, *(url for url in urls if url != named)]
    failures: list[str] = []
    broken = False
    for url in urls:
        reply = yield _get(url, headers)
        if (document := _found(reply, failures)) is not None:
            return _believed(document, url, server_url)
        broken = broken or reply.status >= 500 or reply.status == 429
    # A server in trouble says nothing about whether it has metadata. Neither does one that names
    # a document which is not there: nobody may be talked into the older way.
    if fallback and not broken and not challenge.resource_metadata:
        return None
    raise MetadataNotFound(
        f"{server_url!r} has no protected resource metadata: {_list(failures)}. Its operator has to"
        " publish it (RFC 9728).",
        urls=urls,
    )


def _believed(document: Mapping[str, Any], url: str, server_url: str) -> ProtectedResourceMetadata:
    metadata = _read(ProtectedResourceMetadata, document, url)
    if not describes(url, metadata.resource, server_url):
        raise ResourceMismatch(expected=canonical_resource(server_url), found=metadata.resource)
    if not metadata.authorization_servers:
        raise MetadataInvalid(
            f"The metadata at {url!r} names no authorization server; its operator has to fill"
            " `authorization_servers`.",
            url=url,
        )
    return metadata


def _host_as_authorization_server(
    server_url: str, headers: Mapping[str, str] | None
) -> Steps[Discovery]:
    """2025-03-26, basic/authorization#authorization-base-url."""
    issuer = base_url(server_url)
    url = issuer + SERVER_METADATA
    failures: list[str] = []
    reply = yield _get(url, headers)
    resource = canonical_resource(server_url)
    if (document := _found(reply, failures)) is not None:
        metadata = _read(AuthorizationServerMetadata, document, url)
        # Nobody wrote this identifier down, so with and without its only slash it is the same.
        if metadata.issuer.removesuffix("/") != issuer:
            raise _other_issuer(url, expected=issuer, found=metadata.issuer)
        return Discovery(resource=resource, metadata=_with_safe_endpoints(metadata))
    if reply.status >= 500 or reply.status == 429:
        raise MetadataNotFound(
            f"The authorization server {issuer!r} does not give its metadata: {_list(failures)}."
            " Try again later.",
            urls=(url,),
        )
    assumed = AuthorizationServerMetadata(
        issuer=issuer,
        authorization_endpoint=f"{issuer}/authorize",
        token_endpoint=f"{issuer}/token",
        registration_endpoint=f"{issuer}/register",
        token_endpoint_auth_methods_supported=None,
    )
    return Discovery(resource=resource, metadata=assumed, assumed=True)


def _get(url: str, headers: Mapping[str, str] | None) -> httpx.Request:
    return httpx.Request("GET", url, headers={"Accept": "application/json", **(headers or {})})


def _found(reply: Reply, failures: list[str]) -> dict[str, Any] | None:
    """The document of `reply`, or None with a line in `failures`.

    What answers every path with a page of its own has no document either.
    """
    if reply.status != 200:
        failures.append(f"{reply.url} answered {reply.status}")
        return None
    if reply.document is None:
        failures.append(f"{reply.url} is not a JSON object")
    return reply.document


def _read(model: type[D], document: Mapping[str, Any], url: str) -> D:
    try:
        return model.model_validate(document)
    except ValidationError as error:
        fields = sorted({".".join(map(str, each["loc"])) for each in error.errors()})
        raise MetadataInvalid(
            f"The metadata at {url!r} is not valid; look at {', '.join(fields)}.", url=url
        ) from None


def _with_safe_endpoints(metadata: AuthorizationServerMetadata) -> AuthorizationServerMetadata:
    for name in _ENDPOINTS:
        if url := getattr(metadata, name):
            check_url(url, f"The {name} of {metadata.issuer!r}")
    return metadata


def _other_issuer(url: str, *, expected: str, found: str) -> IssuerMismatch:
    return IssuerMismatch(
        f"The metadata at {url!r} is of the issuer {found[:200]!r}, not of {expected!r}. It is not"
        " used; the operator has to make both the same, to the letter.",
        expected=expected,
        found=found,
    )


def _list(failures: Sequence[str]) -> str:
    return ", ".join(failures)
