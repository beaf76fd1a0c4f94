"""Access tokens of this project's authorization server: whom one speaks for, and for how much.

Looked up by django-oauth-toolkit's own tables but not by its own ways: there a token without an
audience is good everywhere, one for a prefix of the URL as well, and nobody asks whether its user
is still active. How tokens come to be is `issuing`.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any, Final

from django.db.models import F, Q
from django.utils import timezone
from oauth2_provider.models import get_access_token_model

from ..server.access import Principal
from . import conf
from .models import Client, Connection

#: How exactly it is noted when a connection was last used: each note is a write.
NOTED_EVERY: Final = timedelta(minutes=5)


def verify(token: str, resource: str) -> Principal | None:
    """The principal of an access token for exactly `resource`; None where it is not good.

    One query finds the token by its digest, and with it its user, its client, and what the user
    has allowed that client at that resource: a token that was issued past the consent of this app
    has no such row, and is good for nothing here.
    """
    now = timezone.now()
    found = _find(digest_of(token), resource)
    if found is None or found.until <= now or found.audience != [resource]:
        return None
    client: Client | None = getattr(found.application, "mcp_client", None)
    if client is None or client.status != Client.Status.ALLOWED or not found.user.is_active:
        return None
    _note_use(found, now)
    policy = conf.policy()
    allowed = policy.held(found.scopes.split())
    return Principal(
        id=f"oauth:{found.user.pk}:{found.application.pk}",
        user=found.user,
        scopes=frozenset(scope for scope in found.granted.split() if scope in allowed),
        client_id=found.application.client_id,
        limits=policy,
    )


def digest_of(secret: str) -> str:
    """What is kept of a secret that is long and random."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _find(digest: str, resource: str) -> Any:
    field: Any = get_access_token_model()._meta.get_field("application")
    token = f"application__{field.related_query_name()}"
    matching = Connection.objects.filter(
        Q((f"{token}__token_checksum", digest), (f"{token}__user", F("user"))),
        resource=resource,
        revoked=None,
    )
    return (
        matching.select_related("user", "application__mcp_client")
        .annotate(
            granted=F(f"{token}__scope"),
            until=F(f"{token}__expires"),
            audience=F(f"{token}__resource"),
        )
        .order_by()
        .first()
    )


def _note_use(connection: Connection, now: Any) -> None:
    if connection.used is None or connection.used < now - NOTED_EVERY:
        Connection.objects.filter(pk=connection.pk).update(used=now)
