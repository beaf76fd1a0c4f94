"""The project as an ASGI application: Django, and the MCP server, over each transport."""

import os

from django_mcp.routing import get_asgi_application, mount

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

application = get_asgi_application(
    mount("mcp"),
    # For clients that know nothing newer, and for those that want one connection for everything.
    mount("sse", transport="sse"),
    mount("ws", transport="websocket"),
)
