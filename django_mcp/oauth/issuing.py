"""Codes become tokens, and tokens become new ones: the rules of the token endpoint.

`Validator` answers oauthlib's questions in place of django-oauth-toolkit's, whose tables it writes
to; `server` knows the grants authorization_code and refresh_token and no other, whatever the
project has set up for itself; `services` has the grant for clients without a user. Of every secret
only a digest is kept, codes included.

- A code is used once. Sent again, everything that came of it ends (OAuth 2.1, section 4.1.3).
- A refresh token is used once, and replaced. Sent again within the grace that the settings give, it
  is taken for one of a client that sent it twice at once, and makes a sibling; later, everything of
  its family ends (RFC 9700, section 4.14.2). One that was revoked makes nothing.
- A token is for the one resource that the user consented to (RFC 8707).
"""

from __future__ import annotations

import secrets
import uuid
from datetime import datetime, timedelta
from typing import Any, Final

from django.utils import timezone
from oauth2_provider.models import (
    AbstractApplication,
    get_access_token_model,
    get_grant_model,
    get_refresh_token_model,
)
from oauth2_provider.oauth2_validators import OAuth2Validator
from oauthlib.oauth2 import WebApplicationServer
from oauthlib.oauth2.rfc6749.errors import CustomOAuth2Error, InvalidGrantError

from . import clients, conf
from .addresses import canonical
from .connecting import end_family, held
from .models import Client, Connection, UsedCode
from .tokens import PREFIX, digest_of

#: How many tokens a refresh token makes within its grace, the first one included.
SIBLINGS: Final = 6
#: How long it is remembered which tokens came of a code.
REMEMBERED: Final = timedelta(days=1)


