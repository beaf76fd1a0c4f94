"""How a client proves at the token endpoint who it is (RFC 6749, section 2.3; RFC 7523).

Four methods: `none`, `client_secret_basic`, `client_secret_post` and `private_key_jwt`. The last
one takes a signer: a callable that makes a signed JWT of claims. `signing.PrivateKey` is one.
"""

from __future__ import annotations

import secrets
import time
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import quote_plus

from .errors import RegistrationError
from .values import ClientInformation

NONE = "none"
BASIC = "client_secret_basic"
POST = "client_secret_post"
PRIVATE_KEY = "private_key_jwt"
METHODS = (NONE, BASIC, POST, PRIVATE_KEY)

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

#: Seconds a signed assertion is good for: it is used at once.
ASSERTION_LIFETIME = 120

#: Claims become a signed JWT.
Signer: TypeAlias = Callable[[Mapping[str, Any]], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Authentication:
    """What a token request carries so that the client is known."""

    form: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be repeated in a message."""
        hidden = ("client_secret", "client_assertion")
        return tuple(self.form[name] for name in hidden if name in self.form)


def authentication(
    client: ClientInformation, offered: Sequence[str] | None, signer: Signer | None
) -> Authentication:
    """What `client` sends along to a token endpoint that offers the methods `offered`.

    Raises RegistrationError where the client has nothing to be known by in the way that is agreed.
    """
    method = client.token_endpoint_auth_method or choose(client, offered, signer)
    if method == PRIVATE_KEY:
        if signer is None:
            raise RegistrationError(_lacks(client, method, "a signer (`signer=`)"))
        assertion = signer(claims(client))
        # The client is named by the assertion (RFC 7523, section 3).
        return Authentication(
            form={"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}
        )
    if method == NONE:
        return Authentication(form={"client_id": client.client_id})
    if method not in METHODS:
        raise RegistrationError(
            f"The client {client.client_id!r} is registered at {client.issuer!r} to authenticate"
            f" with {method!r}, which is not among {', '.join(METHODS)}. Register it with one of"
            " them."
        )
    if not client.client_secret:
        raise RegistrationError(_lacks(client, method, "a client secret"))
    if method == POST:
        return Authentication(
            form={"client_id": client.client_id, "client_secret": client.client_secret}
        )
    # Both parts are form-encoded before they are joined (RFC 6749, section 2.3.1).
    pair = f"{quote_plus(client.client_id)}:{quote_plus(client.client_secret)}"
    encoded = b64encode(pair.encode()).decode("ascii")
    return Authentication(headers={"Authorization": f"Basic {encoded}"})


def choose(client: ClientInformation, offered: Sequence[str] | None, signer: Signer | None) -> str:
    """The method for a client with which none was agreed.

    An authorization server that does not say what it offers takes `client_secret_basic`
    (RFC 8414, section 2), and a client without a secret has no choice.
    """
    if signer is not None and (offered is None or PRIVATE_KEY in offered):
        return PRIVATE_KEY
    if not client.client_secret:
        return NONE
    return POST if offered is not None and BASIC not in offered and POST in offered else BASIC


def to_register(offered: Sequence[str] | None, *, native: bool) -> str | None:
    """The method to ask for in a registration; None leaves it to the authorization server.

    A program on somebody's machine cannot keep a secret, so it asks for none where it may.
    """
    if offered is None:
        return None
    preferred = (NONE, BASIC, POST) if native else (BASIC, POST, NONE)
    return next((method for method in preferred if method in offered), None)


def claims(client: ClientInformation) -> dict[str, Any]:
    """What an assertion says (RFC 7523, section 3); it is for the issuer and nobody else."""
    now = int(time.time())
    return {
        "iss": client.client_id,
        "sub": client.client_id,
        "aud": client.issuer,
        "jti": secrets.token_urlsafe(16),
        "iat": now,
        "exp": now + ASSERTION_LIFETIME,
    }


def _lacks(client: ClientInformation, method: str, what: str) -> str:
    return (
        f"The client {client.client_id!r} authenticates at {client.issuer!r} with {method!r}, and"
        f" has not got what that takes: {what}."
    )
