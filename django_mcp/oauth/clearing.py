"""What nobody needs any more, and how it is taken away.

Of tokens: those that are good for nothing, and whose being sent again would tell nothing. Of
clients: those that registered themselves and that no user has ever allowed anything. What users
have allowed, and clients that were blocked, stay.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from django.db.models import QuerySet
from django.utils import timezone
from oauth2_provider.models import (
    AbstractApplication,
    get_access_token_model,
    get_application_model,
    get_grant_model,
    get_refresh_token_model,
)

from . import conf
from .models import Client, PersonalToken, UsedCode

#: How long a client that registered itself has to be allowed something.
UNUSED: Final = timedelta(days=1)
#: How long it can be seen that a personal token was there.
ENDED: Final = timedelta(days=90)
#: Rows that are taken away in one statement.
AT_ONCE: Final = 1000


def clear() -> dict[str, int]:
    """Take it away; how many rows of what kind. More than one process may do so at a time."""
    now = timezone.now()
    ours = {"application__mcp_client__isnull": False}
    idle = now - timedelta(seconds=conf.get().refresh_token_seconds)
    source = AbstractApplication.RegistrationSource
    return {
        "codes": _delete(get_grant_model().objects.filter(**ours, expires__lt=now)),
        "used codes": _delete(UsedCode.objects.filter(expires__lt=now)),
        # Whatever was made of one since is its successor's now.
        "refresh tokens": _delete(
            get_refresh_token_model().objects.filter(**ours, created__lt=idle)
        ),
        # One that a refresh token stands beside shows whether that was replaced.
        "access tokens": _delete(
            get_access_token_model().objects.filter(**ours, expires__lt=now, refresh_token=None)
        ),
        "personal tokens": _delete(PersonalToken.objects.filter(expires__lt=now - ENDED)),
        "clients": _delete(
            get_application_model().objects.filter(
                mcp_client__created__lt=now - UNUSED,
                mcp_client__status__in=[Client.Status.ALLOWED, Client.Status.PENDING],
                registration_source__in=[source.DCR, source.CIMD],
                mcp_connections=None,
            )
        ),
    }


def _delete(rows: QuerySet[Any]) -> int:
    """Delete `rows`, some at a time; how many they were."""
    count = 0
    while keys := list(rows.order_by("pk").values_list("pk", flat=True)[:AT_ONCE]):
        rows.model._base_manager.filter(pk__in=keys).delete()
        count += len(keys)
    return count
