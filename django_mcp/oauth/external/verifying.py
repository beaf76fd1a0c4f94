"""Tokens of identity providers as a verifier: "django_mcp.oauth.external.verify".

Owns which provider is asked about a token: the one that the token names, and of a token that names
none each that can be asked. What was made here is shown to none of them.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final, Protocol

from ...server.access import Principal
from .. import conf
from ..identity_providers import IdentityProvider
from ..tokens import digest_of
from .claims import Claims, NotGood, read
from .identities import identity_of
from .introspection import Introspection
from .segments import issuer_named_in

logger = logging.getLogger("django_mcp.oauth")

#: How tokens begin that this project issues itself.
OWN: Final = ("mcp_at_", "mcp_rt_", "mcp_pat_")
#: The longest token that is looked at, and the longest name of a client that stands in an id.
LONGEST: Final = 8192
LONGEST_NAME: Final = 150


class Source(Protocol):
    """How tokens of one provider are verified."""

    def claims_in(self, token: str) -> Mapping[str, Any]:
        """What the provider says with the token; raises `claims.NotGood`."""
        ...


def verify(token: str, resource: str) -> Principal | None:
    """The principal of an identity provider's access token; None where it is not good.

    Why not is in the log, at level INFO and without the token.
    """
    if len(token) > LONGEST or token.startswith(OWN):
        return None
    for provider in _asked_about(token):
        try:
            source = _source_of(provider)
            if source is None:
                continue
            said = source.claims_in(token)
            signed = provider.verify_by == "signature"
            claims = read(said, provider, resource, signed=signed, now=time.time())
            identity = identity_of(claims, provider)
        except NotGood as reason:
            logger.info("A token of %s lets nobody in: %s", provider.issuer, reason)
            continue
        return _principal_of(claims, identity)
    return None


def _asked_about(token: str) -> Iterator[IdentityProvider]:
    """Who could have issued it. A token of one provider is not shown to another."""
    providers = conf.providers()
    issuer = issuer_named_in(token)
    if issuer is not None:
        if issuer in providers:
            yield providers[issuer]
        return
    for provider in providers.values():
        if provider.verify_by == "introspection":
            yield provider


def _principal_of(claims: Claims, identity: Any) -> Principal:
    client = claims.client_id or ""
    named = client if len(client) <= LONGEST_NAME else digest_of(client)
    return Principal(
        # With the user, since another one may be linked to the identity later.
        id=f"external:{identity.pk}:{identity.user_id}:{named}",
        user=identity.user,
        scopes=claims.scopes,
        client_id=claims.client_id,
        limits=conf.policy(),
    )


def _source_of(provider: IdentityProvider) -> Source | None:
    """How a provider's tokens are verified, with what it keeps; None without the extra `jwt`."""
    with _lock:
        known, source = _sources.get(provider.issuer, (None, None))
        # Another object stands for settings that have changed, and nothing that was kept counts.
        if known is not provider:
            source = _made(provider)
            _sources[provider.issuer] = (provider, source)
        return source


def _made(provider: IdentityProvider) -> Source | None:
    if provider.verify_by == "introspection":
        return Introspection(provider)
    try:
        from .signed import Signatures
    except ImportError:
        logger.error(
            "Tokens of %s are refused, since PyJWT is not installed: pip install "
            '"django-mcp-channels[jwt]".',
            provider.issuer,
        )
        return None
    return Signatures(provider)


_sources: dict[str, tuple[IdentityProvider, Source | None]] = {}
_lock = threading.Lock()
