"""Middleware of a project: a tenant by its host, and a room that may be closed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse


class TenantMiddleware:
    """Sets `request.tenant`, without which the pages of a tenant do not work."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> HttpResponse:
        request.tenant = request.get_host().partition(".")[0]
        response = self.get_response(request)
        response["X-Tenant"] = request.tenant
        return response

    def process_view(self, request: Any, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        if kwargs.get("name") == "closed":
            return HttpResponse("closed for today", status=403)
        return None

    def process_exception(self, request: Any, error: Exception) -> HttpResponse | None:
        if isinstance(error, LookupError):
            return HttpResponse("the project's own words", status=404)
        return None
