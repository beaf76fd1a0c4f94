"""The application uvicorn and daphne serve: Django, and MCP at /mcp."""

from __future__ import annotations

import os

from django_mcp.routing import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.benchmarks.site.settings")
application = get_asgi_application()