class Validator(OAuth2Validator):  # type: ignore[misc]
    """What holds for codes and tokens of this app."""

    # Clients

    def _load_application(self, client_id: Any, request: Any) -> Any:
        """Only clients of this app, and only such as are known: nothing is fetched for a request
        that nobody has logged in for."""
        known: Client | None = getattr(request, "mcp_client", None)
        if known is None or known.application.client_id != client_id:
            known = clients.find(client_id) if isinstance(client_id, str) else None
        request.mcp_client = known
        request.client = None if known is None else known.application
        return request.client

    def validate_grant_type(
        self, client_id: Any, grant_type: str, client: Any, request: Any, *args: Any, **kwargs: Any
    ) -> bool:
        return bool(client.authorization_grant_type == AbstractApplication.GRANT_AUTHORIZATION_CODE)

    def is_pkce_required(self, client_id: Any, request: Any) -> bool:
        return True

    def rotate_refresh_token(self, request: Any) -> bool:
        return True

    # Codes

    def validate_code(
        self, client_id: Any, code: str, client: Any, request: Any, *args: Any, **kwargs: Any
    ) -> bool:
        grant = _grant_of(code, client)
        if grant is None:
            _end_what_came_of(code, client)
            return False
        if grant.is_expired() or not grant.user.is_active:
            return False
        self._check_resource(request, grant.resource)
        request.mcp_grant = grant
        request.user = grant.user
        request.scopes = grant.scope.split()
        return True

    def get_code_challenge(self, code: str, request: Any) -> Any:
        return request.mcp_grant.code_challenge or None

    def get_code_challenge_method(self, code: str, request: Any) -> Any:
        return request.mcp_grant.code_challenge_method or None

    def confirm_redirect_uri(
        self, client_id: Any, code: str, redirect_uri: str, client: Any, *args: Any, **kwargs: Any
    ) -> bool:
        grant = _grant_of(code, client)
        return grant is not None and redirect_uri == grant.redirect_uri

    def get_default_redirect_uri(self, client_id: Any, request: Any, *args: Any, **kw: Any) -> Any:
        # It need not be repeated (OAuth 2.1, section 4.1.3), and the code is bound to it anyway.
        return request.mcp_grant.redirect_uri

    def invalidate_authorization_code(
        self, client_id: Any, code: str, request: Any, *args: Any, **kwargs: Any
    ) -> None:
        """It was taken away before there were tokens, so that it makes them once."""

    # Refresh tokens

    def validate_refresh_token(
        self, refresh_token: str, client: Any, request: Any, *args: Any, **kwargs: Any
    ) -> bool:
        found = _refresh_token_of(refresh_token, client)
        if found is None or not found.user.is_active:
            return False
        now, options = timezone.now(), conf.get()
        if found.revoked is not None:
            if not _was_replaced(found):
                return False
            if found.revoked + timedelta(seconds=options.refresh_grace_seconds) <= now:
                end_family(found.token_family)
                return False
        elif found.created + timedelta(seconds=options.refresh_token_seconds) <= now:
            return False
        if found.access_token is None:
            return False
        self._check_resource(request, found.resource)
        request.user = found.user
        request.refresh_token_instance = found
        return True

    def get_original_scopes(self, refresh_token: str, request: Any, *a: Any, **kw: Any) -> Any:
        return request.refresh_token_instance.access_token.scope

    # Tokens

    def save_bearer_token(self, token: dict[str, Any], request: Any, *args: Any, **kw: Any) -> None:
        """Keep what is to be issued; raises InvalidGrantError where it must not be after all."""
        previous = getattr(request, "refresh_token_instance", None)
        source = previous if previous is not None else request.mcp_grant
        resource = source.resource[0]
        with held(request.user.pk, request.client.pk, resource) as connection:
            if connection is None:
                raise InvalidGrantError(request=request)
            _narrow(token, connection)
            if previous is not None:
                family, replaced = _replace(previous, request), previous
            else:
                family, replaced = _redeem(source, request), None
            _save(token, request, resource, family, replaced)

    # Taking back

    def revoke_token(
        self, token: str, token_type_hint: Any, request: Any, *args: Any, **kwargs: Any
    ) -> None:
        """RFC 7009: a token of the client that asks, and with it all of its family."""
        digest = digest_of(token)
        owned = {"token_checksum": digest, "application_id": request.client.pk}
        for refresh in get_refresh_token_model().objects.filter(**owned):
            end_family(refresh.token_family)
        access_tokens = get_access_token_model()
        for access in access_tokens.objects.filter(**owned).select_related("refresh_token"):
            refresh = getattr(access, "refresh_token", None)
            if refresh is not None:
                end_family(refresh.token_family)
            access_tokens.objects.filter(pk=access.pk).delete()

    # Nothing is let in by it

    def validate_bearer_token(self, token: Any, scopes: Any, request: Any) -> bool:
        """No: `tokens` says whom a token speaks for."""
        return False

    def _check_resource(self, request: Any, granted: list[str]) -> None:
        """Raise invalid_target where a request is for another resource than was consented to."""
        asked = [value for key, value in request.decoded_body or () if key == "resource"]
        for each in asked:
            if [canonical(each)] != granted:
                raise CustomOAuth2Error(
                    error="invalid_target",
                    description="The token is for the resource that was authorized, and no other.",
                    request=request,
                )


def server() -> WebApplicationServer:
    """What knows the grants of the token endpoint."""
    return WebApplicationServer(Validator(), **token_options())


def token_options() -> dict[str, Any]:
    """What tokens look like, and how long they are good: for the constructor of a server."""
    return {
        "token_generator": lambda request: PREFIX + secrets.token_urlsafe(32),
        "refresh_token_generator": lambda request: "mcp_rt_" + secrets.token_urlsafe(32),
        "token_expires_in": lambda request: conf.get().access_token_seconds,
    }


def issue_code(
    *,
    connection: Connection,
    redirect_uri: str,
    scopes: list[str],
    code_challenge: str,
) -> str:
    """A new authorization code, for the user and the client of `connection`."""
    code = secrets.token_urlsafe(32)
    get_grant_model().objects.create(
        user=connection.user,
        application=connection.application,
        code=digest_of(code),
        expires=timezone.now() + timedelta(seconds=conf.get().code_seconds),
        redirect_uri=redirect_uri,
        scope=" ".join(scopes),
        code_challenge=code_challenge,
        code_challenge_method="S256",
        resource=[connection.resource],
    )
    return code


# ------------------------------------------------------------------------------------------- codes


