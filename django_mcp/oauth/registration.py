"""Clients that register themselves (RFC 7591): who may, how often, and what they are told.

Nothing a client says gives it more than any other has: no grant beyond codes and refresh tokens, no
id of its own choosing, no way around the page that asks the user. There is no way to change a
registration afterwards (RFC 7592), so there is no token for that either.
"""

from __future__ import annotations

import logging
from typing import Any, Final

from django.http import HttpRequest, HttpResponse, JsonResponse
from oauth2_provider.models import AbstractApplication

from ..backends.throttles import wait_after
from ..conf import Rate
from . import clients, conf
from .discretion import discreet
from .documents import NoObject, json_object
from .http import address_of_client, cross_origin, oauth_error
from .models import Client
from .registering import Unacceptable, acceptable_redirects, name_in

logger = logging.getLogger("django_mcp.oauth")

#: Bytes a registration may have, and how deep it may go.
LARGEST: Final = 16 * 1024
#: Registrations in an hour, from anywhere.
PER_HOUR: Final = Rate(500, 3600)

_METHODS: Final = ("none", "client_secret_basic", "client_secret_post")
_GRANTS: Final = ("authorization_code", "refresh_token")
#: What is kept of what a client says, and told to it again.
_KEPT: Final = ("client_uri", "logo_uri", "software_id", "software_version", "application_type")


@cross_origin("POST")
@discreet
def register(request: HttpRequest) -> HttpResponse:
    """RFC 7591, section 3."""
    options = conf.get()
    if options.registration == "off":
        return oauth_error("access_denied", "Clients do not register themselves here.", 403)
    refusal = _too_many(request)
    if refusal is not None:
        return refusal
    try:
        said = _read(request)
        registered = _registered(said)
    except Unacceptable as error:
        return oauth_error(error.error, str(error), status=400)
    is_public = registered["token_endpoint_auth_method"] == _METHODS[0]
    pending = options.registration == "approval"
    client, secret = clients.add(
        registered["client_name"],
        registered["redirect_uris"],
        confidential=not is_public,
        source=AbstractApplication.RegistrationSource.DCR,
        refreshes="refresh_token" in registered["grant_types"],
        status=Client.Status.PENDING if pending else Client.Status.ALLOWED,
        metadata=registered,
    )
    logger.info("Registered the client %s", client.application.client_id)
    told = {
        "client_id": client.application.client_id,
        "client_id_issued_at": int(client.created.timestamp()),
        **registered,
    }
    if secret:
        told |= {"client_secret": secret, "client_secret_expires_at": 0}
    response = JsonResponse(told, status=201)
    response["Cache-Control"] = "no-store"
    return response


def _too_many(request: HttpRequest) -> HttpResponse | None:
    rate = Rate(conf.get().registrations_per_hour, 3600)
    wait = wait_after("oauth:register", address_of_client(request), rate)
    wait = wait or wait_after("oauth:register", "anywhere", PER_HOUR)
    if not wait:
        return None
    response = oauth_error("slow_down", "Too many registrations; try again later.", status=429)
    response["Retry-After"] = str(wait)
    return response


def _read(request: HttpRequest) -> dict[str, Any]:
    if request.content_type != "application/json":
        raise Unacceptable("Send JSON: application/json.")
    body = request.read(LARGEST + 1)
    if len(body) > LARGEST:
        raise Unacceptable(f"The registration is larger than {LARGEST} bytes.")
    try:
        return json_object(body)
    except NoObject as error:
        raise Unacceptable(f"The registration {error}.") from None


def _registered(said: dict[str, Any]) -> dict[str, Any]:
    """What is registered of what a client says; raises Unacceptable."""
    grants = said.get("grant_types", list(_GRANTS[:1]))
    if not isinstance(grants, list) or "authorization_code" not in grants:
        raise Unacceptable("grant_types must have authorization_code in it.")
    if said.get("response_types", ["code"]) != ["code"]:
        raise Unacceptable('response_types must be ["code"].')
    method = said.get("token_endpoint_auth_method", "client_secret_basic")
    if method not in _METHODS:
        raise Unacceptable(f"token_endpoint_auth_method must be one of {', '.join(_METHODS)}.")
    kept = {
        name: said[name].replace("\x00", "")
        for name in _KEPT
        if isinstance(said.get(name), str) and len(said[name]) <= 500
    }
    return {
        "client_name": name_in(said)[: clients.LONGEST_NAME],
        "redirect_uris": acceptable_redirects(said.get("redirect_uris")),
        "grant_types": [grant for grant in _GRANTS if grant in grants],
        "response_types": ["code"],
        "token_endpoint_auth_method": method,
        **kept,
    }
