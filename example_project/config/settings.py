"""The settings of the example project: what ``startproject`` writes, and the lines for MCP.

DEBUG is on and SECRET_KEY has a default because this project is made to be tried on your own
machine. Neither belongs in a project that others can reach.
"""

import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent

DEBUG = os.environ.get("DEBUG", "true").lower() in {"1", "on", "true", "yes"}
SECRET_KEY = os.environ.get(
    "SECRET_KEY", "for-localhost-only-set-SECRET_KEY-before-others-can-reach-it"
)
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]

INSTALLED_APPS = [
    "daphne",  # makes runserver an ASGI server; it has to stand before staticfiles
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "django_mcp",
    "django_mcp.remote",  # servers that this site is a client of
    "library",
]

# Every key is optional. The first three tell clients what the server is.
DJANGO_MCP = {
    "NAME": "library",
    "TITLE": "The Library",
    "INSTRUCTIONS": (
        "A small public library of books in the public domain. Search before you lend: a book is "
        "known by its id, a reader by the number on their card."
    ),
    # Clients up to 2025-11-25 have sessions. Kept in the database, which is also the default, they
    # outlive a restart, and any process can serve them. Other places: "cache", "memory", None.
    "SESSIONS": "database",
    # A row for each call, with the names of its arguments: the admin shows them, with a summary.
    "AUDIT": True,
    "AUDIT_ARGUMENTS": "names",
    # The admin, and manage.py mcp_switch, can close the server; every process heeds it.
    "KILL_SWITCH": True,
    # Nobody looks for books faster than that, and no address guesses tokens.
    "THROTTLES": {"principal": "1200/min", "authentication": "30/min"},
    # On your own machine anybody may come in; anywhere else, nobody until you have said who.
    "AUTHENTICATION": "django_mcp.authentication.anonymous" if DEBUG else None,
}

# With OAUTH=1 nobody comes in without an account (manage.py createsuperuser): a client sends its
# user to this site, to log in and to say what it may do. Then it comes with a token.
OAUTH = os.environ.get("OAUTH", "").lower() in {"1", "on", "true", "yes"}
if OAUTH:
    INSTALLED_APPS += ["oauth2_provider", "django_mcp.oauth"]
    DJANGO_MCP["AUTHENTICATION"] = "django_mcp.oauth.authentication.bearer"
    DJANGO_MCP_OAUTH = {
        # What users are asked for, in words. The third is of two tools in library/mcp/lending.py.
        "SCOPES": {
            "mcp:read": "Look into the catalogue, and at whatever else you can see",
            "mcp:write": "Change things in your name",
            "library:lend": "Lend books and take them back in your name",
        },
        # A program without a user may have a client of its own, made in the admin.
        "CLIENT_CREDENTIALS": True,
    }
    # With OAUTH_ISSUER=https://login.example.com/realms/acme besides, tokens are that provider's,
    # and whoever comes with one is a user of their own (docs/howto/external-identity-provider.md).
    if issuer := os.environ.get("OAUTH_ISSUER"):
        DJANGO_MCP_OAUTH |= {
            "VERIFIERS": ["django_mcp.oauth.external.verify"],
            "IDENTITY_PROVIDERS": {issuer: {"CREATE_USERS": True}},
            "REGISTRATION": "off",
            "CLIENT_DOCUMENTS": False,
        }

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",  # users are asked in their browser's language
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
ASGI_APPLICATION = "config.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("DATABASE_PATH", BASE_DIR / "db.sqlite3"),
        "CONN_MAX_AGE": 60,
        # Tools run side by side: readers do not wait for a writer, and writers wait their turn.
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
        },
    }
}

# Through this processes tell each other of answers, cancellations and changes. run.py starts one
# process, which needs nothing to be shared. For several: install channels-redis, and
#   REDIS_URL=redis://127.0.0.1:6379/0 uvicorn config.asgi:application --workers 2
REDIS_URL = os.environ.get("REDIS_URL")
SHARED_LAYER = {
    "BACKEND": "channels_redis.core.RedisChannelLayer",
    "CONFIG": {"hosts": [{"address": REDIS_URL, "socket_timeout": 30}]},
}
LAYER_OF_ONE_PROCESS = {"BACKEND": "channels.layers.InMemoryChannelLayer"}
CHANNEL_LAYERS = {"default": SHARED_LAYER if REDIS_URL else LAYER_OF_ONE_PROCESS}

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
