"""The endpoint as a plain Django view.

`path("", include("django_mcp.urls"))` serves the default server at DJANGO_MCP["PATH"]; another
server, or another place, is `path("orgs/<slug:org>/mcp", mcp_view(server))`. URL parameters reach
the functions as `Context.url_kwargs`. Next to Channels, `django_mcp.routing` is faster: no
middleware is run there.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from django.urls import re_path

from . import conf
from .default import default_server
from .endpoints import build_endpoint
from .server.server import MCPServer
from .transports.http.endpoint import Endpoint
from .transports.http.views import endpoint_view


def mcp_view(
    server: MCPServer | None = None, *, authenticate: str | Callable[..., Any] | None = None
) -> Callable[..., Any]:
    """A view that serves `server`, by default the default server.

    Under ASGI it streams; under WSGI it answers JSON. `authenticate` stands in for
    DJANGO_MCP["AUTHENTICATION"] at this mount.
    """

    @cache
    def endpoint() -> Endpoint:
        return build_endpoint(server or default_server(), authenticate)

    view = endpoint_view(endpoint)
    view.mcp_endpoint = endpoint  # type: ignore[attr-defined]
    return view


urlpatterns = [re_path(rf"^{conf.get().path.strip('/')}/?$", mcp_view(), name="mcp")]
