"""The authorization request and the answer to it: what the user's browser carries.

Nothing is sent from here. A request is a URL and a `Pending`, which waits for the answer; an answer
is believed when it fits the `Pending` in `state` and in `iss`, and then is a code.

Sources: 2026-07-28, authorization#authorization-response-validation; RFC 7636; RFC 9207.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode, urlsplit

from pydantic import Field

from .discovery import Discovery
from .errors import AuthorizationRefused, DiscoveryError, IssuerMismatch, StateMismatch
from .metadata import AuthorizationServerMetadata, Document
from .scopes import OFFLINE_ACCESS, parameter
from .steps import described
from .urls import check_url
from .values import ClientInformation

S256 = "S256"

#: Seconds a user may take.
LIFETIME = 600

#: Fields of an answer; nobody sends so many.
MOST_FIELDS = 20


class Pending(Document):
    """An authorization that waits for its answer.

    It is kept under its `state`, where only the user who began it finds it: in a session, not in a
    cookie that can be read. `model_dump_json` and `model_validate_json` write and read it.
    """

    #: Where the user is sent.
    url: str = Field(repr=False)
    state: str = Field(repr=False)
    code_verifier: str = Field(repr=False)
    redirect_uri: str
    scopes: tuple[str, ...] = ()
    client_id: str
    resource: str
    #: What was found of the authorization server before the user was sent to it.
    metadata: AuthorizationServerMetadata
    assumed: bool = False
    #: Seconds since 1970.
    created_at: float

    @property
    def found(self) -> Discovery:
        return Discovery(resource=self.resource, metadata=self.metadata, assumed=self.assumed)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationResponse:
    """What the authorization server sent the user back with; None for what was not there."""

    code: str | None = field(default=None, repr=False)
    state: str | None = field(default=None, repr=False)
    iss: str | None = None
    error: str | None = None
    error_description: str | None = None

    @classmethod
    def from_url(cls, url: str) -> AuthorizationResponse:
        """Read the redirect's URL, or its query alone.

        Raises StateMismatch where a field comes twice (RFC 6749, section 3.1), or too many do.
        """
        query = urlsplit(url).query if "?" in url else url
        try:
            pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=MOST_FIELDS)
        except ValueError:
            raise StateMismatch("The answer has more fields than any has.") from None
        names = ("code", "state", "iss", "error", "error_description")
        fields = {name: value for name, value in pairs if name in names}
        for name in fields:
            if sum(name == other for other, _ in pairs) > 1:
                raise StateMismatch(f"The answer has the field {name!r} more than once.")
        return cls(**fields)


def prepare(
    found: Discovery, client: ClientInformation, redirect_uri: str, scopes: Sequence[str]
) -> Pending:
    """The authorization request: an URL for the user, and what to remember.

    Raises DiscoveryError where the authorization server does not say that it does PKCE with S256:
    then a stolen code could be used by the thief (2026-07-28, authorization/security-considerations
    #authorization-code-protection).
    """
    endpoint = found.metadata.authorization_endpoint
    if not endpoint:
        raise DiscoveryError(
            f"The metadata of {found.issuer!r} has no authorization_endpoint, so no user can be"
            " sent there."
        )
    if not found.assumed and S256 not in found.metadata.code_challenge_methods_supported:
        listed = ", ".join(found.metadata.code_challenge_methods_supported) or "none"
        raise DiscoveryError(
            f"The metadata of {found.issuer!r} does not list {S256!r} under"
            f" code_challenge_methods_supported (it lists {listed[:80]}). Without it nobody is"
            " authorized; its operator has to add it."
        )
    check_url(endpoint, f"The authorization_endpoint of {found.issuer!r}")
    state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(64)
    query = {
        "response_type": "code",
        "client_id": client.client_id,
        "redirect_uri": redirect_uri,
        "state": state,
        "code_challenge": code_challenge(verifier),
        "code_challenge_method": S256,
        "resource": found.resource,
    }
    if (scope := parameter(scopes)) is not None:
        query["scope"] = scope
    if OFFLINE_ACCESS in scopes:
        # OpenID Connect Core, section 11: without it, nobody is asked and it is ignored.
        query["prompt"] = "consent"
    return Pending(
        url=f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}",
        state=state,
        code_verifier=verifier,
        redirect_uri=redirect_uri,
        scopes=tuple(scopes),
        client_id=client.client_id,
        resource=found.resource,
        metadata=found.metadata,
        assumed=found.assumed,
        created_at=time.time(),
    )


def accept(pending: Pending, response: AuthorizationResponse) -> str:
    """The code of an answer that belongs to `pending`.

    Raises StateMismatch and IssuerMismatch before anything else of the answer is looked at, and
    AuthorizationRefused where there is an error in place of a code.
    """
    if not secrets.compare_digest((response.state or "").encode(), pending.state.encode()):
        raise StateMismatch(
            "The answer's state is not that of the request, so somebody else may have made it."
            " Nothing was done with it; begin the authorization again."
        )
    if time.time() > pending.created_at + LIFETIME:
        raise StateMismatch(
            f"The answer came more than {LIFETIME // 60} minutes after the request. Begin the"
            " authorization again."
        )
    _check_issuer(pending.metadata, response.iss)
    if response.error is not None:
        hidden = [pending.state, pending.code_verifier, response.code]
        said = described(response.error, response.error_description, hidden, "an unknown error")
        raise AuthorizationRefused(
            f"{pending.metadata.issuer!r} did not authorize the client: {said.text}.",
            error=said.error,
        )
    if not response.code:
        raise AuthorizationRefused(
            f"{pending.metadata.issuer!r} sent neither a code nor an error. Begin the authorization"
            " again.",
            error="",
        )
    return response.code


def code_challenge(verifier: str) -> str:
    """S256 of a verifier (RFC 7636, section 4.2)."""
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def _check_issuer(metadata: AuthorizationServerMetadata, iss: str | None) -> None:
    """RFC 9207, section 2.4: compared as it is, and missed where it was promised."""
    if iss is None:
        if metadata.authorization_response_iss_parameter_supported:
            raise IssuerMismatch(
                f"{metadata.issuer!r} promises an `iss` in its answers, and this one has none, so"
                " somebody else may have made it. Nothing was done with it.",
                expected=metadata.issuer,
                found=None,
            )
    elif iss != metadata.issuer:
        raise IssuerMismatch(
            f"The answer is of the issuer {iss[:200]!r}, not of {metadata.issuer!r}. Nothing was"
            " done with it.",
            expected=metadata.issuer,
            found=iss,
        )
