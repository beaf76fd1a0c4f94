"""The Django project of the process tests; what its processes share is `tests.processes.shared`."""

from __future__ import annotations

from tests.processes import shared

SECRET_KEY = "for the process tests only, and long enough for every signer that looks at its length"
DEBUG = False
ALLOWED_HOSTS = ["localhost", "127.0.0.1"]

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "channels",
    "django_mcp",
]
ROOT_URLCONF = "tests.urls"
ASGI_APPLICATION = "tests.processes.site.asgi.application"
DATABASES = shared.settings()["DATABASES"]
CHANNEL_LAYERS = shared.settings()["CHANNEL_LAYERS"]
USE_TZ = True

DJANGO_MCP = {
    "NAME": "processes",
    "AUTHENTICATION": "django_mcp.authentication.anonymous",
    "SESSIONS": shared.settings()["SESSIONS"],
}
