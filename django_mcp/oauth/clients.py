"""The clients of the authorization server: found, made, and no longer let.

A client is an Application of django-oauth-toolkit with a row of this app beside it; one without,
which the project has for something else, is unknown here. How a client comes to be registered is
`registration` and `cimd`, by hand `add`, and for one that speaks for a service account `services`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from oauth2_provider.models import AbstractApplication, get_application_model

from .models import Client

#: The longest name that is kept of a client.
LONGEST_NAME = 100


def find(client_id: str) -> Client | None:
    """The client of that id that may be used; None where there is none, or it is not allowed."""
    client = known(client_id)
    return client if client is not None and client.status == Client.Status.ALLOWED else None


def known(client_id: str) -> Client | None:
    """The client of that id, whether it may be used or not."""
    if not client_id or "\x00" in client_id or len(client_id) > 255:
        return None
    found = Client.objects.select_related("application")
    return found.filter(application__client_id=client_id).first()


@transaction.atomic
def add(
    name: str,
    redirect_uris: Sequence[str],
    *,
    confidential: bool = False,
    grant: str = AbstractApplication.GRANT_AUTHORIZATION_CODE,
    source: str = AbstractApplication.RegistrationSource.MANUAL,
    client_id: str | None = None,
    refreshes: bool = True,
    status: str = Client.Status.ALLOWED,
    metadata: Mapping[str, Any] | None = None,
    **more: Any,
) -> tuple[Client, str]:
    """A new client, and its secret, which cannot be shown again; "" where it has none.

    `redirect_uris` were checked before (`redirects`).
    """
    application = get_application_model()(
        name=name[:LONGEST_NAME],
        redirect_uris=" ".join(redirect_uris),
        client_type="confidential" if confidential else "public",
        authorization_grant_type=grant,
        registration_source=source,
        # Whatever the project has set: nobody is spared the consent page by what a client says.
        skip_authorization=False,
    )
    if client_id is not None:
        application.client_id = client_id
    # A public client has one as well, which nobody is told.
    secret: str = application.client_secret if confidential else ""
    application.save()
    client = Client.objects.create(
        application=application,
        refreshes=refreshes,
        status=status,
        metadata=dict(metadata or {}),
        **more,
    )
    return client, secret


def redirect_uris_of(client: Client) -> list[str]:
    """What was registered."""
    return str(client.application.redirect_uris).split()
