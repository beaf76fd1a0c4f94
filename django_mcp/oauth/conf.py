"""The DJANGO_MCP_OAUTH setting as one typed object, read when it is first needed.

How a setting is read and what is said of a wrong one, is `django_mcp.conf`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _
from pydantic import NonNegativeInt, PositiveInt

from .. import conf
from ..server.scopes import ScopePolicy
from . import identity_providers
from .identity_providers import IdentityProvider

SETTING = "DJANGO_MCP_OAUTH"

#: What a client asks for to be given refresh tokens; it says nothing of what it may do
#: (2026-07-28, basic/authorization#refresh-tokens).
OFFLINE_ACCESS = "offline_access"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What DJANGO_MCP_OAUTH may say; every key is optional, and written in capitals there."""

    scopes: Mapping[str, Any] = field(
        default_factory=lambda: {
            "mcp:read": _("See what you can see"),
            "mcp:write": _("Change things in your name"),
        }
    )
    """Each scope there is, with the words people are asked for it in."""
    read_scopes: Sequence[str] = ("mcp:read",)
    """What a component that only reads needs, unless it names its scopes."""
    write_scopes: Sequence[str] = ("mcp:write",)
    """What any other component needs, unless it names its scopes."""
    implied_scopes: Mapping[str, Sequence[str]] = field(
        default_factory=lambda: {"mcp:write": ["mcp:read"]}
    )
    """The scopes that a scope brings with it."""
    base_scopes: Sequence[str] = ("mcp:read",)
    """What clients are told to ask for at first; more is asked for when it is needed."""

    path: str = "oauth"
    """Where the authorization server is, below where its URLs are included."""
    issuer: str | None = None
    """What the authorization server is called: "https://example.com/oauth". None for what the
    request was made to, which is right where there is one host."""
    authorization_servers: Sequence[str] = ()
    """Issuers that clients are told of; empty for the identity providers, or for this project."""
    identity_providers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    """Others whose tokens are taken, by issuer; what may be said of each is
    `identity_providers.IdentityProvider`."""
    verifiers: Sequence[str] = (
        "django_mcp.oauth.tokens.verify",
        "django_mcp.oauth.personal.verify",
    )
    """Who is asked, in order, whom a bearer token speaks for."""
    resources: Sequence[str] = ()
    """Paths of endpoints that are served where this process cannot see it: "/mcp"."""

    code_seconds: PositiveInt = 60
    access_token_seconds: PositiveInt = 3600
    refresh_token_seconds: PositiveInt = 30 * 24 * 3600
    """Seconds after which a refresh token that nobody has used is no longer good."""
    refresh_grace_seconds: NonNegativeInt = 60
    """Seconds for which a used refresh token is taken for one of a client that sent it twice."""

    registration: Literal["open", "approval", "off"] = "open"
    """Whether clients may register themselves, and whether staff has to allow each of them."""
    registrations_per_hour: PositiveInt = 20
    """… from one address."""
    client_documents: bool = True
    """Whether a client may be known by the URL of a document that describes it."""
    client_document_hosts: Sequence[str] = ()
    """The hosts those may be on; empty for any."""
    extra_redirect_uris: Sequence[str] = ("cursor://anysphere.cursor-mcp/oauth/callback",)
    """Redirect URIs, letter by letter, that are neither https nor on this computer. Cursor's leads
    to a program of the user's, as a port of this computer does, and a code that another program
    gets hold of there is good for nothing without the verifier (RFC 8252, section 8.1)."""

    client_credentials: bool = False
    """Whether there are clients that get tokens for a service account, without a user. They are
    made in the admin."""

    personal_tokens: bool = True
    """Whether people may make tokens of their own."""
    personal_token_days: PositiveInt = 90
    """The longest time such a token is good for."""


def problems(given: object) -> list[tuple[str, str]]:
    """What is wrong with the value of the setting, as pairs of a message and a hint."""
    key = "IDENTITY_PROVIDERS"
    found = conf.problems_of(SETTING, Settings, given, {"ISSUER": _issuer_problem}, hidden=[key])
    if isinstance(given, Mapping) and isinstance(given.get(key), Mapping):
        found += identity_providers.problems(f"{SETTING}[{key!r}]", given[key])
    return found


@cache
def get() -> Settings:
    """The settings; raises ImproperlyConfigured where they cannot be read."""
    given = getattr(settings, SETTING, {})
    return Settings(**conf.checked(given, problems(given)))


def below() -> str:
    """What the URLs of the app begin with. While the settings cannot be read it is the usual: the
    URLconf is imported for the checks, and they are to say what is wrong."""
    try:
        path = get().path
    except ImproperlyConfigured:
        path = Settings().path
    return path.strip("/")


@cache
def providers() -> Mapping[str, IdentityProvider]:
    """The identity providers, by issuer."""
    return identity_providers.providers(get().identity_providers)


@cache
def policy() -> ScopePolicy:
    """How the scopes of a token are read."""
    options = get()
    return ScopePolicy(
        reading=tuple(options.read_scopes),
        writing=tuple(options.write_scopes),
        implied=options.implied_scopes,
    )


def grants() -> tuple[str, ...]:
    """What the token endpoint takes."""
    usual = ("authorization_code", "refresh_token")
    return (*usual, "client_credentials") if get().client_credentials else usual


def forget(*, setting: str, **kwargs: Any) -> None:
    """Receiver of `setting_changed`: read what has changed anew when it is next needed."""
    if setting == SETTING:
        get.cache_clear()
        providers.cache_clear()
        policy.cache_clear()


def _issuer_problem(value: Any) -> str | None:
    if value is None:
        return None
    parts = urlsplit(value)
    whole = parts.scheme in ("http", "https") and parts.netloc and not parts.query
    if not whole or parts.fragment or value.endswith("/"):
        return (
            "An issuer is a URL without query, fragment and slash at the end, such as "
            '"https://example.com/oauth".'
        )
    return None
