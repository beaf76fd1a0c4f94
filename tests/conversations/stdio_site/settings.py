"""Settings of the served project. Its log goes to standard output, where none may appear."""

from __future__ import annotations

import os

SECRET_KEY = "for the tests only, and long enough for every signer that looks at its length"
DEBUG = False
INSTALLED_APPS = [
    "daphne",
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "channels",
    "django_mcp",
    "tests.conversations.stdio_site",
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("DATABASE_PATH", ":memory:"),
    }
}
ROOT_URLCONF = "tests.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True

DJANGO_MCP = {
    "NAME": "piped",
    "VERSION": "1.0",
    "MAX_BODY_BYTES": 1_000_000,
    "REAUTHENTICATE_EVERY": float(os.environ.get("REAUTHENTICATE_EVERY", "30")),
}
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout"}},
    "loggers": {"piped": {"handlers": ["console"], "level": "DEBUG"}},
}

print("printed by the settings")
