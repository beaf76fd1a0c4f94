"""The settings of the library elsewhere: the example project, without its limits."""

from __future__ import annotations

import os

os.environ["OAUTH"] = "1"

from config.settings import *  # noqa: F403
from config.settings import DJANGO_MCP, DJANGO_MCP_OAUTH

DJANGO_MCP = {**DJANGO_MCP, "THROTTLES": {}}
DJANGO_MCP_OAUTH = {**DJANGO_MCP_OAUTH, "REGISTRATIONS_PER_HOUR": 10_000}
# The second for passwords as they are in the database at first, the other to be quick from then on.
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.MD5PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
