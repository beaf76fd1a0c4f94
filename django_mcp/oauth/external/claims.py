"""What a provider says with a token, and what of it must be right for the token to be good here.

The same for a JWT that was signed and for an answer about a token: who it is from, whom it is for,
since when and until when, whom it speaks for, and that it is an access token which whoever holds
it may use.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeGuard

from ...server.scopes import SCOPE
from ..addresses import canonical
from ..identity_providers import IdentityProvider

#: Seconds by which clocks may differ.
LEEWAY: Final = 30.0
#: Audiences and scopes of a token that are looked at.
MOST: Final = 500

#: A subject (OpenID Connect Core, section 2), and what a client is called.
_NAME: Final = re.compile(r"[\x20-\x7e]{1,255}")
_EMAIL: Final = re.compile(r"[\x21-\x3f\x41-\x7e]{1,64}@[a-zA-Z0-9.-]{1,189}")
#: What only ID tokens have (OpenID Connect Core, sections 2 and 3.3.2.11).
_OF_ID_TOKENS: Final = ("nonce", "at_hash", "c_hash", "s_hash")
#: Where a token has its client, by provider: RFC 9068, OpenID Connect, Okta, Entra ID.
_CLIENT: Final = ("client_id", "azp", "cid", "appid")
#: What providers call an access token, where they have a claim for that: Keycloak, Cognito and
#: Hydra, RFC 7662.
_KINDS: Final = {
    "typ": ("bearer",),
    "token_use": ("access", "access_token"),
    "token_type": ("bearer", "access_token", "urn:ietf:params:oauth:token-type:access_token"),
}


class NotGood(Exception):
    """A token lets nobody in; the text says why, without the token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a good token says."""

    issuer: str
    subject: str
    client_id: str | None
    scopes: frozenset[str]
    email: str | None
    """An address that the provider has verified."""
    everything: Mapping[str, Any] = field(repr=False)


def read(
    said: Mapping[str, Any], provider: IdentityProvider, resource: str, *, signed: bool, now: float
) -> Claims:
    """The claims of a token that is good for `resource` at `now`, in seconds since 1970.

    An answer about a token may leave out issuer and end, since it is of the provider and of this
    moment; what was `signed` may not. Raises NotGood.
    """
    if ("iss" in said or signed) and said.get("iss") != provider.issuer:
        raise NotGood("it is of another issuer")
    _check_kind(said)
    _check_times(said, signed=signed, now=now)
    _check_audience(said.get("aud"), provider, resource)
    subject = said.get("sub")
    if not isinstance(subject, str) or not _NAME.fullmatch(subject):
        raise NotGood("it has no subject, or none of up to 255 ASCII characters")
    client = next((said[name] for name in _CLIENT if name in said), None)
    if client is not None and not (isinstance(client, str) and _NAME.fullmatch(client)):
        raise NotGood("its client has no name of up to 255 ASCII characters")
    if provider.clients and client not in provider.clients:
        raise NotGood(f"its client {client!r} is none of CLIENTS")
    return Claims(
        issuer=provider.issuer,
        subject=subject,
        client_id=client,
        scopes=frozenset(_scopes_of(said, provider)),
        email=_email_of(said),
        everything=said,
    )


def _check_kind(said: Mapping[str, Any]) -> None:
    if any(name in said for name in _OF_ID_TOKENS):
        raise NotGood("it is an ID token")
    for name, kinds in _KINDS.items():
        kind = said.get(name, kinds[0])
        if not isinstance(kind, str) or kind.lower() not in kinds:
            raise NotGood(f"its {name} is not that of an access token")
    if "cnf" in said:
        # RFC 9449, section 7.1, and RFC 8705, section 3: not for whoever holds it.
        raise NotGood("it is bound to a key of its client, and the proof of that is not looked at")


def _check_times(said: Mapping[str, Any], *, signed: bool, now: float) -> None:
    if ("exp" in said or signed) and now >= _time(said, "exp") + LEEWAY:
        raise NotGood("it has expired")
    for name in ("nbf", "iat"):
        if name in said and now < _time(said, name) - LEEWAY:
            raise NotGood(f"its {name} lies in the future")


def _time(said: Mapping[str, Any], name: str) -> float:
    value = said.get(name)
    if not is_time(value):
        raise NotGood(f"its {name} is not a time")
    return float(value)


def is_time(value: object) -> TypeGuard[float]:
    """True for a NumericDate of RFC 7519; JSON has numbers that are none, and infinite ones."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return 0 <= value < 2**53


def _check_audience(value: object, provider: IdentityProvider, resource: str) -> None:
    listed = value if isinstance(value, list) else [value]
    named = [each for each in listed[:MOST] if isinstance(each, str) and each]
    if provider.audiences is None:
        good = any(canonical(each) == resource for each in named)
    else:
        good = any(each in provider.audiences for each in named)
    if not good:
        wanted = [resource] if provider.audiences is None else list(provider.audiences)
        raise NotGood(f"its audience is {str(named)[:200]}, and none of {wanted}")


def _scopes_of(said: Mapping[str, Any], provider: IdentityProvider) -> Iterator[str]:
    for name in provider.scope_claims:
        value = said.get(name)
        listed = value.split(" ") if isinstance(value, str) else value
        if isinstance(listed, list):
            for each in listed[:MOST]:
                if isinstance(each, str) and SCOPE.fullmatch(each):
                    yield each


def _email_of(said: Mapping[str, Any]) -> str | None:
    """The address, where the provider says that it has verified it; in ASCII, since other letters
    that look or sort alike are other letters."""
    email = said.get("email")
    if said.get("email_verified") is not True or not isinstance(email, str):
        return None
    return email if _EMAIL.fullmatch(email) else None
