"""The same project, of which several processes share the database and the channel layer."""

from __future__ import annotations

from tests.processes import shared

from .settings import *  # noqa: F403
from .settings import DJANGO_MCP, INSTALLED_APPS

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    *INSTALLED_APPS,
]
DATABASES = shared.settings()["DATABASES"]
CHANNEL_LAYERS = shared.settings()["CHANNEL_LAYERS"]
DJANGO_MCP = {**DJANGO_MCP, "SESSIONS": shared.settings()["SESSIONS"]}