def _grant_of(code: str, client: Any) -> Any:
    grants = get_grant_model().objects.select_related("user")
    return grants.filter(code=digest_of(code), application=client).first()


def _end_what_came_of(code: str, client: Any) -> None:
    used = UsedCode.objects.filter(digest=digest_of(code), application=client).first()
    if used is not None:
        end_family(used.family)


def _redeem(grant: Any, request: Any) -> uuid.UUID:
    """Take a code away, and note which family of tokens comes of it."""
    deleted, _ = get_grant_model().objects.filter(pk=grant.pk).delete()
    if not deleted:
        raise InvalidGrantError(request=request)
    family = uuid.uuid4()
    UsedCode.objects.create(
        digest=grant.code,
        application=request.client,
        family=family,
        expires=timezone.now() + REMEMBERED,
    )
    return family


# ---------------------------------------------------------------------------------- refresh tokens


def _refresh_token_of(secret: str, client: Any) -> Any:
    found = get_refresh_token_model().objects.select_related("user", "access_token")
    return found.filter(token_checksum=digest_of(secret), application=client).first()


def _was_replaced(token: Any) -> bool:
    """True for one that made its successor; False for one that was revoked, or whose family was,
    since then no access token of it is left."""
    return bool(get_access_token_model().objects.filter(source_refresh_token=token).exists())


def _replace(token: Any, request: Any) -> uuid.UUID:
    """Have a refresh token make a successor, or within its grace a sibling of that."""
    now = timezone.now()
    model = get_refresh_token_model()
    current = model.objects.filter(pk=token.pk).first()
    if current is None:
        raise InvalidGrantError(request=request)
    family = current.token_family
    if current.revoked is None:
        model.objects.filter(pk=token.pk).update(revoked=now, updated=now)
        _shorten(token.access_token_id, now)
        request.mcp_is_sibling = False
        return _uuid(family)
    made = model.objects.filter(token_family=family, created__gte=current.revoked).count()
    if not _was_replaced(current) or made >= SIBLINGS:
        raise InvalidGrantError(request=request)
    request.mcp_is_sibling = True
    return _uuid(family)


def _uuid(family: uuid.UUID | None) -> uuid.UUID:
    return family or uuid.uuid4()


def _shorten(access_token_id: Any, now: datetime) -> None:
    """Have the access token that is replaced end soon, and not at once: calls may be on their way
    with it."""
    soon = now + timedelta(seconds=conf.get().refresh_grace_seconds)
    tokens = get_access_token_model().objects.filter(pk=access_token_id, expires__gt=soon)
    tokens.update(expires=soon)


# ------------------------------------------------------------------------------------------- both


def _narrow(token: dict[str, Any], connection: Connection) -> None:
    """Leave out of `token` what the user has not allowed, or has taken back."""
    allowed = conf.policy().held(connection.scopes.split())
    token["scope"] = " ".join(s for s in token["scope"].split() if s in allowed)


def _save(
    token: dict[str, Any], request: Any, resource: str, family: uuid.UUID, replaced: Any
) -> None:
    first = replaced is not None and not request.mcp_is_sibling
    access = save_access_token(token, request, resource, replaced if first else None)
    client: Client = request.mcp_client
    if not client.refreshes:
        token.pop("refresh_token", None)
        return
    refresh = get_refresh_token_model()(
        user=request.user,
        application=request.client,
        access_token=access,
        token_family=family,
        resource=[resource],
    )
    _set_secret(refresh, token["refresh_token"])
    refresh.save()


def save_access_token(
    token: dict[str, Any], request: Any, resource: str, source: Any = None
) -> Any:
    """Keep an access token; its row. `source` is the refresh token that it is the successor of."""
    access = get_access_token_model()(
        user=request.user,
        application=request.client,
        scope=token["scope"],
        expires=timezone.now() + timedelta(seconds=token["expires_in"]),
        source_refresh_token=source,
        resource=[resource],
    )
    _set_secret(access, token["access_token"])
    access.save()
    return access


def _set_secret(row: Any, secret: str) -> None:
    """Have the row keep a digest only, whatever the project has chosen for tokens of its own."""
    row._raw_token = secret
    row.token = ""
