"""What the views of this app have in common: who may read an answer, and who sent the request."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.cache import patch_vary_headers
from django.views.decorators.csrf import csrf_exempt

from .. import conf
from ..backends.addresses import party_of

View = Callable[..., HttpResponse]


def cross_origin(*methods: str) -> Callable[[View], View]:
    """A view that programs call, from pages of any origin, without cookies: nothing it does
    depends on who is logged in."""

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if request.method == "OPTIONS":
                response = HttpResponse(status=204)
                response["Access-Control-Allow-Methods"] = ", ".join([*methods, "OPTIONS"])
                response["Access-Control-Allow-Headers"] = (
                    "Authorization, Content-Type, MCP-Protocol-Version"
                )
                response["Access-Control-Max-Age"] = "3600"
            elif request.method in methods:
                response = view(request, *args, **kwargs)
            else:
                response = HttpResponse(status=405)
                response["Allow"] = ", ".join([*methods, "OPTIONS"])
            response["Access-Control-Allow-Origin"] = "*"
            return response

        return csrf_exempt(login_not_required(inner))

    return decorate


def document(content: dict[str, Any]) -> JsonResponse:
    """Public metadata, which anybody may keep for an hour."""
    response = JsonResponse(content)
    response["Cache-Control"] = "public, max-age=3600"
    patch_vary_headers(response, ["Host"])
    return response


def oauth_error(error: str, description: str, status: int = 400) -> JsonResponse:
    """An error of RFC 6749, section 5.2."""
    response = JsonResponse({"error": error, "error_description": description}, status=status)
    response["Cache-Control"] = "no-store"
    return response


def address_of_client(request: HttpRequest) -> str:
    """Who sent a request, as far as counting goes."""
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "")
    proxies = conf.get().trusted_proxies
    return party_of(request.META.get("REMOTE_ADDR"), forwarded, proxies) or "unknown"
