"""The project as an ASGI application: Django, and the MCP endpoint at ``/mcp``."""

import os

from django_mcp.routing import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

application = get_asgi_application()
