"""The same endpoints as in `asgi.py`, as plain views: for Django's own ASGI and WSGI handlers."""

from __future__ import annotations

from django.urls import include, path

from django_mcp.urls import mcp_view

from .mcp import changing, other

urlpatterns = [
    path("", include("django_mcp.urls")),
    path("other/mcp", mcp_view(other)),
    path("changing/mcp", mcp_view(changing)),
    path("orgs/<slug:org>/years/<int:year>/mcp", mcp_view()),
]
