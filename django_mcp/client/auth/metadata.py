"""The two documents that discovery reads, as far as a client needs them.

What stands beside the named fields is ignored, and `null` is the same as nothing. Where the
documents are, and whether they may be believed, belongs to `urls` and `discovery`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict


def _nothing_is_empty(value: object) -> object:
    return () if value is None else value


Names = Annotated[tuple[str, ...], BeforeValidator(_nothing_is_empty)]


class Document(BaseModel):
    """What came over the wire, or goes into a storage: frozen, and silent about what it refuses."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class ProtectedResourceMetadata(Document):
    """What a server says of itself (RFC 9728, section 2)."""

    resource: str
    authorization_servers: Names = ()
    #: What basic use takes; None where the server does not say.
    scopes_supported: tuple[str, ...] | None = None


class AuthorizationServerMetadata(Document):
    """What an authorization server says of itself (RFC 8414, section 2)."""

    issuer: str
    authorization_endpoint: str | None = None
    token_endpoint: str | None = None
    registration_endpoint: str | None = None
    #: Where tokens are given back (RFC 7009).
    revocation_endpoint: str | None = None
    scopes_supported: Names = ()
    code_challenge_methods_supported: Names = ()
    #: None where it does not say, which stands for `client_secret_basic`.
    token_endpoint_auth_methods_supported: tuple[str, ...] | None = None
    #: None stands for `client_secret_basic` as well.
    revocation_endpoint_auth_methods_supported: tuple[str, ...] | None = None
    client_id_metadata_document_supported: bool = False
    authorization_response_iss_parameter_supported: bool = False
