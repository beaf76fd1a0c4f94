"""What the processes of one project share: a PostgreSQL for what is kept, a Redis for what is told.

Whoever starts the processes hands it to them in their environment, and their settings read it from
there. Without it, each of them keeps everything in its own memory.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any, Final

from tests.services import PATIENCE, Postgres, Redis

from .workers import REPOSITORY

VARIABLE: Final = "MCP_SHARED"

_ALONE: Final[Mapping[str, Any]] = {
    "DATABASES": {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    "CHANNEL_LAYERS": {},
    "SESSIONS": "memory",
}


def environment(postgres: Postgres, redis: Redis | None) -> dict[str, str]:
    """What tells a process of both; without a Redis, processes do not hear of each other."""
    settings: dict[str, Any] = {
        "DATABASES": {"default": postgres.new_database()},
        "CHANNEL_LAYERS": {},
        "SESSIONS": "database",
    }
    if redis is not None:
        settings["CHANNEL_LAYERS"] = {
            "default": {
                "BACKEND": "channels_redis.core.RedisChannelLayer",
                "CONFIG": {"hosts": [redis.url]},
            }
        }
    return {VARIABLE: json.dumps(settings)}


def settings() -> Mapping[str, Any]:
    """The settings of this process that come of it; SESSIONS is one of DJANGO_MCP."""
    given = os.environ.get(VARIABLE)
    return _ALONE if given is None else json.loads(given)


def migrate(module: str, shared: Mapping[str, str]) -> None:
    """Make the tables of the project whose settings are in `module`."""
    command = ["migrate", "--verbosity", "0", "--skip-checks", "--settings", module]
    subprocess.run(
        [sys.executable, "-m", "django", *command],
        cwd=REPOSITORY,
        env={**os.environ, **shared},
        check=True,
        timeout=PATIENCE,
    )
