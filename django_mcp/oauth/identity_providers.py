"""The setting IDENTITY_PROVIDERS: whose tokens are taken besides this project's own, and how.

Each provider is known by its issuer, letter by letter as its tokens and its metadata have it. What
its tokens are is `external`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from ..conf import problems_of

#: Algorithms with a key of its own for each side: who verifies cannot sign.
ASYMMETRIC: Final = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
)
#: The longest issuer: what the column of identities has room for.
LONGEST_ISSUER: Final = 255


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class IdentityProvider:
    """What IDENTITY_PROVIDERS may say of one issuer; every key is in capitals there."""

    issuer: str
    verify_by: Literal["signature", "introspection"] = "signature"
    """Whether tokens are JWTs whose signature is looked at, or asked about one by one."""
    audiences: Sequence[str] | None = None
    """What `aud` may name; None for the URL of the endpoint the token was sent to."""
    scope_claims: Sequence[str] = ("scope", "scp")
    """Where its tokens have their scopes: "permissions" besides, for one."""
    clients: Sequence[str] = ()
    """The clients whose tokens are taken, by `client_id`; empty for any."""

    algorithms: Sequence[str] = ASYMMETRIC
    jwks_url: str | None = None
    """Where its keys are; None for where its metadata says."""

    introspection_url: str | None = None
    """Where tokens are asked about; None for where its metadata says."""
    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    """What this project is known by there."""
    client_authentication: Literal["basic", "post"] = "basic"
    """Whether those go into the header or into the form."""

    match_email: bool = False
    """Whether an identity that is not linked is linked to the user with its verified address."""
    create_users: bool | str = False
    """Whether a user is made for one that is not linked; or the dotted path of what makes it."""


def problems(setting: str, given: Mapping[object, object]) -> list[tuple[str, str]]:
    """What is wrong with the value of IDENTITY_PROVIDERS, as pairs of a message and a hint.

    No value is repeated but issuers and those known to hold no secret.
    """
    return [problem for issuer, said in given.items() for problem in _of_one(setting, issuer, said)]


_HINT: Final = 'For example {"https://login.example.com/realms/acme": {"CREATE_USERS": True}}.'


def _of_one(setting: str, issuer: object, said: object) -> Iterator[tuple[str, str]]:
    wrong = _url_problem(issuer)
    if wrong or len(str(issuer)) > LONGEST_ISSUER:
        # Not repeated: it may be a URL with a password.
        yield f"{setting}: an issuer {wrong or 'is too long'}.", _HINT
        return
    name = f"{setting}[{issuer!r}]"
    further = {
        "AUDIENCES": _audience_problem,
        "ALGORITHMS": _algorithm_problem,
        "JWKS_URL": _optional_url_problem,
        "INTROSPECTION_URL": _optional_url_problem,
    }
    found = problems_of(name, IdentityProvider, said, further, hidden=_HIDDEN)
    yield from found
    if found or not isinstance(said, Mapping):
        return
    if "ISSUER" in said:
        yield f"{name}['ISSUER']: the issuer is the key, and is not said again.", "Leave it out."
    if said.get("VERIFY_BY") == "introspection":
        missing = [key for key in ("CLIENT_ID", "CLIENT_SECRET") if not said.get(key)]
        if missing:
            yield (
                f"{name} has no {' and no '.join(missing)}: who asks about tokens has to say who "
                "it is.",
                "Register this project at the provider as a client with a secret.",
            )


#: What may hold a secret, if only by mistake.
_HIDDEN: Final = frozenset({"CLIENT_SECRET", "CLIENT_ID", "JWKS_URL", "INTROSPECTION_URL"})


def _audience_problem(value: Any) -> str | None:
    if value is None or (value and all(value) and not isinstance(value, str)):
        return None
    return (
        "Tokens that were issued for anything would be taken. Name what `aud` has in tokens for "
        "here, or leave it out for the URL of the endpoint."
    )


def _algorithm_problem(value: Any) -> str | None:
    wrong = [each for each in value if each not in ASYMMETRIC]
    if value and not wrong:
        return None
    return (
        f"Should be of {', '.join(ASYMMETRIC)}. Whoever verifies with any other can sign as well."
    )


def _optional_url_problem(value: Any) -> str | None:
    wrong = None if value is None else _url_problem(value, query=True)
    return wrong and f"The URL {wrong}."


def _url_problem(value: object, *, query: bool = False) -> str | None:
    """What is wrong with a URL; the sentence goes on after its subject."""
    if not isinstance(value, str):
        return "is not a string"
    try:
        parts = urlsplit(value)
        known = parts.scheme in ("http", "https") and bool(parts.hostname)
        parts.port  # noqa: B018 - raises ValueError
    except ValueError:
        known = False
    if not known or not value.isascii() or any(character <= " " for character in value):
        return "is not a URL that begins with https://"
    if "@" in parts.netloc:
        return "has a user name in it"
    if parts.fragment or "#" in value:
        return "has a fragment"
    if not query and "?" in value:
        return "has a query"
    return None


def providers(given: Mapping[str, Mapping[str, Any]]) -> dict[str, IdentityProvider]:
    """Each provider by its issuer; `given` has no problems."""
    return {
        issuer: IdentityProvider(
            issuer=issuer, **{key.lower(): value for key, value in said.items()}
        )
        for issuer, said in given.items()
    }
