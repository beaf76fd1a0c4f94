"""The project and its MCP endpoints, served by the Channels consumer."""

from __future__ import annotations

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.interop.site.settings")
django.setup()

# After setup(): the servers are made from the settings.
from django_mcp.routing import get_asgi_application, mount  # noqa: E402

from .mcp import changing, other  # noqa: E402

application = get_asgi_application(
    mount("mcp"),
    mount("other/mcp", other),
    mount("changing/mcp", changing),
    mount("orgs/<slug:org>/years/<int:year>/mcp"),
    mount("sse", transport="sse"),
    mount("changing/sse", changing, transport="sse"),
    mount("ws", transport="websocket"),
    mount("changing/ws", changing, transport="websocket"),
)
