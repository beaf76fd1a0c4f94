"""The Django project around the fixture server: as small as one can be that serves over ASGI.

Several processes of it share what `tests.processes.shared` says.
"""

from __future__ import annotations

from tests.processes import shared

SECRET_KEY = "for the conformance suite only, and long enough for every signer that looks at it"
DEBUG = False
# The scenario on DNS rebinding expects every other name to be refused.
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]

INSTALLED_APPS = ["channels", "django_mcp"]
ROOT_URLCONF = "tests.urls"
DATABASES = shared.settings()["DATABASES"]
CHANNEL_LAYERS = shared.settings()["CHANNEL_LAYERS"]
USE_TZ = True

# The suite does not log in: it has no scenario for a server that asks who is there.
DJANGO_MCP = {
    "AUTHENTICATION": "django_mcp.authentication.anonymous",
    "SESSIONS": shared.settings()["SESSIONS"],
}
