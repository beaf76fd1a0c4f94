"""The smallest Django project the test-suite runs in.

It owns the installed apps, the database and the URL root. What a test needs beside that it sets for
itself, with pytest-django's ``settings`` fixture.
"""

from __future__ import annotations

import json
import os

SECRET_KEY = "for the test-suite only, and long enough for every signer that looks at its length"
DEBUG = False
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1", "[::1]"]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.messages",
    "django.contrib.sessions",
    "channels",
    "oauth2_provider",
    "django_mcp",
    "django_mcp.oauth",
    "django_mcp.remote",
    "tests.exposure.depot",
    "tests.exposure.workshop",
    "tests.exposure.shelf",
    "tests.exposure.oddments",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

ROOT_URLCONF = "tests.urls"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
if "MCP_TEST_DATABASE" in os.environ:  # What tests.databases starts.
    DATABASES = {"default": json.loads(os.environ["MCP_TEST_DATABASE"])}
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
USE_TZ = True

# Most tests have no database. Those of sessions in one say so.
DJANGO_MCP = {"SESSIONS": "memory"}
