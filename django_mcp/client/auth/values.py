"""What a client keeps: its registration at an authorization server, and the tokens for a server.

Both can be written as JSON (`model_dump_json`) and read again (`model_validate_json`); that text
holds secrets, and `repr` does not. Where they are kept belongs to `storage`.
"""

from __future__ import annotations

from pydantic import Field

from .metadata import Document, Names


class ClientInformation(Document):
    """How a client is known to one authorization server, `issuer`, and to no other.

    `token_endpoint_auth_method` is None where nothing was agreed; then the metadata of the
    authorization server decides. A client that was registered by hand has no `redirect_uris` here.
    """

    issuer: str
    client_id: str
    client_secret: str | None = Field(default=None, repr=False)
    #: Seconds since 1970; 0 or None for a secret that stays valid.
    client_secret_expires_at: float | None = None
    token_endpoint_auth_method: str | None = None
    redirect_uris: Names = ()


class Tokens(Document):
    """An access token for one server, and what there is to know of it."""

    access_token: str = Field(repr=False)
    refresh_token: str | None = Field(default=None, repr=False)
    #: Seconds since 1970 from which on it is renewed; None where nobody said.
    expires_at: float | None = None
    #: What was asked for. What a step-up asks for contains it.
    requested_scopes: Names = ()
    #: What was granted; the authorization server may give less than it was asked for.
    granted_scopes: Names = ()
    #: Whose tokens they are. No other authorization server gets to see the refresh token.
    issuer: str
    #: What they are for, as the authorization server was told.
    resource: str
    #: Whom they were given to: no other client can renew or end them. "" where nobody noted it.
    client_id: str = ""

    def expired(self, now: float) -> bool:
        return self.expires_at is not None and now >= self.expires_at
