"""Access tokens of this project's authorization server: whom one speaks for, and for how much.

Looked up by django-oauth-toolkit's own tables but not by its own ways: there a token without an
audience is good everywhere, one for a prefix of the URL as well, and nobody asks whether its user
is still active. How tokens come to be is `issuing`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import F, Q, QuerySet
from django.utils import timezone
from oauth2_provider.models import get_access_token_model, get_application_model

from ..server.access import Principal
from . import conf
from .models import Client, Connection
from .prepared import Prepared, unshared
from .verifying import Asked, together

#: What each of them begins with, so that scanners of leaked secrets know one by its looks.
PREFIX: Final = "mcp_at_"
#: How exactly it is noted when a connection was last used: each note is a write.
NOTED_EVERY: Final = timedelta(minutes=5)


def verify_all(asked: Sequence[Asked]) -> list[Principal | None]:
    """`verify`, for several at the price of one.

    One query finds the tokens by their digests, and with each its user, its client, and what the
    user has allowed that client where: a token that was issued past the consent of this app has no
    such row, and is good for nothing here.
    """
    digests = [digest_of(token) if token.startswith(PREFIX) else "" for token, _ in asked]
    grants = _grants.ask({digest for digest in digests if digest})
    known = {(grant.digest, grant.resource): grant for grant in grants}
    now = timezone.now()
    return [
        _principal_of(known.get((digest, resource)), now)
        for digest, (_, resource) in zip(digests, asked, strict=True)
    ]


@together(verify_all)
def verify(token: str, resource: str) -> Principal | None:
    """The principal of an access token for exactly `resource`; None where it is not good."""
    return verify_all([(token, resource)])[0]


def _principal_of(grant: _Grant | None, now: datetime) -> Principal | None:
    if grant is None or grant.until <= now or grant.audience != [grant.resource]:
        return None
    if grant.status != Client.Status.ALLOWED or not grant.user.is_active:
        return None
    _note_use(grant, now)
    policy = conf.policy()
    allowed = policy.held(grant.scopes)
    return Principal(
        id=grant.principal,
        user=unshared(grant.user),
        scopes=frozenset(scope for scope in grant.granted if scope in allowed),
        client_id=grant.client_id,
        limits=policy,
    )


def digest_of(secret: str) -> str:
    """What is kept of a secret that is long and random."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Grant:
    """What a token is good for: its own words, those of the consent, and of its client."""

    digest: str
    resource: str
    connection: Any
    principal: str
    user: Any
    client_id: str
    status: str
    scopes: Sequence[str]
    granted: Sequence[str]
    until: datetime
    audience: Any
    used: datetime | None


def _matching(digests: Sequence[str]) -> QuerySet[Connection]:
    field: Any = get_access_token_model()._meta.get_field("application")
    token = f"application__{field.related_query_name()}"
    matching = Connection.objects.filter(
        Q((f"{token}__token_checksum__in", digests), (f"{token}__user", F("user"))),
        revoked=None,
    )
    return (
        matching.select_related("user", "application__mcp_client")
        .annotate(
            digest=F(f"{token}__token_checksum"),
            granted=F(f"{token}__scope"),
            until=F(f"{token}__expires"),
            audience=F(f"{token}__resource"),
        )
        .defer(*_unneeded())
        .order_by()
    )


def _unneeded() -> Iterator[str]:
    """What of a connection, its application and its client is not looked at here."""
    needed = {
        "pk",
        "id",
        "client_id",
        "status",
        "application",
        "user",
        "resource",
        "used",
        "scopes",
    }
    fields = {
        "": Connection,
        "application__": get_application_model(),
        "application__mcp_client__": Client,
    }
    for prefix, model in fields.items():
        for field in model._meta.concrete_fields:
            if field.name not in needed and not field.primary_key:
                yield f"{prefix}{field.name}"


def _grant_of(found: Any) -> _Grant:
    client: Client | None = getattr(found.application, "mcp_client", None)
    return _Grant(
        digest=found.digest,
        resource=found.resource,
        connection=found.pk,
        principal=f"oauth:{found.user.pk}:{found.application.pk}",
        user=found.user,
        client_id=found.application.client_id,
        status="" if client is None else client.status,
        scopes=found.scopes.split(),
        granted=found.granted.split(),
        until=found.until,
        audience=found.audience,
        used=found.used,
    )


_grants: Final = Prepared(Connection, _matching, _grant_of)


def _note_use(grant: _Grant, now: datetime) -> None:
    if grant.used is None or grant.used < now - NOTED_EVERY:
        Connection.objects.filter(pk=grant.connection).update(used=now)
