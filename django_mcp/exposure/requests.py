"""A Django request on behalf of a principal, for code that was written for pages.

It has what such code asks of a request: the user, a session and messages that last as long as the
request does, and what was posted. No middleware has seen it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.contrib.messages.storage.base import BaseStorage
from django.http import HttpRequest, QueryDict
from django.urls import get_script_prefix

from ..server.access import Principal
from .passing_session import PassingSession


def request_for(
    principal: Principal,
    path: str,
    *,
    posted: Mapping[str, list[str]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> HttpRequest:
    """A POST request of the principal's user to `path`, with the fields in `posted`.

    `headers` are those of the request that is served: the host and the languages are taken over.
    """
    request = HttpRequest()
    request.method = "POST"
    prefix = get_script_prefix().rstrip("/")
    request.path, request.path_info = path, path.removeprefix(prefix)
    taken = {name: (headers or {}).get(name) for name in ("host", "accept-language")}
    request.META.update(
        {
            "REQUEST_METHOD": "POST",
            "SCRIPT_NAME": prefix,
            "PATH_INFO": request.path_info,
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "CONTENT_TYPE": "application/x-www-form-urlencoded",
            **{f"HTTP_{n.upper().replace('-', '_')}": value for n, value in taken.items() if value},
        }
    )
    data = QueryDict(mutable=True)
    for name, values in (posted or {}).items():
        data.setlist(name, values)
    data._mutable = False
    request.POST = data  # type: ignore[assignment]
    attributes: Any = request
    attributes.user = AnonymousUser() if principal.user is None else principal.user
    attributes.session = PassingSession()
    attributes._messages = _Messages(request)
    # The caller has shown who they are, by no cookie.
    attributes._dont_enforce_csrf_checks = True
    return request


def messages_of(request: HttpRequest) -> list[Any]:
    """The messages that were added to `request`, in order."""
    return list(getattr(request, "_messages", ()))


class _Messages(BaseStorage):
    """Messages that are read from the request itself."""

    def _get(self, *args: Any, **kwargs: Any) -> tuple[list[Any], bool]:
        return [], True

    def _store(self, messages: Any, response: Any, *args: Any, **kwargs: Any) -> list[Any]:
        return []
