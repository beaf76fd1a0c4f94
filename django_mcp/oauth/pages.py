"""Pages for people, rendered from the templates of this app.

The headers that keep them safe are `django_mcp.pages`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse

from .. import pages


def page(
    request: HttpRequest,
    name: str,
    context: Mapping[str, Any],
    *,
    status: int = 200,
    form_action: Iterable[str] = (),
) -> HttpResponse:
    """A page of `django_mcp_oauth/{name}`; `form_action` are where its forms lead besides here."""
    template = f"django_mcp_oauth/{name}"
    return pages.page(request, template, context, status=status, form_action=form_action)
