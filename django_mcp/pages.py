"""Pages for people, of the apps that have some: rendered with headers that keep them safe.

No page may be framed or kept, runs scripts, or loads anything; its style is in the page itself, in
an element with the nonce `style_nonce`. What a project needs for them is `missing_for`, which
language is asked for where Django's middleware is not, `language_for`; what is on a page is the
app's.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template import TemplateDoesNotExist
from django.template.loader import get_template
from django.utils import translation
from django.utils.module_loading import import_string

_MIDDLEWARE: Final = (
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
)


def page(
    request: HttpRequest,
    template: str,
    context: Mapping[str, Any],
    *,
    status: int = 200,
    form_action: Iterable[str] = (),
) -> HttpResponse:
    """A page of `template`; `form_action` are where its forms lead besides here.

    Chromium asks for the target of a redirect that follows a form as well.
    """
    nonce = secrets.token_urlsafe(16)
    response = render(request, template, {**context, "style_nonce": nonce}, status=status)
    targets = " ".join(["'self'", *form_action])
    response["Content-Security-Policy"] = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; form-action {targets}; "
        "frame-ancestors 'none'; base-uri 'none'"
    )
    response["X-Frame-Options"] = "DENY"
    response["Cache-Control"] = "no-store"
    response["Referrer-Policy"] = "same-origin"
    return response


def language_for(accepted: str | None) -> str | None:
    """The language of the project's that an Accept-Language asks for; None where it asks for none,
    or nothing is translated."""
    if not accepted or not settings.USE_I18N:
        return None
    request = HttpRequest()
    request.META["HTTP_ACCEPT_LANGUAGE"] = accepted
    return translation.get_language_from_request(request)


def missing_for(template: str) -> list[str]:
    """What the project lacks that pages need for which users log in, of which `template` is one."""
    missing = [f"the middleware {name}" for name in _MIDDLEWARE if not _has_middleware(name)]
    try:
        get_template(template)
    except TemplateDoesNotExist:
        missing.append('a template engine with "APP_DIRS": True')
    return missing


def _has_middleware(name: str) -> bool:
    """True where it is there, or one that inherits from it."""
    wanted = import_string(name)
    for path in settings.MIDDLEWARE:
        try:
            found = import_string(path)
        except ImportError:
            continue  # Django says so itself.
        if found is wanted or (isinstance(found, type) and issubclass(found, wanted)):
            return True
    return False
