"""Requests to a token endpoint, and what comes of them.

Each grant is a form: an authorization code, a refresh token, the client's own credentials, or an
assertion that somebody else has signed. `resource` is in every one of them (2026-07-28,
authorization#resource-parameter-implementation).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from . import scopes as scope_rules
from .client_authentication import Authentication, Signer, authentication
from .discovery import Discovery
from .errors import OAuthError, RegistrationError, RequestFailed, TokenRefused
from .steps import Reply, Steps, complaint
from .values import ClientInformation, Tokens

TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105 - not a secret
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ID_JAG = "urn:ietf:params:oauth:token-type:id-jag"
ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"  # noqa: S105 - not a secret

#: A token is renewed this long before it runs out, or a tenth of its life before: seconds.
MARGIN = 30

_SECRETS = ("code", "code_verifier", "refresh_token", "assertion", "subject_token")


class TokenReply(BaseModel):
    """What a token endpoint answers (RFC 6749, section 5.1; RFC 8693, section 2.2.1)."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    access_token: str = Field(min_length=1, repr=False)
    token_type: str = "Bearer"  # noqa: S105 - the name of a scheme
    expires_in: float | None = None
    refresh_token: str | None = Field(default=None, repr=False)
    scope: str | None = None
    issued_token_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Grantor:
    """One client at one authorization server, asking for tokens for one server."""

    found: Discovery
    client: ClientInformation
    signer: Signer | None = None

    def exchange(
        self, *, code: str, code_verifier: str, redirect_uri: str, scopes: Sequence[str]
    ) -> Steps[Tokens]:
        """An authorization code becomes tokens (RFC 6749, section 4.1.3; RFC 7636)."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "code_verifier": code_verifier,
            "redirect_uri": redirect_uri,
        }
        return self._tokens(form, requested=scopes, granted=scopes)

    def refresh(self, tokens: Tokens) -> Steps[Tokens]:
        """A refresh token becomes new tokens, with the scopes that were granted before.

        Where no new refresh token comes, the old one stays good (RFC 6749, section 6).
        """
        form = {"grant_type": "refresh_token", "refresh_token": tokens.refresh_token or ""}
        return self._tokens(
            form,
            requested=tokens.requested_scopes,
            granted=tokens.granted_scopes,
            refresh_token=tokens.refresh_token,
        )

    def client_credentials(self, scopes: Sequence[str]) -> Steps[Tokens]:
        """The client gets a token for itself (RFC 6749, section 4.4)."""
        form = _with_scope({"grant_type": "client_credentials"}, scopes)
        return self._tokens(form, requested=scopes, granted=scopes)

    def jwt_bearer(self, assertion: str, scopes: Sequence[str]) -> Steps[Tokens]:
        """An assertion that the authorization server trusts becomes a token (RFC 7523)."""
        form = _with_scope({"grant_type": JWT_BEARER, "assertion": assertion}, scopes)
        return self._tokens(form, requested=scopes, granted=scopes)

    def revoke(self, tokens: Tokens) -> Steps[bool]:
        """Have the authorization server end tokens (RFC 7009); False where it has no way to.

        The refresh token first: with it most end the access token too, but they need not.
        Raises TokenRefused and RequestFailed.
        """
        endpoint = self.found.metadata.revocation_endpoint
        if not endpoint:
            return False
        known = authentication(
            self.client, self.found.metadata.revocation_endpoint_auth_methods_supported, self.signer
        )
        for hint, token in (
            ("refresh_token", tokens.refresh_token),
            ("access_token", tokens.access_token),
        ):
            if token is None:
                continue
            reply = yield _post(endpoint, {"token": token, "token_type_hint": hint}, known)
            if reply.status != HTTPStatus.OK:
                raise _refusal(reply, [token, *known.secrets], "does not end a token")
        return True

    def _tokens(
        self,
        form: Mapping[str, str],
        *,
        requested: Sequence[str],
        granted: Sequence[str],
        refresh_token: str | None = None,
    ) -> Steps[Tokens]:
        if self.client.issuer != self.found.issuer:
            raise RegistrationError(
                f"The client {self.client.client_id!r} belongs to {self.client.issuer!r}; nothing"
                f" of it is shown to {self.found.issuer!r}."
            )
        known = authentication(
            self.client, self.found.metadata.token_endpoint_auth_methods_supported, self.signer
        )
        reply = yield from ask(
            _endpoint(self.found), {**form, "resource": self.found.resource}, known
        )
        if reply.token_type.lower() != "bearer":
            raise TokenRefused(
                f"{self.found.issuer!r} gave a token of the type {reply.token_type[:40]!r}; this"
                " client uses bearer tokens only.",
                error="",
                status=200,
            )
        return Tokens(
            access_token=reply.access_token,
            refresh_token=reply.refresh_token or refresh_token,
            expires_at=expiry(reply.expires_in),
            requested_scopes=tuple(requested),
            granted_scopes=tuple(granted if reply.scope is None else reply.scope.split()),
            issuer=self.found.issuer,
            resource=self.found.resource,
            client_id=self.client.client_id,
        )


def token_exchange(
    endpoint: str,
    *,
    known: Authentication,
    subject_token: str,
    subject_token_type: str,
    found: Discovery,
    scopes: Sequence[str],
) -> Steps[str]:
    """Have an identity provider turn an identity into an ID-JAG for `found`.

    Enterprise-Managed Authorization, section 4. Raises TokenRefused, also where something else
    than an ID-JAG comes back.
    """
    form = {
        "grant_type": TOKEN_EXCHANGE,
        "requested_token_type": ID_JAG,
        "audience": found.issuer,
        "resource": found.resource,
        "subject_token": subject_token,
        "subject_token_type": subject_token_type,
    }
    reply = yield from ask(endpoint, _with_scope(form, scopes), known)
    if reply.issued_token_type != ID_JAG:
        raise TokenRefused(
            f"{endpoint!r} was asked for {ID_JAG!r} and gave {str(reply.issued_token_type)[:80]!r}."
            " Its administrator has to allow this client the enterprise-managed authorization.",
            error="",
            status=200,
        )
    return reply.access_token


def ask(endpoint: str, form: Mapping[str, str], known: Authentication) -> Steps[TokenReply]:
    """Send `form`, and read what comes back. Raises TokenRefused and RequestFailed."""
    reply = yield _post(endpoint, form, known)
    return _read(reply, [*(form.get(name) for name in _SECRETS), *known.secrets])


def _post(endpoint: str, form: Mapping[str, str], known: Authentication) -> httpx.Request:
    return httpx.Request(
        "POST",
        endpoint,
        data={**form, **known.form},
        headers={"Accept": "application/json", **known.headers},
    )


def _read(reply: Reply, secrets: Sequence[str | None]) -> TokenReply:
    document: dict[str, Any] | None = reply.document
    if reply.status == 200 and document is not None and "error" not in document:
        try:
            return TokenReply.model_validate(document)
        except ValidationError as error:
            fields = ", ".join(sorted({str(each["loc"][0]) for each in error.errors()}))
            raise RequestFailed(
                f"{reply.url!r} answered with a token that cannot be read; look at {fields}.",
                url=reply.url,
            ) from None
    raise _refusal(reply, secrets, "gives no token")


def _refusal(reply: Reply, secrets: Sequence[str | None], what: str) -> OAuthError:
    """What a reply that is no answer is raised as."""
    said = complaint(reply, secrets)
    if reply.status >= 500 or reply.status == 429:
        # Trouble over there: it does not say that the grant is no good.
        return RequestFailed(
            f"{reply.url!r} could not answer: {said.text}. Try again later.", url=reply.url
        )
    if 300 <= reply.status < 400:
        return RequestFailed(
            f"{reply.url!r} answered {reply.status}; what is sent to a token endpoint is not sent"
            " on to another place. The authorization server has to name the right endpoint.",
            url=reply.url,
        )
    return TokenRefused(
        f"{reply.url!r} {what}: {said.text}.", error=said.error, status=reply.status
    )


def expiry(expires_in: float | None) -> float | None:
    """When a token that is good for `expires_in` seconds from now on is to be renewed."""
    if expires_in is None:
        return None
    return time.time() + expires_in - min(MARGIN, expires_in / 10)


def _endpoint(found: Discovery) -> str:
    if not found.metadata.token_endpoint:
        raise RequestFailed(
            f"The metadata of {found.issuer!r} has no token_endpoint; its operator has to add it.",
            url=found.issuer,
        )
    return found.metadata.token_endpoint


def _with_scope(form: Mapping[str, str], scopes: Sequence[str]) -> dict[str, str]:
    scope = scope_rules.parameter(scopes)
    return dict(form) if scope is None else {**form, "scope": scope}
