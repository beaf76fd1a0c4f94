"""Connections: made when a user consents, and ended with everything that came of them.

The row of a connection is what concurrent requests wait for: whoever issues or ends tokens changes
it first, in one transaction with the rest, in this order: connection, code or refresh token, access
tokens. The first statement is a write, so that SQLite does not find out too late that somebody else
writes.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.db import router, transaction
from django.utils import timezone
from oauth2_provider.models import (
    get_access_token_model,
    get_grant_model,
    get_refresh_token_model,
)

from .models import Connection

logger = logging.getLogger("django_mcp.oauth")


def connect(
    user: Any, application: Any, resource: str, scopes: Iterable[str], redirect_host: str
) -> Connection:
    """Note that `user` has allowed `application` these scopes at `resource`, besides others."""
    key = {"user": user, "application": application, "resource": resource}
    said = {"redirect_host": redirect_host[:255]}
    with transaction.atomic(using=_database()):
        if not Connection.objects.filter(**key).update(**said):
            # Somebody else may be making the same one.
            Connection.objects.bulk_create([Connection(**key)], ignore_conflicts=True)
            Connection.objects.filter(**key).update(**said)
        found = Connection.objects.get(**key)
        before = [] if found.revoked is not None else found.scopes.split()
        found.scopes = " ".join(dict.fromkeys([*before, *scopes]))
        found.revoked = None
        found.save(update_fields=["scopes", "revoked"])
    return found


@contextmanager
def held(user_id: Any, application_id: Any, resource: str) -> Iterator[Connection | None]:
    """The live connection, which nobody else changes meanwhile; None where there is none."""
    with transaction.atomic(using=_database()):
        live = Connection.objects.filter(
            user_id=user_id, application_id=application_id, resource=resource, revoked=None
        )
        changed = live.update(used=timezone.now())
        yield live.select_related("user").first() if changed else None


def disconnect(connection: Connection) -> None:
    """End a connection: no token of it is good any more, and its codes neither."""
    with transaction.atomic(using=_database()):
        now = timezone.now()
        Connection.objects.filter(pk=connection.pk).update(revoked=now)
        owned = {"user_id": connection.user_id, "application_id": connection.application_id}
        resource = connection.resource
        # In Python, since databases differ in how JSON is compared.
        for model in (get_grant_model(), get_access_token_model()):
            rows = model.objects.filter(**owned).only("pk", "resource")
            ids = [row.pk for row in rows if row.resource == [resource]]
            model.objects.filter(pk__in=ids).delete()
        refresh = get_refresh_token_model()
        rows = refresh.objects.filter(**owned, revoked=None).only("pk", "resource")
        ids = [row.pk for row in rows if row.resource == [resource]]
        refresh.objects.filter(pk__in=ids).update(revoked=now)
    logger.info("%s has disconnected %s", connection.user_id, connection.application_id)


def end_family(family: UUID | None) -> None:
    """End every token that came of one authorization."""
    get_refresh_token_model().revoke_family(family)


def _database() -> str:
    return router.db_for_write(Connection)
