"""Pages for people, of the apps that have some: rendered with headers that keep them safe.

No page may be framed or kept, runs scripts, or loads anything; its style is in the page itself, in
an element with the nonce `style_nonce`. What is on a page is the app's.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


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
