"""Clients that speak for a service account, with nobody at hand (RFC 6749, section 4.4).

Such a client is made by an administrator, who chooses for which user it speaks, at which endpoint
and with which scopes: its connection says so, as it does where a user consents, and ends it in the
same ways. It has a secret, and can do nothing else: it has no redirect URI and is given no refresh
tokens. A client that registered itself cannot become one.

Source: io.modelcontextprotocol/oauth-client-credentials, which is for clients that were registered
beforehand.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import transaction
from oauth2_provider.models import AbstractApplication
from oauthlib.oauth2 import BackendApplicationServer
from oauthlib.oauth2.rfc6749.errors import CustomOAuth2Error, InvalidGrantError

from . import clients, conf
from .addresses import canonical
from .connecting import connect, held
from .issuing import Validator, save_access_token, token_options
from .models import Client, Connection


@transaction.atomic
def add(name: str, *, user: Any, resource: str, scopes: Iterable[str]) -> tuple[Client, str]:
    """A new client that speaks for `user` at `resource`, and its secret, which cannot be shown
    again. Who may choose whom is asked before (`forms`)."""
    client, secret = clients.add(
        name,
        (),
        confidential=True,
        grant=AbstractApplication.GRANT_CLIENT_CREDENTIALS,
        refreshes=False,
    )
    connect(user, client.application, resource, scopes, redirect_host="")
    return client, secret


def is_service(application: Any) -> bool:
    """True for the application of a client that `add` has made."""
    return bool(
        application.authorization_grant_type == AbstractApplication.GRANT_CLIENT_CREDENTIALS
        and application.registration_source == AbstractApplication.RegistrationSource.MANUAL
        and application.client_type == AbstractApplication.CLIENT_CONFIDENTIAL
    )


class ServiceValidator(Validator):
    """What holds for tokens of such clients."""

    def validate_grant_type(
        self, client_id: Any, grant_type: str, client: Any, request: Any, *args: Any, **kwargs: Any
    ) -> bool:
        if not is_service(client):
            return False
        live = Connection.objects.filter(application=client, revoked=None, user__is_active=True)
        found = list(live.select_related("user"))
        if not found:
            return False
        request.mcp_connection = _named(found, request)
        request.user = request.mcp_connection.user
        return True

    def get_default_scopes(self, client_id: Any, request: Any, *args: Any, **kw: Any) -> list[str]:
        scopes: list[str] = request.mcp_connection.scopes.split()
        return scopes

    def validate_scopes(
        self, client_id: Any, scopes: Any, client: Any, request: Any, *args: Any, **kwargs: Any
    ) -> bool:
        """No scope beyond those that were chosen, and what they bring with them."""
        asked = [scope for scope in scopes if scope != conf.OFFLINE_ACCESS]
        request.scopes = asked or self.get_default_scopes(client_id, request)
        return set(asked) <= conf.policy().held(request.mcp_connection.scopes.split())

    def save_bearer_token(self, token: dict[str, Any], request: Any, *args: Any, **kw: Any) -> None:
        """Keep what is to be issued; raises InvalidGrantError where it must not be after all."""
        resource = request.mcp_connection.resource
        with held(request.user.pk, request.client.pk, resource) as connection:
            if connection is None:
                raise InvalidGrantError(request=request)
            save_access_token(token, request, resource)


def server() -> BackendApplicationServer:
    """What knows the grant client_credentials, and no other."""
    return BackendApplicationServer(ServiceValidator(), **token_options())


def _named(found: list[Connection], request: Any) -> Connection:
    """The connection at the resource that a request names, or the only one (RFC 8707, section 2);
    raises invalid_target."""
    asked = {canonical(value) for key, value in request.decoded_body or () if key == "resource"}
    meant = [each for each in found if not asked or asked == {each.resource}]
    if len(meant) != 1:
        raise CustomOAuth2Error(
            error="invalid_target",
            description="resource must be an endpoint that this client was made for.",
            request=request,
        )
    return meant[0]
