"""The ASGI application: Django, and the default server at /mcp through the Channels consumer."""

from __future__ import annotations

import os

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.processes.site.settings"
django.setup()

# After setup(): these read the settings and the models.
from django_mcp.routing import get_asgi_application  # noqa: E402

from . import mcp  # noqa: E402, F401

application = get_asgi_application()
