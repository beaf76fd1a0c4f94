"""The endpoints that clients call themselves: for tokens, and to give them back.

What holds for tokens is `issuing` and `services`; here is what holds for requests, before oauthlib
reads them.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from functools import cache
from typing import Any, Final

from django.db import transaction
from django.http import HttpRequest, HttpResponse, QueryDict
from django.views.decorators.debug import sensitive_post_parameters
from oauth2_provider.oauth2_backends import OAuthLibCore

from ..backends.throttles import Allowance, check_spent, count, wait_after
from ..conf import Rate
from ..server.gates import Throttled
from . import conf, issuing, services
from .discretion import discreet
from .http import address_of_client, cross_origin, oauth_error

#: The parameters that may be there once only (RFC 6749, section 3.2).
_REPEATABLE = frozenset({"resource"})

#: Requests for tokens from one address.
PER_ADDRESS: Final = Rate(300, 60)
#: Wrong secrets for one client from one address.
WRONG_SECRETS: Final = Rate(10, 60)

_Answered = tuple[Any, dict[str, str], str | None, int]


@cache
def _core() -> OAuthLibCore:
    return OAuthLibCore(issuing.server())


@cache
def _service_core() -> OAuthLibCore:
    return OAuthLibCore(services.server())


def _endpoint(answer: Any) -> Any:
    """A view for requests with a form in their body, of programs that may come from anywhere.

    Each has transactions of its own, which begin with a write; one around the whole request would
    begin with a read.
    """
    guarded = cross_origin("POST")(sensitive_post_parameters()(discreet(answer)))
    return transaction.non_atomic_requests(guarded)


def _token(request: HttpRequest) -> HttpResponse:
    """RFC 6749, section 3.2, for the grants there are."""
    refusal = _refusal(request)
    if refusal is not None:
        return refusal
    grant, grants = request.POST.get("grant_type"), conf.grants()
    if grant not in grants:
        # What oauthlib does not know, it takes for a code.
        return oauth_error("unsupported_grant_type", f"There are {', '.join(grants)}.")
    core = _service_core() if grant == "client_credentials" else _core()
    return _authenticated(request, core.create_token_response)


def _revoke(request: HttpRequest) -> HttpResponse:
    """RFC 7009: an unknown token is as good as one that has been revoked."""
    return _refusal(request) or _authenticated(request, _core().create_revocation_response)


token = _endpoint(_token)
revoke = _endpoint(_revoke)


def _refusal(request: HttpRequest) -> HttpResponse | None:
    if request.content_type != "application/x-www-form-urlencoded":
        return oauth_error(
            "invalid_request", "Send a form: application/x-www-form-urlencoded.", status=415
        )
    if request.GET:
        return oauth_error("invalid_request", "Parameters belong into the body, not into the URL.")
    if repeated := repeated_in(request.POST):
        return oauth_error("invalid_request", f"{repeated} was sent more than once.")
    authorization = request.headers.get("Authorization", "")
    if authorization and request.POST.get("client_secret"):
        return oauth_error("invalid_request", "Authenticate in one way only.")
    if any("\x00" in value for value in request.POST.values()):
        return oauth_error("invalid_request", "A parameter has a NUL in it.")
    wait = wait_after("oauth:token", address_of_client(request), PER_ADDRESS)
    return _later("Too many requests from this address.", wait) if wait else None


def _authenticated(
    request: HttpRequest, answer: Callable[[HttpRequest], _Answered]
) -> HttpResponse:
    """What `answer` says, unless too many wrong secrets were sent for that client before."""
    key = f"{address_of_client(request)}\0{_claimed(request)}"
    attempts = Allowance("oauth:secret", key, WRONG_SECRETS)
    try:
        check_spent(attempts)
    except Throttled as later:
        return _later("Too many wrong secrets for this client.", later.retry_after)
    response = _finished(answer(request))
    if response.status_code == 401:
        count(attempts)
    return response


def _claimed(request: HttpRequest) -> str:
    """The client that a request says it is of; "" where it says nothing that can be read."""
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return request.POST.get("client_id", "")
    try:
        return base64.b64decode(encoded, validate=True).partition(b":")[0].decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _later(description: str, wait: int) -> HttpResponse:
    response = oauth_error("slow_down", description, status=429)
    response["Retry-After"] = str(wait)
    return response


def repeated_in(parameters: QueryDict) -> str | None:
    """The name of a parameter that was sent more than once, and must not be."""
    for name, values in parameters.lists():
        if len(values) > 1 and name not in _REPEATABLE:
            return str(name)[:40]
    return None


def _finished(answered: _Answered) -> HttpResponse:
    _, headers, body, status = answered
    response = HttpResponse(body or "", status=status, content_type="application/json")
    for name, value in headers.items():
        response[name] = value
    response["Cache-Control"] = "no-store"
    if status == 401:
        # A client proves who it is by name and secret, and not with a token (RFC 6749, 5.2).
        response["WWW-Authenticate"] = 'Basic realm="oauth"'
    return response
