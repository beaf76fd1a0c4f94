"""Settings of the served project; its server is found by autodiscovery, in `mcp.py`."""

from __future__ import annotations

SECRET_KEY = "for the interop tests only, and long enough for every signer that looks at its length"
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "[::1]"]

INSTALLED_APPS = ["channels", "django_mcp", "tests.interop.site"]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "tests.interop.site.urls"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
USE_TZ = True

DJANGO_MCP = {
    "NAME": "interop",
    "TITLE": "Interoperation ☕",
    "VERSION": "1.0",
    "INSTRUCTIONS": "Ask for anything, 何でも.",
    "WEBSITE_URL": "https://example.com/interop",
    "AUTHENTICATION": "django_mcp.authentication.anonymous",
    "SESSIONS": "memory",
}

# The log of a server is looked through when it has ended: whatever is unexpected stands there.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"unexpected": {"()": "tests.interop.site.failures.Unexpected"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "filters": ["unexpected"]}},
    "loggers": {"django_mcp": {"handlers": ["console"], "level": "WARNING", "propagate": False}},
}
