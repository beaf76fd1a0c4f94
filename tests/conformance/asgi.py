"""The ASGI application: Django, and the fixture server at /mcp through the Channels consumer."""

from __future__ import annotations

import os

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.conformance.settings"
django.setup()

# After setup(): a server reads the settings when it is made, and these modules make it and fill it.
from django_mcp.routing import get_asgi_application, mount  # noqa: E402

from . import notifications, prompts, questions, resources, tools  # noqa: E402, F401
from .fixture import server  # noqa: E402

application = get_asgi_application(mount("mcp", server))
